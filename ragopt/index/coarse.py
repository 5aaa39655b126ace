"""Train the centroids of inverted lists once for every codec that is put into such lists."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ragopt.index.build import train_index
from ragopt.index.factory import parse_factory, split_factory
from ragopt.index.inner import inner_index

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragopt.index.build import SharedPca
    from ragopt.index.factory import Factory
    from ragopt.records import Metric


class SharedCoarse:
    """The IVF centroids of one training sample: one k-means per transform, number of lists, metric and seed.

    FAISS would run it again for each codec; the centroids that it would find are the same, since they depend on
    nothing that comes after them.
    """

    def __init__(self, sample: NDArray[np.float32]) -> None:
        """Take the sample, float32 (n, dim); nothing is computed before the first use."""
        self._sample = sample
        self._centroids: dict[tuple[str, Metric, int], NDArray[np.float32]] = {}
        self._lock = threading.Lock()

    def give_to(self, index: Any, factory: Factory, *, metric: Metric, seed: int, pca: SharedPca | None = None) -> None:
        """Fill the coarse quantizer of an untrained IVF index; FAISS then skips its training.

        Args:
            index: untrained FAISS index made from `factory`.
            factory: with inverted lists.
            metric: that the index is made with.
            seed: that the index is trained with.
            pca: the decomposition that the index is trained with.
        """
        parts = split_factory(factory.text)
        lists = f"IVF{factory.nlist}"
        alone = ",".join([*parts[: parts.index(lists)], lists, "Flat"])
        with self._lock:
            key = (alone, metric, seed)
            if key not in self._centroids:
                trained = train_index(
                    parse_factory(alone, factory.dim), self._sample, metric=metric, seed=seed, pca=pca
                )
                self._centroids[key] = inner_index(trained).quantizer.reconstruct_n(0, factory.nlist)
        inner_index(index).quantizer.add(self._centroids[key])
