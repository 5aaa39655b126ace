"""Set the parameters of a search on a FAISS index, and set back those of the search before."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ragopt.errors import SpecError
from ragopt.index.inner import inner_index

if TYPE_CHECKING:
    import faiss

SEARCH_PART = re.compile(r"(nprobe|k_factor_rf|efSearch)=([0-9]+)")
"""FAISS itself reads 4x as 4 and 0.5 as 0, and fails only when it searches (ParameterSpace, FAISS 1.15.1)."""

EF_SEARCH = 16
"""FAISS's default number of candidates that a walk through an HNSW graph keeps (faiss/impl/HNSW.h, FAISS 1.15.1)."""


def set_search(index: faiss.Index, search: str) -> None:
    """Apply a ParameterSpace string such as ``nprobe=16,k_factor_rf=10`` on top of FAISS's defaults.

    Those are nprobe=1, k_factor_rf=1 and efSearch=16. What the string does not name is set back to them, so that
    nothing of an earlier search is left.

    Raises:
        SpecError: the index has no such parameter, or a value is no whole number from 1.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    if not search:
        _reset_search(index)
        return
    try:
        for part in search.split(","):
            match = SEARCH_PART.fullmatch(part)
            if match is None or int(match[2]) < 1:
                raise ValueError(f"{part!r} cannot be read")  # noqa: TRY301 - one message for both readers
        _reset_search(index)
        space: Any = faiss.ParameterSpace()
        space.set_index_parameters(index, search)
    except (RuntimeError, ValueError) as error:
        raise SpecError(
            f"Cannot set the search parameters {search!r}",
            allowed="nprobe=<lists> for IVF, k_factor_rf=<depth / k> for Refine, efSearch=<candidates> for HNSW, "
            "whole numbers, joined by commas",
            next_step="Correct the search string of this trial",
        ) from error


def search_value(search: str, name: str) -> int:
    """What a ParameterSpace string sets `name` to, FAISS's default where it does not name it.

    >>> search_value("nprobe=16,k_factor_rf=10", "nprobe"), search_value("", "efSearch")
    (16, 16)
    """
    values = {match[1]: int(match[2]) for match in SEARCH_PART.finditer(search)}
    return values.get(name, EF_SEARCH if name == "efSearch" else 1)


def _reset_search(index: Any) -> None:
    import faiss  # noqa: PLC0415 - loaded when first used

    outer: Any = faiss.downcast_index(index)
    if isinstance(outer, faiss.IndexRefine):
        outer.k_factor = 1
    inner = inner_index(outer)
    if isinstance(inner, faiss.IndexIVF):
        inner.nprobe = 1
    if isinstance(inner, faiss.IndexHNSW):
        inner.hnsw.efSearch = EF_SEARCH
