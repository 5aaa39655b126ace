"""Two finished runs to one comparison."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ragopt.compare.bills import compare_bills
from ragopt.compare.inputs import compare_inputs
from ragopt.compare.max_increase import MaxIncrease
from ragopt.compare.pairing import Measured, pairing_of
from ragopt.compare.quality import compare_quality
from ragopt.compare.records import Changed, Comparison, Side, SizeChange
from ragopt.errors import InputError
from ragopt.records import Run
from ragopt.sweep.run_folder import read_run

if TYPE_CHECKING:
    from ragopt.records import Recommendation

SIZES = ("ram_bytes_per_vector", "ram_fixed_bytes", "disk_bytes_per_vector", "file_bytes")


def compare(a: str | Path | Run, b: str | Path | Run, max_increase: str | None = None) -> Comparison:
    """Say what changed between two finished runs: quality, bytes, bill, inputs; every difference is B minus A.

    Args:
        a: the earlier run, or the one that things were good in: a run or its folder.
        b: the later one.
        max_increase: most that the bill may rise by, as text: ``10%``, or USD a month like ``25``; None judges no bill.

    Returns:
        Every change, and in `failures` why a gate would close: none where nothing got worse.

    Raises:
        InputError: a folder holds no finished run, or `max_increase` is no limit.
        ArtifactError: a run folder is damaged.

    Example:
        ``ragopt.compare("runs/main", "runs/branch", max_increase="10%").failures``

    Source: docs/compare.md.
    """
    if not isinstance(max_increase, str | None):
        raise InputError(f"max_increase {max_increase!r} is no text", allowed="a text like '10%' or '25', or None",
                         next_step="Write it in quotes")  # fmt: skip
    limit = None if max_increase is None else MaxIncrease.parse(max_increase)
    ours, theirs = (one if isinstance(one, Run) else read_run(Path(one)) for one in (a, b))
    return compare_runs(ours, theirs, max_increase=limit)


def compare_runs(a: Run, b: Run, *, max_increase: MaxIncrease | None = None) -> Comparison:
    """Compare the recommendations of two finished runs; every difference is B minus A.

    Args:
        a: the earlier run, or the one that things were good in.
        b: the later one.
        max_increase: most that the bill may rise by; None judges no bill.

    Raises:
        ArtifactError: a run folder is damaged.
        InputError: the trials of a run lack its recommended one.

    Source: docs/compare.md.
    """
    inputs = compare_inputs(a, b)
    ours, theirs = Measured.of(a), Measured.of(b)
    return Comparison(
        _side(a),
        _side(b),
        pairing_of(ours, theirs),
        compare_quality(ours, theirs),
        tuple(_size(name, a.recommendation, b.recommendation) for name in SIZES),
        compare_bills(a, b, max_increase),
        _decision_changes(a.recommendation, b.recommendation),
        inputs,
    )


def _side(run: Run) -> Side:
    return Side(
        run.folder,
        str(run.info.get("ragopt_version", "")),
        str(run.info.get("billed_on", "")),
        str(run.info["machine"].get("cpu", "")),
        run.recommendation,
    )


def _size(name: str, a: Recommendation, b: Recommendation) -> SizeChange:
    return SizeChange(name, getattr(a.index_bytes, name), getattr(b.index_bytes, name))


def _decision_changes(a: Recommendation, b: Recommendation) -> tuple[Changed, ...]:
    ours, theirs = (
        {"space": str(one.trial.space), "factory": one.trial.factory, "search": one.trial.search, "target": one.target}
        for one in (a, b)
    )
    return tuple(Changed(name, ours[name] or None, theirs[name] or None) for name in ours if ours[name] != theirs[name])
