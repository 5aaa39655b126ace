"""The recommended index billed everywhere, and what the bill adds to the reasons: flips, and cheaper places."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ragopt.bill.default_spreads import default_spreads
from ragopt.bill.flips import Candidate, flips
from ragopt.bill.reasoning import reason_of
from ragopt.bill.targets import TARGETS
from ragopt.bill.whole_bill import WholeBill, bill_everywhere
from ragopt.choose import cheapest_bill
from ragopt.sweep.billed import footprint_in_run, result_of, workload_in_run
from ragopt.units import to_cents

if TYPE_CHECKING:
    from ragopt.bill.price_book import PriceBook
    from ragopt.records import Run

MOST_CANDIDATES = 4
"""Finalists that are drawn against each other: each takes one bill a draw and target."""


def with_bill(run: Run, book: PriceBook) -> Run:
    """Bill the decision of a run at every target, keep that in ``run.json`` and add its sentences to the reasons.

    Args:
        run: a run with its recommendation; its finalists' bills have their ranges.
        book: the prices that the run was billed with.

    Raises:
        PriceError: a price of the shared lines is missing.
    """
    whole = bill_of_decision(run, book)
    sentences = [_flip_sentence(run, book), _elsewhere_sentence(run, whole)]
    why = (*run.recommendation.why, *(sentence for sentence in sentences if sentence))
    info = {**run.info, "everywhere": _everywhere(whole)}
    return replace(run, info=info, recommendation=replace(run.recommendation, why=why))


def _everywhere(whole: WholeBill) -> dict[str, Any]:
    """What the report shows of the bill at every target; `ragopt bill RUN --json` has its lines."""
    targets = [
        {"name": bill.target, "serves_the_index": TARGETS[bill.target].serves_the_index,
         "usd_per_month": str(bill.usd_per_month), "low": str(bill.low), "high": str(bill.high),
         "reason": reason_of(bill)}
        for bill in whole.targets
    ]  # fmt: skip
    return {"targets": targets, "shared_usd_per_month": str(whole.shared_usd_per_month),
            "not_billed": sorted(whole.not_billed)}  # fmt: skip


def bill_of_decision(run: Run, book: PriceBook) -> WholeBill:
    """Bill the recommended trial of a run at every target. Raises PriceError: a shared line has no price."""
    result = result_of(run)
    return bill_everywhere(
        footprint_in_run(run, result),
        workload_in_run(run),
        book,
        given=frozenset(run.info.get("workload_given", ())),
        today=_billed_on(run.info),
    )


def _billed_on(info: Any) -> dt.date:
    told = info.get("billed_on")
    return dt.date.fromisoformat(told) if told else dt.datetime.now(tz=dt.UTC).date()


def _flip_sentence(run: Run, book: PriceBook) -> str:
    """Whether the recommended trial stays the cheapest of the confirmed ones inside the range of the inputs."""
    chosen = run.recommendation
    names = [str(chosen.trial), *chosen.runners_up][:MOST_CANDIDATES]
    found = {}
    for name in names:
        result = result_of(run, name)
        best = cheapest_bill(result)
        if result.confirmed and best is not None:
            found[name] = Candidate(footprint_in_run(run, result), best.target)
    if chosen.status != "ok" or len(found) < 2 or str(chosen.trial) not in found:
        return ""
    workload = workload_in_run(run)
    spreads = default_spreads(
        found[str(chosen.trial)].footprint, workload, book, targets=[chosen.target], today=_billed_on(run.info),
        given=frozenset(run.info.get("workload_given", ())),
    )  # fmt: skip
    return flips(found, workload, book, recommended=str(chosen.trial), spreads=spreads).sentence


def _elsewhere_sentence(run: Run, whole: WholeBill) -> str:
    """Name the cheapest place that builds an index of its own, where it bills less than the recommended one."""
    ours = run.recommendation.bill.usd_per_month
    for bill in whole.targets:
        if TARGETS[bill.target].serves_the_index or bill.usd_per_month >= ours:
            continue
        return (
            f"{bill.target} would bill USD {to_cents(bill.usd_per_month)} a month for the same vectors of "
            f"{whole.footprint.dim} dimensions, USD {to_cents(ours - bill.usd_per_month)} less: it builds an index of "
            "its own, whose recall and latency were not measured here (ragopt bill RUN shows every target)."
        )
    return ""
