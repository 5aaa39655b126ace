"""How much memory each stage of a sweep takes at most, and how many workers --max-memory leaves room for.

What is planned is resident memory: what this process allocates, and the pages of files that it maps, but for those of a
built index that is searched: they are resident as far as the system has room, and it takes them back. Every figure is a
sum of the arrays that a stage holds at once, or was measured and says so. The plan is kept by choosing fewer workers,
never other training rows, candidates or queries: results are those of a sweep without a limit, but for trials that
cannot be estimated, built or opened within it at all, which are left out with their reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ragopt.embed.store import MOST_MAPPED_BYTES
from ragopt.errors import InputError
from ragopt.index.build_memory import opened_bytes, training_bytes
from ragopt.index.candidates import BLOCK_ROWS
from ragopt.index.codec_size import code_bytes
from ragopt.measure.neighbours import MARGIN, RESCORE_BYTES
from ragopt.sweep.exact_search import BLOCK_BYTES as FLAT_BLOCK_BYTES
from ragopt.sweep.gathered import MEMORY_BYTES, MOST_HELD
from ragopt.sweep.model_stage import EXACT_BLOCK_BYTES
from ragopt.sweep.query_sample import MOST_SCORES
from ragopt.sweep.settings import CONFIRM_TRAIN_ROWS, SELECT_TRAIN_ROWS
from ragopt.sweep.streamed_build import GROWTH, build_memory_bytes, codes_bytes
from ragopt.sweep.workers import n_workers
from ragopt.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ragopt.index.factory import Factory

LIBRARY_BYTES = 280 * 10**6
"""Resident memory of Python with numpy, scipy, pyarrow, lancedb and FAISS loaded, and what stays behind the stages: 171
to 213 MB of its own and 67 MB of mapped libraries before the report of a sweep of 2,000,000 vectors (2 shared AMD EPYC
cores, Linux, 2026-11-26)."""

TORCH_BYTES = 470 * 10**6
"""More with torch: 462 MB for torch, transformers and all-MiniLM-L6-v2 (same machine)."""

EMBEDDING_BYTES = 200 * 10**6
"""More while a torch model embeds on the CPU: 150 MB for batches of 4,096 tokens, all-MiniLM-L6-v2 (same machine)."""

DRAWING_BYTES = 120 * 10**6
"""More while the report is drawn: Vega in vl-convert took 98 MB, half of it mapped (same machine)."""

MB, STEP_BYTES = 10**6, 10 * 10**6
"""A limit that fits is told to the next ten MB."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the memory of a sweep depends on.

    Attributes:
        n: vectors. dim: of the model.
        n_select, n_confirm: queries. n_candidates: per selection query.
        base_bytes: resident before any vectors. embedding_bytes: more while texts are embedded, or ready vectors read.
    """

    n: int
    dim: int
    n_select: int
    n_confirm: int
    n_candidates: int
    base_bytes: int = LIBRARY_BYTES
    embedding_bytes: int = 0

    @property
    def most_candidates(self) -> int:
        """Of each selection query, after all doublings that sharpen an estimate (`Selection.converge`)."""
        return min(self.n, max(self.n_candidates, MOST_SCORES // max(1, self.n_select)))

    @property
    def row_bytes(self) -> int:
        """Of one float32 vector."""
        return 4 * self.dim


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """What a sweep may hold.

    Attributes:
        max_bytes: of `--max-memory`; None is no limit.
        n_select, n_build: workers side by side while codecs are estimated, and while finalists are built.
        stages: name and most resident bytes of every stage.
        refused: why factories are left out, one reason each.
        shape: of what is planned for.
        fits_mb: a limit that can be kept, in MB, where `max_bytes` cannot.
    """

    max_bytes: int | None
    n_select: int
    n_build: int
    stages: tuple[tuple[str, int], ...] = ()
    refused: tuple[str, ...] = ()
    shape: Shape | None = None
    fits_mb: int = 0

    @property
    def peak_bytes(self) -> int:
        """Most resident bytes of any stage."""
        return max((size for _, size in self.stages), default=LIBRARY_BYTES)

    @property
    def base_bytes(self) -> int:
        """Resident before any vectors."""
        return LIBRARY_BYTES if self.shape is None else self.shape.base_bytes

    @property
    def is_kept(self) -> bool:
        """Whether every stage fits the limit."""
        return self.max_bytes is None or self.peak_bytes <= self.max_bytes

    def printed(self) -> tuple[str, ...]:
        """The plan in lines for people."""
        lines = [f"{name}: at most {format_bytes(size)} of memory" for name, size in self.stages]
        if self.max_bytes is None:
            return tuple(lines)
        if self.refused and self.is_kept:
            lines.append(f"{len(self.refused):,} of the factories left out, the first: {self.refused[0]}")
        limit, workers = format_bytes(self.max_bytes), f"workers: {self.n_select} to select, {self.n_build} to build"
        kept = f"is kept; {workers}" if self.is_kept else f"cannot be kept: {self.fits_mb}MB would fit"
        return (*lines, f"--max-memory {limit} {kept}")

    def check(self) -> None:
        """Raise InputError where the limit cannot be kept: which stage takes more, and what would fit."""
        if self.is_kept:
            return
        name, size = max(self.stages, key=lambda stage: stage[1])
        shape = self.shape
        with_what = "" if shape is None else (
            f" with {shape.n:,} vectors of {shape.dim} dimensions and {shape.n_select:,} queries"
        )  # fmt: skip
        raise InputError(
            f"--max-memory {format_bytes(self.max_bytes or 0)} cannot be kept: {name} may take {format_bytes(size)}"
            f"{with_what} on one worker",
            allowed=f"{self.fits_mb}MB or more",
            next_step="Give more memory; --dry-run shows every stage",
        )


def unlimited() -> MemoryPlan:
    """One worker per core and no limit."""
    return MemoryPlan(None, n_workers(), n_workers())


def plan_memory(shape: Shape, factories: Sequence[Factory], max_bytes: int | None) -> MemoryPlan:
    """Plan the memory of a sweep of one model.

    Args:
        shape: of the corpus and the queries.
        factories: of its trials; those that cannot be built within the limit are left out of the plan, since
            `refused` leaves them out of the sweep.
        max_bytes: limit on resident memory; None plans one worker per core.

    Returns:
        The plan; `check` says whether it keeps the limit.
    """
    plan = _planned(shape, factories, max_bytes)
    fits = plan
    while not fits.is_kept:
        # A larger limit lets more factories in, which may take more again.
        fits = _planned(shape, factories, -(-fits.peak_bytes // STEP_BYTES) * STEP_BYTES)
    return plan if plan.is_kept else replace(plan, fits_mb=(fits.max_bytes or 0) // MB)


def _planned(shape: Shape, factories: Sequence[Factory], max_bytes: int | None) -> MemoryPlan:
    cores = n_workers()
    fixed = [("exact neighbours", _exact(shape)), ("exact search measured", _flat(shape)),
             ("report", shape.base_bytes + DRAWING_BYTES)]  # fmt: skip
    embedding = [("embedding or reading", shape.base_bytes + shape.embedding_bytes)] if shape.embedding_bytes else []
    reasons = [refused(one, shape, max_bytes) for one in factories]
    kept = [one for one, reason in zip(factories, reasons, strict=True) if not reason]
    n_select = _most_workers(cores, max_bytes, lambda workers: _select(shape, kept, workers))
    n_build = _most_workers(cores, max_bytes, lambda workers: _build(shape, kept, workers, max_bytes))
    estimates = ("estimates", _select(shape, kept, n_select))
    finalists = ("finalists", _build(shape, kept, n_build, max_bytes))
    stages = (*embedding, fixed[0], estimates, finalists, *fixed[1:])
    return MemoryPlan(max_bytes, n_select, n_build, stages, tuple(filter(None, reasons)), shape)


def refused(factory: Factory, shape: Shape, max_bytes: int | None) -> str:
    """Why a factory cannot be built and opened within the limit; empty where it can, or without a limit."""
    if max_bytes is None:
        return ""
    needs = max(_build(shape, [factory], 1, max_bytes), _select(shape, [factory], 1))
    if needs <= max_bytes:
        return ""
    return (f"{factory} takes {format_bytes(needs)} of memory to estimate, build or open over {shape.n:,} vectors, "
            f"--max-memory allows {format_bytes(max_bytes)}")  # fmt: skip


def _most_workers(cores: int, max_bytes: int | None, needs: Callable[[int], int]) -> int:
    if max_bytes is None:
        return cores
    return next((workers for workers in range(cores, 1, -1) if needs(workers) <= max_bytes), 1)


def _exact(shape: Shape) -> int:
    """A block, its best rows, all kept rows, and a part of them scored again in float64."""
    n_queries = max(shape.n_select, shape.n_confirm)
    kept = max(shape.most_candidates, min(MARGIN + 1, shape.n))
    block = max(EXACT_BLOCK_BYTES, 1024 * shape.row_bytes)
    # The heap and a block's best are 12 bytes an entry each; they come out sorted as ids and float64 scores, joined.
    return (
        shape.base_bytes
        + 2 * block
        + shape.n_select * kept * (12 + 12 + 16 + 12)
        + n_queries * 12 * MARGIN
        + 3 * RESCORE_BYTES
    )


def _sample(shape: Shape, rows: int) -> int:
    """The training sample as it is stored, and in the space that is indexed."""
    return 2 * min(rows, shape.n) * shape.row_bytes


def _select(shape: Shape, factories: Sequence[Factory], workers: int) -> int:
    rows = min(shape.n, SELECT_TRAIN_ROWS)
    scores = shape.n_select * shape.most_candidates
    distinct = min(shape.n, scores)
    one = max((training_bytes(factory, rows) + _codes(factory, shape, distinct) for factory in factories), default=0)
    # A worker holds a block of candidates twice, every score, where it was probed, and its order.
    per_worker = one + 2 * BLOCK_ROWS * shape.row_bytes + scores * (4 + 4 + 8)
    kept = MOST_HELD * min(MEMORY_BYTES, shape.n * shape.row_bytes) + scores * (4 + 4 + 12)
    return shape.base_bytes + _sample(shape, rows) + kept + workers * per_worker


def _codes(factory: Factory, shape: Shape, n_distinct: int) -> int:
    """Codes in memory while a codec is estimated: those of all candidates of one that searches them at once.

    A graph is built over the whole corpus, and its rescoring tier filled.
    """
    if factory.is_graph:
        return GROWTH * codes_bytes(factory, shape.n)
    return n_distinct * code_bytes(factory.codec, factory.codec_dim) if factory.codec.is_fast_scan else 0


def _build(shape: Shape, factories: Sequence[Factory], workers: int, max_bytes: int | None) -> int:
    """Workers train on their samples first, and then hold blocks of rows and what cannot be streamed."""
    rows = min(shape.n, CONFIRM_TRAIN_ROWS)
    sizes = sorted(
        (
            max(_sample(shape, rows) + training_bytes(factory, rows),
                build_memory_bytes(factory, shape.dim, shape.n, max_bytes))
            for factory in factories
        ),
        reverse=True,
    )  # fmt: skip
    opened = max((opened_bytes(factory, shape.n) for factory in factories), default=0)
    return shape.base_bytes + max(sum(sizes[:workers]), opened)


def _flat(shape: Shape) -> int:
    """Exact search is measured over mapped vectors where they are few, block by block where they are many."""
    size = shape.n * shape.row_bytes
    return shape.base_bytes + (size if size <= MOST_MAPPED_BYTES else max(FLAT_BLOCK_BYTES, shape.row_bytes))
