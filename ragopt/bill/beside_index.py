"""What a FAISS index does not hold: metadata and keys, kept as bytes in object storage beside it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragopt.bill.workload import Workload

BESIDE = "metadata and keys, which a FAISS index does not hold"


def beside_bytes(workload: Workload) -> Decimal:
    """Bytes of metadata and keys of all vectors, once, whatever the number of replicas."""
    return Decimal(workload.n_vectors * (workload.metadata_bytes + workload.key_bytes))


def beside_note(workload: Workload) -> str:
    """Say where metadata and keys lie and what of them is not billed; empty where there are none."""
    if not workload.metadata_bytes + workload.key_bytes:
        return ""
    return (
        "Metadata and keys are not in a FAISS index: one copy in object storage is billed, reading them for results "
        "and searching by them is not."
    )
