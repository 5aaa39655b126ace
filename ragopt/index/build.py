"""Train a FAISS index on a bounded sample and add vectors in blocks."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from ragopt.errors import SpecError
from ragopt.index.blas_training import blas_training
from ragopt.index.inner import first_transform, inner_index, list_sizes
from ragopt.index.search_parameters import set_search
from ragopt.index.seeding import bound_memory, release_training, seed_training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    import faiss
    import numpy as np
    from numpy.typing import NDArray

    from ragopt.index.coarse import SharedCoarse
    from ragopt.index.factory import Factory
    from ragopt.records import Metric
__all__ = ["RESERVOIRS", "SharedPca", "add_blocks", "check_sample", "empty_index", "faiss_metric", "list_sizes",
           "set_search", "train_index", "use_reservoirs", "with_refine"]  # fmt: skip

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


def use_reservoirs(index: Any) -> None:
    """Let a FastScan full scan collect results in reservoirs for every k, as FAISS itself does above k = 20.

    With the heaps that FAISS 1.15.1 takes up to k = 20, a search of more than 11 queries now and then returned -1 for
    all queries from the 12th, 23rd or 34th on: 39 of some 5,000 searches of 40 queries between those of other
    families, none of 2,500 at k = 100 in the same runs (plain FAISS, AVX2, one thread, 2026-11-24).
    The choice is no part of the file, so it is made after training and after opening.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    inner = inner_index(index)
    if isinstance(inner, faiss.IndexFastScan):
        inner.implem = RESERVOIRS


def train_index(  # noqa: PLR0913 - what is shared between trainings, and where one runs
    factory: Factory,
    sample: NDArray[np.float32],
    *,
    metric: Metric,
    seed: int,
    pca: SharedPca | None = None,
    coarse: SharedCoarse | None = None,
    around: Callable[[faiss.Index], AbstractContextManager[None]] = lambda _index: blas_training(),
) -> faiss.Index:
    """Make an empty index and train it; the rescoring tier, if any, is trained by FAISS in the same call.

    Args:
        factory: what to build.
        sample: float32 (n_train, dim) rows of the space that is indexed; never changed.
        metric: cosine expects unit rows.
        seed: of every k-means inside, and of the levels of a graph.
        pca: a shared decomposition of the same sample, for factories that begin with PCA or PCAR.
        coarse: shared centroids of the same sample, for factories with inverted lists.
        around: what the empty index is trained within, such as the loan of a GPU.

    Returns:
        A trained, empty FAISS index.

    Raises:
        SpecError: the sample has fewer rows than the factory's codebooks need, or another dimension; FAISS has no
            such index for this metric.
    """
    check_sample(factory, sample)
    index = empty_index(factory, metric)
    held = seed_training(index, seed)
    bound_memory(index)
    if pca is not None and factory.transform and factory.transform.kind in ("PCA", "PCAR"):
        pca.give_to(first_transform(index))
    if coarse is not None and factory.nlist:
        coarse.give_to(index, factory, metric=metric, seed=seed, pca=pca)
    with around(index):
        index.train(sample)
    release_training(index)
    del held
    use_reservoirs(index)
    return index


def check_sample(factory: Factory, sample: NDArray[np.float32]) -> None:
    """Say so when a sample is too small for a factory, or of another dimension, with a SpecError."""
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


def empty_index(factory: Factory, metric: Metric) -> faiss.Index:
    """Make the index, or say that FAISS has it for another metric only.

    FAISS 1.15.1 throws for some such factories and makes an L2 index of others (HNSW over PQ) without a word.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    only = {faiss.METRIC_INNER_PRODUCT: "cosine and ip", faiss.METRIC_L2: "l2"}
    asked, has = faiss_metric(metric), faiss_metric(metric)
    if factory.is_graph and factory.codec.family == "PQ":
        has = faiss.METRIC_L2
    elif factory.codec.is_additive and factory.codec.is_fast_scan:
        has = faiss.METRIC_INNER_PRODUCT
    if has != asked:
        raise SpecError(
            f"FAISS has no {factory} for {metric} vectors",
            allowed=f"this factory with {only[has]}",
            next_step="Leave it out of the grid, or write another codec",
        )
    return faiss.index_factory(factory.dim, str(factory), asked)


def add_blocks(
    index: faiss.Index,
    blocks: Iterable[tuple[int, NDArray[np.float32]]],
    *,
    progress: Callable[[int, int], None] | None = None,
    n: int = 0,
) -> None:
    """Add vectors block by block; only one block is in memory besides the codes.

    A graph grows on one thread: on several, which of two vectors comes first is a race, and so are the links. Its
    links also depend on where the blocks are cut.

    Args:
        index: trained index; it is filled.
        blocks: (first row, float32 (m, dim)) in row order.
        progress: called with (vectors added, `n`).
        n: vectors in all, for `progress`.
    """
    with _one_thread_for_graphs(index):
        for start, block in blocks:
            if len(block):  # an empty block ends the process in RaBitQ's FastScan (FAISS 1.15.1)
                index.add(block)
            if progress:
                progress(start + len(block), n)


@contextlib.contextmanager
def _one_thread_for_graphs(index: faiss.Index) -> Iterator[None]:
    import faiss  # noqa: PLC0415 - loaded when first used

    before = faiss.omp_get_max_threads()
    if isinstance(inner_index(index), faiss.IndexHNSW):
        faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


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
