"""What a vendor caps: figures of a workload against the most that it sells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

from ragopt.bill.retrieved import results_per_query

if TYPE_CHECKING:
    from ragopt.bill.vendor_quantities import Holding
    from ragopt.bill.vendor_records import Limit, VendorRules

LIMITED: Mapping[str, tuple[str, Callable[[Holding], Decimal]]] = MappingProxyType(
    {
        "dims": ("dimensions", lambda held: Decimal(held.dim)),
        "metadata_bytes": ("bytes of metadata per vector", lambda held: Decimal(held.workload.metadata_bytes)),
        "filterable_bytes": (
            "bytes of filterable metadata per vector (metadata_bytes x filterable_share)",
            lambda held: held.filterable_bytes,
        ),
        "key_bytes": ("bytes of a key", lambda held: Decimal(held.workload.key_bytes)),
        "record_bytes": (
            "bytes of a vector with key and metadata",
            lambda held: held.written_bytes_per_vector,
        ),
        "namespace_vectors": ("vectors per namespace", lambda held: held.namespace_vectors),
        "namespace_dims": ("dimensions per namespace", lambda held: held.namespace_vectors * held.dim),
        "namespaces": ("namespaces", lambda held: Decimal(held.workload.namespaces)),
        "k": ("results per query (k, or rerank_candidates)", lambda held: Decimal(results_per_query(held.workload))),
    }
)
"""What a limit may be of, by the name that vendor files use: its words and its figure."""


def broken(rules: VendorRules, held: Holding, *, on_request: bool) -> tuple[str, ...]:
    """Say which limits a workload breaks, a sentence part each.

    Args:
        rules: the vendor's.
        held: what it would hold.
        on_request: the limits that the vendor lifts on request, or those that it does not.
    """
    return tuple(
        _sentence(rules.name, limit, held)
        for limit in rules.limits
        if limit.on_request == on_request and LIMITED[limit.of][1](held) > limit.most
    )


def too_slow(rules: VendorRules, held: Holding) -> str:
    """Say that the vendor's own page promises no answer as fast as the limit; empty when it does, or says nothing."""
    limit, least = held.workload.p99_limit_ms, rules.least_latency_ms
    if limit is None or least is None or limit >= least:
        return ""
    return f"{rules.name} publishes {least:f} ms for its fastest answers, the p99 limit is {limit:f} ms"


def _sentence(name: str, limit: Limit, held: Holding) -> str:
    words, figure = LIMITED[limit.of]
    return (
        f"{figure(held):,.0f} {words} are more than the {limit.most:,.0f} that {name} sells "
        f"({limit.source}, {limit.as_of})"
    )
