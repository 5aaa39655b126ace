"""Two finished runs to one comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.compare.bills import compare_bills
from ragopt.compare.inputs import compare_inputs
from ragopt.compare.pairing import Measured, pairing_of
from ragopt.compare.quality import compare_quality
from ragopt.compare.records import Changed, Comparison, Side, SizeChange

if TYPE_CHECKING:
    from ragopt.compare.max_increase import MaxIncrease
    from ragopt.records import Recommendation, Run

SIZES = ("ram_bytes_per_vector", "ram_fixed_bytes", "disk_bytes_per_vector", "file_bytes")


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
