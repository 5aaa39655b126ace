"""Train a FAISS index on a bounded sample and add vectors in blocks."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

from ragopt.errors import SpecError
from ragopt.index.blas_training import blas_training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import faiss
    import numpy as np
    from numpy.typing import NDArray

    from ragopt.index.factory import Factory
    from ragopt.records import Metric


SEARCH_PART = re.compile(r"(nprobe|k_factor_rf)=([0-9]+)")
"""FAISS itself reads 4x as 4 and 0.5 as 0, and fails only when it searches (ParameterSpace, FAISS 1.15.1)."""


RESERVOIRS = 13
"""IndexFastScan's number for blocks of 32 vectors with reservoirs; 0, the default, chooses 12 or 13 by k."""


def faiss_metric(metric: Metric) -> int:
    """FAISS's number for a metric; cosine is the inner product of unit vectors."""
    import faiss  # noqa: PLC0415 - loaded when first used

    return int(faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT)


class SharedPca:
    """One eigen-decomposition of a training sample that serves every ``PCA<d>`` and ``PCAR<d>``.

    FAISS would decompose again for each output dimension; the matrix it would find is the same, drawn like this one
    from at most 1,000 rows per input dimension.
    """

    def __init__(self, sample: NDArray[np.float32]) -> None:
        """Take the sample, float32 (n, dim); nothing is computed before the first use."""
        self._sample = sample
        self._trained: Any = None
        self._lock = threading.Lock()

    def give_to(self, transform: Any) -> None:
        """Fill an untrained FAISS PCAMatrix from the shared decomposition."""
        import faiss  # noqa: PLC0415 - loaded when first used

        with self._lock:
            if self._trained is None:
                dim = self._sample.shape[1]
                trained = faiss.PCAMatrix(dim, dim)
                # max_points_per_d stays at FAISS's own 1,000, so that plain FAISS finds the same matrix.
                trained.train(self._sample)
                self._trained = trained
        transform.copy_from(self._trained)


def _quiet_and_seed(index: Any, seed: int) -> None:
    """Seed every k-means inside an index and stop its warnings about few points: ragopt reports them itself."""
    import faiss  # noqa: PLC0415 - loaded when first used

    inner: Any = faiss.downcast_index(index)
    if isinstance(inner, faiss.IndexRefine):
        _quiet_and_seed(inner.base_index, seed)
        _quiet_and_seed(inner.refine_index, seed)
        return
    if isinstance(inner, faiss.IndexPreTransform):
        _quiet_and_seed(inner.index, seed)
        return
    if isinstance(inner, faiss.IndexIVF):
        inner.cp.seed = seed
        inner.cp.min_points_per_centroid = 1
    if hasattr(inner, "pq"):
        inner.pq.cp.seed = seed
        inner.pq.cp.min_points_per_centroid = 1


def use_reservoirs(index: Any) -> None:
    """Let a FastScan full scan collect results in reservoirs for every k, as FAISS itself does above k = 20.

    With the heaps that FAISS 1.15.1 takes up to k = 20, a search of more than 11 queries now and then returned -1 for
    all queries from the 12th, 23rd or 34th on: 39 of some 5,000 searches of 40 queries between those of other
    families, none of 2,500 at k = 100 in the same runs (plain FAISS, AVX2, one thread, 2026-11-24).
    The choice is no part of the file, so it is made after training and after opening.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    inner: Any = faiss.downcast_index(index)
    if isinstance(inner, faiss.IndexRefine):
        use_reservoirs(inner.base_index)
    elif isinstance(inner, faiss.IndexPreTransform):
        use_reservoirs(inner.index)
    elif isinstance(inner, faiss.IndexPQFastScan):
        inner.implem = RESERVOIRS


def train_index(
    factory: Factory, sample: NDArray[np.float32], *, metric: Metric, seed: int, pca: SharedPca | None = None
) -> faiss.Index:
    """Make an empty index and train it; the rescoring tier, if any, is trained by FAISS in the same call.

    Args:
        factory: what to build.
        sample: float32 (n_train, dim) rows of the space that is indexed; never changed.
        metric: cosine expects unit rows.
        seed: of every k-means inside.
        pca: a shared decomposition of the same sample, for factories that begin with PCA or PCAR.

    Returns:
        A trained, empty FAISS index.

    Raises:
        SpecError: the sample has fewer rows than the factory's codebooks need, or another dimension.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    if sample.shape[1] != factory.dim:
        raise SpecError(
            f"The training sample has {sample.shape[1]} dimensions, the factory {factory} expects {factory.dim}",
            next_step="Give a sample of the space that is indexed",
        )
    if len(sample) < factory.min_train_rows:
        raise SpecError(
            f"{factory} needs {factory.min_train_rows} vectors to train, this corpus gives {len(sample)}",
            allowed="SQ8, SQ4, RaBitQ and Flat without a PCA, which train on any number",
            next_step="Leave it out of the grid, or sweep a larger corpus",
        )
    index = faiss.index_factory(factory.dim, str(factory), faiss_metric(metric))
    _quiet_and_seed(index, seed)
    base: Any = faiss.downcast_index(index)
    if isinstance(base, faiss.IndexRefine):
        base = faiss.downcast_index(base.base_index)
    if pca is not None and factory.transform and factory.transform.kind in ("PCA", "PCAR"):
        pca.give_to(faiss.downcast_VectorTransform(base.chain.at(0)))
    with blas_training():
        index.train(sample)
    use_reservoirs(index)
    return index


def add_blocks(
    index: faiss.Index,
    blocks: Iterable[tuple[int, NDArray[np.float32]]],
    *,
    progress: Callable[[int, int], None] | None = None,
    n: int = 0,
) -> None:
    """Add vectors block by block; only one block is in memory besides the codes.

    Args:
        index: trained index; it is filled.
        blocks: (first row, float32 (m, dim)) in row order.
        progress: called with (vectors added, `n`).
        n: vectors in all, for `progress`.
    """
    for start, block in blocks:
        index.add(block)
        if progress:
            progress(start + len(block), n)


def with_refine(base: faiss.Index, refine: faiss.Index) -> faiss.Index:
    """Put a rescoring tier on a filled index without copying either.

    Args:
        base: filled index of the short codes.
        refine: filled index of the full vectors in the same order.

    Returns:
        A FAISS IndexRefine that keeps both alive.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    return faiss.IndexRefine(base, refine)


def set_search(index: faiss.Index, search: str) -> None:
    """Apply a ParameterSpace string such as ``nprobe=16,k_factor_rf=10`` on top of FAISS's defaults, which are 1.

    What it does not name is set back, so that nothing of an earlier search is left.

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
            allowed="nprobe=<lists> for IVF, k_factor_rf=<depth / k> for Refine, whole numbers, joined by commas",
            next_step="Correct the search string of this trial",
        ) from error


def _reset_search(index: Any) -> None:
    import faiss  # noqa: PLC0415 - loaded when first used

    inner: Any = faiss.downcast_index(index)
    if isinstance(inner, faiss.IndexRefine):
        inner.k_factor = 1
        _reset_search(inner.base_index)
    elif isinstance(inner, faiss.IndexPreTransform):
        _reset_search(inner.index)
    elif isinstance(inner, faiss.IndexIVF):
        inner.nprobe = 1


def list_sizes(index: faiss.Index) -> list[int] | None:
    """Vectors in each inverted list of an index, None when it has no lists."""
    import faiss  # noqa: PLC0415 - loaded when first used

    inner: Any = faiss.downcast_index(index)
    if isinstance(inner, faiss.IndexRefine):
        inner = faiss.downcast_index(inner.base_index)
    if isinstance(inner, faiss.IndexPreTransform):
        inner = faiss.downcast_index(inner.index)
    if not isinstance(inner, faiss.IndexIVF):
        return None
    lists: Any = inner.invlists
    return [int(lists.list_size(number)) for number in range(inner.nlist)]
