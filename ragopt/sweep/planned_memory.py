"""The memory plan of a sweep's settings: as soon as the size of a corpus is known, before it is embedded or copied."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragopt.embed.ready_sources import open_source
from ragopt.errors import InputError
from ragopt.index.factory import parse_factory
from ragopt.measure.memory import resident_bytes
from ragopt.sweep.candidate_depth import candidates_of
from ragopt.sweep.grid import grid_for
from ragopt.sweep.memory_plan import LIBRARY_BYTES, MB, TORCH_BYTES, MemoryPlan, Shape, plan_memory, refused
from ragopt.sweep.settings import READY_MODEL
from ragopt.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragopt.devices import Device
    from ragopt.records import Run, Trial
    from ragopt.sweep.settings import SearchPlan, SweepSettings


TABLE_BYTES = 240
"""Of a row while the table of a built folder is written and its rows are counted: 215 (0.6 and 1.3 million rows without
text, 2026-11-26)."""

ID_BYTES = 100
"""Of a document's id in memory: 57 bytes of a Python string and 8 of its place, and its characters."""

DRIFT_BYTES = 60 * 10**6
"""What a process of this kind grows by beside what is planned: buffers of Arrow and the allocator's holes (30 to 60 MB
between the stages of sweeps of 2,000,000 vectors, 2026-11-26)."""


def base_of(device: Device) -> int:
    """Resident bytes before any vectors, where nothing is embedded."""
    return LIBRARY_BYTES + (TORCH_BYTES if device.trainer == "torch" else 0)


def base_of_texts(device: Device, n: int) -> int:
    """Resident bytes once models and chunks are open, with the ids of n chunks that follow: by this process itself."""
    return max(base_of(device), resident_bytes() + n * ID_BYTES + DRIFT_BYTES)


def memory_of(  # noqa: PLR0913 - the sizes of one model's sweep
    settings: SweepSettings, model: str, n: int, dim: int, *, n_select: int, n_confirm: int, base_bytes: int,
    embedding_bytes: int = 0,
) -> MemoryPlan:  # fmt: skip
    """Plan the memory of one model's sweep.

    Args:
        settings: with the limit.
        model: printed name.
        n: vectors of the corpus.
        dim: of the model.
        n_select: queries that select.
        n_confirm: queries that confirm.
        base_bytes: resident before any vectors.
        embedding_bytes: more while texts are embedded.
    """
    candidates = candidates_of(settings, model, n, dim, n_select)
    factories = {(trial.factory, trial.space.dim) for trial in grid_for(settings, model, dim, n)}
    shape = Shape(n, dim, n_select, n_confirm, candidates, base_bytes, embedding_bytes)
    return plan_memory(shape, [parse_factory(*one) for one in sorted(factories)], settings.max_memory_bytes)


def ready_memory(settings: SweepSettings, device: Device) -> MemoryPlan | None:
    """Plan the memory of ready vectors by the headers of their files; None for a corpus of texts.

    Raises:
        InputError: a file that cannot be used.
    """
    if settings.ready is None:
        return None
    vectors = open_source(Path(settings.ready.vectors).expanduser(), settings.ready.column)
    queries = open_source(Path(settings.ready.query_vectors).expanduser(), settings.ready.column)
    # Judgements may leave some queries out: with all of them the plan is for more than there are.
    n_select = min(queries.n, settings.n_queries)
    n_confirm = min(queries.n - n_select, settings.confirm_queries)
    held = max(vectors.held_bytes, queries.held_bytes)
    return memory_of(settings, READY_MODEL, vectors.n, vectors.dim, n_select=n_select, n_confirm=n_confirm,
                     base_bytes=base_of(device), embedding_bytes=held)  # fmt: skip


def joined(plans: Sequence[MemoryPlan]) -> MemoryPlan:
    """The plan of all models of a sweep: the most that any takes, the fewest workers that any leaves room for."""
    largest = max(plans, key=lambda plan: plan.peak_bytes)
    return replace(largest, n_select=min(plan.n_select for plan in plans), n_build=min(plan.n_build for plan in plans))


def with_memory(plan: SearchPlan, memory: MemoryPlan) -> SearchPlan:
    """Let a search plan keep a memory plan."""
    return replace(plan, n_select_workers=memory.n_select, n_build_workers=memory.n_build,
                   max_memory_bytes=memory.max_bytes, base_memory_bytes=memory.base_bytes)  # fmt: skip


def check_building(run: Run, trial: Trial, max_bytes: int | None) -> None:
    """Refuse to build a trial of a run where the limit on memory has no room for it, before anything is read.

    Raises:
        InputError: with what it takes.
    """
    if max_bytes is None:
        return
    model = next(one for one in run.info["models"] if one["name"] == trial.space.model)
    queries = run.info["queries"]
    with_torch = bool(model.get("dtype")) or (run.info.get("device") or {}).get("trainer") == "torch"
    shape = Shape(int(model["n_vectors"]), int(model["dim"]), 0, int(queries["n_confirm"] or queries["n_select"]), 0,
                  LIBRARY_BYTES + (TORCH_BYTES if with_torch else 0))  # fmt: skip
    factory = parse_factory(trial.factory, trial.space.dim)
    folder_bytes = shape.base_bytes + shape.n * TABLE_BYTES
    if folder_bytes > max_bytes:
        raise InputError(
            f"The folder of {shape.n:,} vectors takes {format_bytes(folder_bytes)} of memory to write, "
            f"--max-memory allows {format_bytes(max_bytes)}",
            next_step=f"Give --max-memory {-(-folder_bytes // MB)}MB or more",
        )  # fmt: skip
    reason = refused(factory, shape, max_bytes)
    if reason:
        raise InputError(reason, next_step="Give more --max-memory, or name another trial with --trial")


def broken_promise(max_bytes: int | None, anonymous_bytes: int, resident_bytes: int) -> str:
    """Say that more memory was resident than was allowed; empty where it was not.

    Pages of an index file that is searched are resident as far as the system has room for them, and are no part of the
    promise.
    """
    if max_bytes is None or resident_bytes <= max_bytes:
        return ""
    parts = f"{format_bytes(anonymous_bytes)} of its own"
    if anonymous_bytes > max_bytes:
        return f"--max-memory {format_bytes(max_bytes)} was not kept: the process took {parts}."
    return (
        f"--max-memory {format_bytes(max_bytes)}: the process took {parts} and had {format_bytes(resident_bytes)} "
        "resident with pages of mapped files, such as an index that is searched, which the system takes back where it "
        "needs them."
    )
