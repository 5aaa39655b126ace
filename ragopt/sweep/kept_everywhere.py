"""What ``run.json`` keeps of the bill at every target: written when a run is decided, read back by its report.

A report draws what the run was billed with, and so computes nothing of it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ragopt.bill.decisions.as_json import plain
from ragopt.bill.decisions.target_json import count, target_decision_json, target_decision_of, text, usd_of
from ragopt.bill.monte_carlo import BillRange
from ragopt.bill.tornado import Swing
from ragopt.errors import ArtifactError
from ragopt.sweep.run_folder import DAMAGE, RUN_FILE

if TYPE_CHECKING:
    from ragopt.bill.decisions.target import TargetDecision
    from ragopt.records import Run

KEY = "everywhere"
TORNADO = "tornado"
CROSSOVERS = "crossovers"
REASON = "reason"


@dataclass(frozen=True, slots=True)
class TargetUsd:
    """The bill of the recommended index at one target.

    Attributes:
        name: of the target.
        usd_per_month: the bill.
        low: lower end of its 95 % range.
        high: upper end.
        serves_the_index: whether the measured index answers here; others build their own, of unmeasured recall.
        needs_consent: whether the vendor sells this size on request only.
        ends: why the target stops taking the index within the horizon; empty when it does not.
        reason: what most of the bill pays for.
    """

    name: str
    usd_per_month: Decimal
    low: Decimal
    high: Decimal
    serves_the_index: bool
    needs_consent: bool
    ends: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tornado:
    """The inputs that move the recommended target's own bill most.

    Attributes:
        swings: the widest first; none where no input moves it.
        found: the bill and its range; spreads are not kept.
    """

    swings: tuple[Swing, ...]
    found: BillRange


@dataclass(frozen=True, slots=True)
class Everywhere:
    """The bill of the recommended index at every target.

    Attributes:
        targets: one bill each, cheapest first.
        shared_usd_per_month: what every target costs besides.
        not_billed: names of targets without a bill.
        tornado: of the recommended target; None in a run that was decided before this was kept.
        crossovers: the cheapest target as the vectors grow, or why it was not found; None likewise.
    """

    targets: tuple[TargetUsd, ...]
    shared_usd_per_month: Decimal
    not_billed: tuple[str, ...]
    tornado: Tornado | None
    crossovers: TargetDecision | str | None


def everywhere_json(everywhere: Everywhere) -> dict[str, Any]:
    """Give the bill at every target as JSON values; money as decimal strings."""
    tornado, crossovers = everywhere.tornado, everywhere.crossovers
    found = {
        "targets": plain(everywhere.targets),
        "shared_usd_per_month": plain(everywhere.shared_usd_per_month),
        "not_billed": list(everywhere.not_billed),
    }
    if tornado is not None:
        found[TORNADO] = {"swings": plain(tornado.swings), "range": plain(tornado.found)}
    if crossovers is not None:
        told = isinstance(crossovers, str)
        found[CROSSOVERS] = {REASON: crossovers} if told else target_decision_json(crossovers)  # type: ignore[arg-type]
    return found


def everywhere_in_run(run: Run) -> Everywhere | None:
    """The bill at every target that a run keeps; None in a run from before it was kept.

    Raises:
        ArtifactError: what it keeps is damaged.
    """
    if KEY not in run.info:
        return None
    try:
        return _everywhere_of(run.info[KEY])
    except DAMAGE as error:
        raise ArtifactError(
            f"The run in {run.folder} is damaged: {KEY} of {RUN_FILE}: {_why(error)}",
            allowed="what a sweep wrote",
            next_step="Sweep again",
        ) from error


def _why(error: Exception) -> str:
    """What is wrong: a missing key is raised with its name alone, a table of another kind in Python's words."""
    if isinstance(error, KeyError):
        return f"no {error.args[0]}"
    return str(error) if isinstance(error, ValueError) else "a list, table or text where another is due"


def _everywhere_of(value: Mapping[str, Any]) -> Everywhere:
    return Everywhere(
        tuple(_target_of(one) for one in value["targets"]),
        usd_of(value["shared_usd_per_month"]),
        tuple(text({"not_billed": name}, "not_billed") for name in value["not_billed"]),
        _tornado_of(value[TORNADO]) if TORNADO in value else None,
        _crossovers_of(value[CROSSOVERS]) if CROSSOVERS in value else None,
    )


def _target_of(value: Mapping[str, Any]) -> TargetUsd:
    return TargetUsd(
        text(value, "name"),
        *_within(value),
        _truth(value, "serves_the_index"),
        _truth(value, "needs_consent"),
        text(value, "ends"),
        text(value, "reason"),
    )


def _within(value: Mapping[str, Any]) -> tuple[Decimal, Decimal, Decimal]:
    """A bill with its range around it."""
    usd, low, high = (usd_of(value[key]) for key in ("usd_per_month", "low", "high"))
    if not low <= usd <= high:
        raise ValueError(f"usd_per_month {usd} is not from low {low} to high {high}")
    return usd, low, high


def _truth(value: Mapping[str, Any], key: str) -> bool:
    if not isinstance(value[key], bool):
        raise TypeError(f"{key} is {value[key]!r}, not true or false")
    return bool(value[key])


def _tornado_of(value: Mapping[str, Any]) -> Tornado:
    kept = value["range"]
    usd, low, high = _within(kept)
    level = kept["level"]
    if isinstance(level, bool) or not isinstance(level, float) or not 0 < level < 1:
        raise ValueError(f"level is {level!r}, not a share")
    refused, seed = kept["n_refused"], kept["seed"]
    if not (isinstance(refused, int) and isinstance(seed, int) and refused >= 0):
        raise ValueError(f"n_refused is {refused!r} and seed {seed!r}")
    found = BillRange(text(kept, "target"), usd, low, high, count(kept["n_samples"]), refused, seed, (), level)
    swings = tuple(_swing_of(one) for one in value["swings"])
    if any(swing.usd_per_month != usd for swing in swings):
        raise ValueError(f"a swing is of another bill than {usd}")
    return Tornado(swings, found)


def _swing_of(value: Mapping[str, Any]) -> Swing:
    low, high = (None if value[key] is None else usd_of(value[key]) for key in ("usd_at_low", "usd_at_high"))
    name, words, at_low, at_high = (text(value, key) for key in ("name", "words", "at_low", "at_high"))
    return Swing(name, words, at_low, at_high, low, high, usd_of(value["usd_per_month"]))


def _crossovers_of(value: Mapping[str, Any]) -> TargetDecision | str:
    return text(value, REASON) if REASON in value else target_decision_of(value)
