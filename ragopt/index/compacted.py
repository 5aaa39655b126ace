"""Indexes put together without changing a code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def template_of(index: Any) -> Any:
    """A trained, empty copy of an index that owns its memory."""
    import faiss  # noqa: PLC0415 - loaded when first used

    copy = faiss.clone_index(index)
    copy.reset()
    return copy


def compacted(parts: list[tuple[Any, NDArray[np.bool_]]]) -> Any:
    """Being written."""
    raise NotImplementedError(str(len(parts)))
