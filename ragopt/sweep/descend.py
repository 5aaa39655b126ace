"""Search for fewer bytes: go down in code size until the target fails, so that the smallest that holds is found.

A coarse grid recommends the smallest of its own sizes. Recall falls with code size and rises with rescoring depth, so a
bisection over sizes, each tried at the greatest depth, finds the smallest size that holds, and a bisection over depth
the least depth at which it does. Residual codes are tried below that size only, and only where the bytes that they save
outweigh their tables: they find more at equal bytes, but FAISS holds megabytes of tables for them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ragopt.index.factory import parse_factory
from ragopt.index.size import index_bytes
from ragopt.measure.intervals import mean_interval
from ragopt.measure.neighbours import recall_vs_exact
from ragopt.measure.shortlist import best_rescored, rows_at
from ragopt.records import Space, Trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragopt.sweep.estimate_stage import Estimate
    from ragopt.sweep.selecting import Selection

SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 18, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128)
"""Code bytes that are tried: every byte where it is a tenth of the code or more, then steps of an eighth to a fifth."""

RESCORED_SHARE = 0.05
"""Most of the corpus that one search may rescore: beyond a twentieth it scans the disk rather than searches codes."""

TIERS = ("SQ8", "SQfp16")
"""Rescoring tiers: SQ8 loses half a point of recall of its own on 384 dimensions (table A), SQfp16 none, at twice the
disk."""

PQ_SHARES, FS_SHARES, RQ_SHARES = (6, 4, 3), (4, 3), (4,)
"""Dimensions that codes are given, as parts of the full one: a sixth to a third is where short codes keep most
(22,067 x 384: PQ8np finds .994 of the neighbours among the best 1,000 at 64 and at 96 dimensions, 2026-11)."""

MOST_RQ_BYTES = 16
"""Longer residual codes take minutes to train (RQ16x8 at 384 dimensions: 73 s on 16,384 rows, 2026-11)."""

DEPTH_MARGIN = 1.25
"""A second depth a quarter greater than the least: the next to confirm where the least one misses on other queries."""


def most_factor(n_vectors: int, n_results: int, max_rescored: int) -> int:
    """Greatest `k_factor_rf` that a search may use; 0 where the corpus is too small for any rescoring."""
    return int(min(max_rescored, RESCORED_SHARE * n_vectors)) // n_results


def codecs_of(size: int, full_dim: int, *, residual: bool) -> tuple[str, ...]:
    """Codecs of `size` bytes behind a PCA, without their rescoring tier.

    >>> codecs_of(6, 384, residual=False)
    ('PCAR66,PQ6np', 'PCAR96,PQ6np', 'PCAR126,PQ6np', 'PCAR96,PQ12x4fs', 'PCAR132,PQ12x4fs')
    """
    found = []
    if residual:
        return tuple(f"PCAR{dim},RQ{size}x8" for dim in _dims(1, RQ_SHARES, full_dim, 1))
    found += [f"PCAR{dim},PQ{size}np" for dim in _dims(size, PQ_SHARES, full_dim, size)]
    found += [f"PCAR{dim},PQ{2 * size}x4fs" for dim in _dims(2 * size, FS_SHARES, full_dim, 2 * size)]
    return tuple(found)


def _dims(parts: int, shares: Sequence[int], full_dim: int, least: int) -> list[int]:
    """Dimensions near shares of the full one that divide into `parts` equal parts."""
    near = (parts * max(1, round(full_dim / share / parts)) for share in shares)
    return list(dict.fromkeys(dim for dim in near if least <= dim <= full_dim))


class Descent:
    """The search below a grid, for one model."""

    def __init__(self, selection: Selection, *, target: float, max_rescored: int) -> None:
        """Prepare.

        Args:
            selection: the model's race, its grid settled.
            target: least lower bound of recall_vs_exact.
            max_rescored: most vectors that one search may rescore.
        """
        self.selection, self.target = selection, target
        data, plan = selection.data, selection.plan
        self.space = Space(data.model, data.vectors.dim, "none")
        self.n_results = plan.n_results
        self.factor = most_factor(data.vectors.n, plan.n_results, max_rescored)
        self.tried: list[Trial] = []

    def run(self, grid: Sequence[Trial]) -> list[Trial]:
        """Search, and return every trial that was tried beyond the grid, settled in the selection."""
        if self.factor < 1:
            return []
        start = min(self._held_sizes(grid), default=SIZES[-1] + 1)
        smallest = self._bisect([size for size in SIZES if size < start])
        below = [size for size in SIZES if self._residual_pays(size, than=smallest or start)]
        # Two at a time, one for each of two cores; from the top, because most often only the first ones hold.
        for first in range(len(below) - 1, -1, -2):
            pair = below[max(first - 1, 0) : first + 1]
            if not self._holds(pair, residual=True):
                break
        self._least_depths()
        return self.tried

    def _residual_pays(self, size: int, *, than: float) -> bool:
        """Whether residual codes of this size would take less RAM at the size billed, their tables included."""
        if size >= than or size > MOST_RQ_BYTES:
            return False
        n = self.selection.data.vectors.n
        saved = (than - size) * max(self.selection.pricing.workload.n_vectors, n)
        factory = parse_factory(codecs_of(size, self.space.dim, residual=True)[0], self.space.dim)
        return saved > index_bytes(factory, n).ram_fixed_bytes

    def _held_sizes(self, trials: Sequence[Trial]) -> list[float]:
        return [self.selection.costs(trial).ram_bytes_per_vector for trial in trials if self._meets(trial)]

    def _meets(self, trial: Trial) -> bool:
        settled = self.selection.settled.get(trial)
        return settled is not None and mean_interval(settled.estimate.recall).low >= self.target

    def _bisect(self, sizes: Sequence[int]) -> int | None:
        """Smallest of the ascending sizes that holds, None when none does."""
        low, high = 0, len(sizes)
        while low < high:
            middle = (low + high) // 2
            if self._holds([sizes[middle]], residual=False):
                high = middle
            else:
                low = middle + 1
        return sizes[low] if low < len(sizes) else None

    def _holds(self, sizes: Sequence[int], *, residual: bool) -> bool:
        """Try code sizes at the greatest depth and tell whether any of their trials meets the target."""
        trials = [
            Trial(self.space, f"{codec},Refine({tier})", f"k_factor_rf={self.factor}")
            for size in sizes
            for codec in codecs_of(size, self.space.dim, residual=residual)
            for tier in TIERS
        ]
        self.selection.run(trials, f"{' and '.join(map(str, sizes))} bytes")
        self.tried += trials
        return any(self._meets(trial) for trial in trials)

    def _least_depths(self) -> None:
        """Add the least depth, and one a little greater, of the smallest trials that hold."""
        held = [trial for trial in self.tried if self._meets(trial)]
        sizes = sorted({self.selection.costs(trial).ram_bytes_per_vector for trial in held})[:2]
        added: list[Trial] = []
        for trial in held:
            if self.selection.costs(trial).ram_bytes_per_vector not in sizes:
                continue
            least = self._least_factor(self.selection.settled[trial].estimate)
            factors = dict.fromkeys((least, min(round(least * DEPTH_MARGIN), self.factor)))
            added += [replace(trial, search=f"k_factor_rf={factor}") for factor in factors]
        fresh = [trial for trial in dict.fromkeys(added) if trial not in self.tried]
        # With the candidates of the greatest depth, so that what was scored for it is read back.
        wanted = max((self.selection.settled[trial].estimate.n_candidates for trial in held), default=0)
        self.selection.run(fresh, "least depths", least_candidates=wanted)
        self.tried += fresh

    def _least_factor(self, found: Estimate) -> int:
        """Least factor at which a trial's lower bound still meets the target, read off its shortlist."""
        low, high = 1, self.factor
        while low < high:
            middle = (low + high) // 2
            if self._low_at(found, middle) >= self.target:
                high = middle
            else:
                low = middle + 1
        return low

    def _low_at(self, found: Estimate, factor: int) -> float:
        shortlist, ranks = found.shortlist(), found.ranks()
        if ranks is None:
            raise ValueError(f"{found.trial} has no tier to rescore with")
        sample = self.selection.sample(0, len(shortlist))
        places = best_rescored(shortlist, ranks, depth=factor * self.n_results, n_results=self.n_results)
        recall = recall_vs_exact(rows_at(sample.candidates, places), sample.exact, k=self.selection.plan.k)
        return mean_interval(recall).low
