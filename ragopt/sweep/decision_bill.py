"""The recommended index billed everywhere, and what the bill adds to the reasons: flips, and cheaper places."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ragopt.bill.decisions.target import decide_target
from ragopt.bill.default_spreads import default_spreads
from ragopt.bill.flips import Candidate, flips
from ragopt.bill.projection import ENDS, stops
from ragopt.bill.reasoning import needs_consent, reason_of
from ragopt.bill.targets import TARGETS
from ragopt.bill.tornado import tornado
from ragopt.bill.whole_bill import WholeBill, bill_everywhere
from ragopt.bill.workload_fields import MOST_VECTORS
from ragopt.choose import cheapest_bill
from ragopt.errors import PriceError
from ragopt.sweep.billed import footprint_in_run, result_of, workload_in_run
from ragopt.sweep.kept_everywhere import KEY, Everywhere, TargetUsd, Tornado, everywhere_json
from ragopt.sweep.kept_run import billed_on, given_in_run
from ragopt.sweep.recommending import baseline_of
from ragopt.units import to_cents

if TYPE_CHECKING:
    from ragopt.bill.decisions.target import TargetDecision
    from ragopt.bill.price_book import PriceBook
    from ragopt.records import Run, TrialResult

MOST_CANDIDATES = 4
"""Finalists that are drawn against each other: each takes one bill a draw and target."""

LEAST_VECTORS = 1_000
"""Below it every bill is that of the smallest machine or of a minimum: nothing changes there."""


def with_bill(run: Run, book: PriceBook) -> Run:
    """Bill the decision of a run at every target, and say in its reasons what that shows.

    The recommended trial and the baseline get the range over every uncertain input in their bills; other trials have
    the ends of the CPU time alone. ``run.json`` keeps the bill at every target for the report, with what moves the
    recommended one most and where the cheapest target changes as the vectors grow.

    Args:
        run: a run with its recommendation.
        book: the prices that the run was billed with. Where they have changed since, the stored bills stay as they are.

    Raises:
        PriceError: a price of the shared lines is missing.
    """
    decided = run.recommendation
    chosen, baseline = result_of(run), baseline_of(run.trials, decided.trial.space.model)
    whole = bill_of_trial(run, chosen, book)
    whole_baseline = bill_of_trial(run, baseline, book, targets=tuple(baseline.bills))
    trials = tuple(
        _with_ranges(result, whole if result.trial == chosen.trial else whole_baseline)
        if result.trial in (chosen.trial, baseline.trial) else result
        for result in run.trials
    )  # fmt: skip
    by_trial = {result.trial: result.bills for result in trials}
    sentences = [_flip_sentence(run, book), _elsewhere_sentence(run, whole)]
    recommendation = replace(
        decided,
        bill=by_trial[chosen.trial][decided.target],
        baseline_bill=by_trial[baseline.trial][decided.baseline_bill.target],
        why=(*decided.why, *(sentence for sentence in sentences if sentence)),
    )
    info = {**run.info, KEY: everywhere_json(_everywhere(whole, decided.target))}
    return replace(run, info=info, trials=trials, recommendation=recommendation)


def _with_ranges(result: TrialResult, whole: WholeBill) -> TrialResult:
    """Take over the bills with ranges where they are the trial's own, line by line."""
    ranged = {bill.target: bill for bill in whole.targets}
    bills = {name: ranged[name] if name in ranged and ranged[name].lines == bill.lines else bill
             for name, bill in result.bills.items()}  # fmt: skip
    return replace(result, bills=bills)


def _everywhere(whole: WholeBill, target: str) -> Everywhere:
    """What the report shows of the bill at every target; `ragopt bill RUN --json` has its lines."""
    targets = tuple(
        TargetUsd(
            bill.target,
            bill.usd_per_month,
            bill.low,
            bill.high,
            TARGETS[bill.target].serves_the_index,
            needs_consent(bill),
            next((note for note in bill.notes if note.startswith(ENDS)), ""),
            reason_of(bill),
        )
        for bill in whole.targets
    )
    return Everywhere(
        targets,
        whole.shared_usd_per_month,
        tuple(sorted(whole.not_billed)),
        _tornado(whole, target),
        crossovers_around(whole),
    )


def _tornado(whole: WholeBill, target: str) -> Tornado | None:
    """What moves the target's own bill, without the shared lines: the bill that the recommendation shows."""
    bill = next((bill for bill in whole.targets if bill.target == target), None)
    if bill is None:
        return None  # a price is missing by now: the stored bill stays as it is, and nothing can be said of its inputs
    spreads = default_spreads(whole.footprint, whole.workload, whole.book, targets=[target], today=whole.today,
                              given=whole.given)  # fmt: skip
    swings = tornado(whole.footprint, whole.workload, whole.book, target=target, spreads=spreads)
    drawn = whole.with_shared[target]  # the same draws
    return Tornado(swings, replace(drawn, usd_per_month=bill.usd_per_month, low=bill.low, high=bill.high, spreads=()))


def crossovers_around(whole: WholeBill) -> TargetDecision | str:
    """The cheapest target as the billed vectors grow, every target competing; the reason where there is none.

    The range is a tenth of the billed vectors to a hundred times them, but at least LEAST_VECTORS to a hundred times
    that: one decade shows what brought the index here, two are more growth than anybody plans for.
    """
    n_vectors = whole.workload.n_vectors
    low = max(LEAST_VECTORS, n_vectors // 10)
    high = min(max(100 * n_vectors, 100 * LEAST_VECTORS), MOST_VECTORS)
    try:
        return decide_target(whole.footprint, whole.workload, whole.book, low=low, high=high)
    except PriceError as error:  # no target is sold at these sizes
        return error.failed


def bill_of_trial(run: Run, result: TrialResult, book: PriceBook, *, targets: tuple[str, ...] = ()) -> WholeBill:
    """Bill a trial of a run at every target, or at those named. Raises PriceError: a price is missing."""
    workload = workload_in_run(run, model=result.trial.space.model)
    return bill_everywhere(
        footprint_in_run(run, result, workload),
        workload,
        book,
        targets=targets,
        given=given_in_run(run),
        today=billed_on(run),
    )


def _flip_sentence(run: Run, book: PriceBook) -> str:
    """Whether the recommended trial stays the cheapest of the confirmed ones inside the range of the inputs."""
    chosen, workload = run.recommendation, workload_in_run(run)
    names = [str(chosen.trial), *chosen.runners_up][:MOST_CANDIDATES]
    found = {}
    for name in names:
        result = result_of(run, name)
        best = cheapest_bill(result)
        if result.confirmed and best is not None:
            found[name] = Candidate(footprint_in_run(run, result, workload), best.target)
    if chosen.status != "ok" or len(found) < 2 or str(chosen.trial) not in found:
        return ""
    spreads = default_spreads(
        found[str(chosen.trial)].footprint, workload, book, targets=[chosen.target], today=billed_on(run),
        given=given_in_run(run),
    )  # fmt: skip
    return flips(found, workload, book, recommended=str(chosen.trial), spreads=spreads).sentence


def _elsewhere_sentence(run: Run, whole: WholeBill) -> str:
    """Name the cheapest place that builds an index of its own, where it bills less than the recommended one."""
    ours = run.recommendation.bill.usd_per_month
    for bill in whole.targets:
        if TARGETS[bill.target].serves_the_index or bill.usd_per_month >= ours or needs_consent(bill):
            continue
        if stops(bill):
            continue
        return (
            f"{bill.target} would bill USD {to_cents(bill.usd_per_month)} a month for the same vectors of "
            f"{whole.footprint.dim} dimensions, USD {to_cents(ours - bill.usd_per_month)} less: it builds an index of "
            "its own, whose recall and latency were not measured here (ragopt bill RUN shows every target)."
        )
    return ""
