"""From a decision to a Recommendation: figures beside the baseline's, and the reasons in words."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ragopt.bill.targets import ram_bytes_per_vector_at
from ragopt.choose import (
    NDCG,
    NO_LIMIT,
    TIE,
    Decision,
    Limits,
    Objective,
    cheapest_bill,
    decide,
    exact_of,
    is_exact,
    same_queries,
    scores_for,
)
from ragopt.errors import InputError
from ragopt.measure.intervals import few_queries_warning, paired_difference
from ragopt.records import Quality, Recommendation, TrialResult
from ragopt.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

JUDGED = ("ndcg@10", "mrr@10")
N_RUNNERS_UP = 3


def baseline_of(results: Sequence[TrialResult], model: str) -> TrialResult:
    """Return the float32 index of a model at full dimension. Raises InputError when the run has none."""
    for result in results:
        if is_exact(result.trial) and result.trial.space.model == model:
            return result
    raise InputError(f"This run has no Flat trial of {model} to compare with", next_step="Sweep again")


def loss_vs_exact(result: TrialResult, exact: TrialResult) -> dict[str, Quality]:
    """Paired loss of each judged quality against exact search with the same model; positive is worse."""
    losses = {}
    names = [name for name in result.quality if name.startswith((*JUDGED, "recall_vs_qrels"))]
    for name in names:
        ours = scores_for(result, name, confirmed=result.confirmed)
        theirs = scores_for(exact, name, confirmed=result.confirmed)
        if ours is None or theirs is None:
            continue
        loss = paired_difference(*same_queries(theirs, ours))
        losses[name] = Quality(loss.value, loss.low, loss.high, loss.n)
    return losses


def _raced_for(info: Mapping[str, Any], limits: Limits, objective: Objective) -> bool:
    """Whether the trials of a run were raced for these very limits and this objective: others need what was dropped."""
    told = info.get("arguments")
    if told is None:
        return False
    usd = told.get("max_usd")
    wanted = {"objective": objective, "min_recall": limits.min_recall, "min_ndcg_ratio": limits.min_ndcg_ratio,
              "max_p99_ms": limits.max_p99_ms}  # fmt: skip
    # Money is compared as a number: 10 and 10.00 are one limit.
    same_usd = limits.max_usd == (None if usd is None else Decimal(str(usd)))
    return same_usd and all(told.get(name) == value for name, value in wanted.items())


def recommend_from(
    results: Sequence[TrialResult], limits: Limits, *, objective: Objective, info: Mapping[str, Any]
) -> Recommendation:  # fmt: skip
    """Decide and say why; nothing is measured.

    Args:
        results: every trial of a run.
        limits: what has to be met.
        objective: usd or ram.
        info: content of ``run.json``.

    Returns:
        The recommendation; `nothing_fits` with the closest trial when no trial meets the limits.

    Raises:
        InputError: nothing was measured at all, or a limit speaks of a figure that the run lacks.
    """
    k = int(info["k"])
    decision = decide(results, limits, objective=objective, k=k, raced=_raced_for(info, limits, objective))
    by_name = {str(result.trial): result for result in results}
    fits = bool(decision.fitting)
    name = decision.fitting[0] if fits else decision.closest
    if name is None:
        raise InputError(
            "No trial could be measured on this corpus", next_step="Use a larger corpus, or name another --grid"
        )
    chosen = by_name[name]
    baseline = baseline_of(results, chosen.trial.space.model)
    bill, baseline_bill = cheapest_bill(chosen), cheapest_bill(baseline)
    if bill is None or baseline_bill is None or chosen.index_bytes is None or baseline.index_bytes is None:
        raise InputError(f"{name} was not billed", next_step="Sweep again")
    losses = loss_vs_exact(chosen, baseline)
    runners = [other for other in decision.fitting if other != name][:N_RUNNERS_UP]
    return Recommendation(
        status="ok" if fits else "nothing_fits",
        trial=chosen.trial,
        confirmed=chosen.confirmed,
        target=bill.target,
        quality=chosen.quality,
        index_bytes=chosen.index_bytes,
        latency=chosen.latency,
        bill=bill,
        baseline_label="float32, same model, full dimension",
        baseline_bill=baseline_bill,
        baseline_ram_bytes_per_vector=baseline.index_bytes.ram_bytes_per_vector,
        loss_vs_exact=losses,
        why=tuple(_why(chosen, baseline, results, decision, limits, objective, info)),
        runners_up=tuple(runners),
        synthetic_queries=bool(info["queries"]["synthetic"]),
        cold=chosen.cold,
        forecast=chosen.forecast,
    )


def _why(  # noqa: PLR0913, PLR0917 - everything that a reason may speak of
    chosen: TrialResult,
    baseline: TrialResult,
    results: Sequence[TrialResult],
    decision: Decision,
    limits: Limits,
    objective: Objective,
    info: Mapping[str, Any],
) -> list[str]:
    name = f"recall_vs_exact@{info['k']}"
    quality = chosen.quality[name]
    if decision.fitting:
        reasons = _fit_reasons(results, decision, limits, objective)
    else:
        missed = "; ".join(decision.misses[str(chosen.trial)])
        reasons = [f"No trial meets {limits.printed()}; the closest is {chosen.trial}: {missed}."]
    reasons.append(
        f"{name} is {quality.value:.4f} ({quality.low:.4f} to {quality.high:.4f}, {quality.n_queries} queries): "
        "the share of the neighbours of exact search, at full dimension, that it finds."
    )
    reasons += _bytes_reason(chosen, baseline)
    reasons += _confirmation_reason(chosen, decision, results, info)
    if info.get("arguments") and not _raced_for(info, limits, objective):
        reasons += _other_race_reason(results)
    reasons += _forecast_reason(chosen, limits, name)
    reasons += _model_reasons(chosen, results)
    if info["queries"]["synthetic"]:
        reasons.append("All judged figures come from synthetic queries made from the corpus, not from your users.")
    warning = few_queries_warning(quality.n_queries)
    return [*reasons, warning] if warning else reasons


def _other_race_reason(results: Sequence[TrialResult]) -> list[str]:
    """Say what a run that was raced for other limits cannot tell; nothing where no trial left its race."""
    dropped = [result for result in results if result.status == "dropped"]
    if not dropped:
        return []
    fewest = min(quality.n_queries for result in dropped for quality in result.quality.values())
    text = (
        f"This run was raced for other limits or another objective: {len(dropped)} trials left it early, estimated on "
        f"as few as {fewest} queries, so that some may meet these limits without showing it. Sweep again with these "
        "limits to find out: what is stored is used."
    )
    return [text]


def _fit_reasons(results: Sequence[TrialResult], decision: Decision, limits: Limits, objective: Objective) -> list[str]:
    n_measured = sum(bool(result.quality) for result in results)
    least = "least monthly bill" if objective == "usd" else "fewest RAM code bytes"
    # What a race dropped counts too: it met the limits by its estimate, and others were preferred.
    fitting = {trial for trial, missed in decision.misses.items() if not missed}
    share = f"{len(fitting)} of {n_measured} trials meet {limits.printed()}"
    if limits.printed() == NO_LIMIT:
        share = f"No limit was set for the {n_measured} trials"
    first = f"{share}; this one has the {least} among them."
    bills = [cheapest_bill(result) for result in results if str(result.trial) in fitting]
    usd = [bill.usd_per_month for bill in bills if bill]
    # Ties are counted from the least bill, which need not be the chosen one's.
    n_ties = sum(one <= min(usd) * TIE for one in usd)
    if objective == "usd" and n_ties > 1:
        first = first.replace("this one has the", "this one is among those of the").replace(" among them", "")
        second = (
            f"{n_ties} fitting trials cost the same within 1 %; this one holds the fewest code bytes in RAM of them."
        )
        return [first, second]
    return [first]


def _bytes_reason(chosen: TrialResult, baseline: TrialResult) -> list[str]:
    ours, theirs = chosen.index_bytes, baseline.index_bytes
    if ours is None or theirs is None:
        return []
    bill = cheapest_bill(chosen)
    in_ram = ram_bytes_per_vector_at(bill.target, ours) if bill else ours.ram_bytes_per_vector
    if bill and in_ram > ours.ram_bytes_per_vector:
        text = (
            f"Its codes take {ours.ram_bytes_per_vector:g} bytes per vector; {bill.target}, the cheapest target at "
            f"this size, also holds the {ours.disk_bytes_per_vector:g} bytes for rescoring in RAM: {in_ram:g} where "
            f"float32 holds {theirs.ram_bytes_per_vector:g}; {format_bytes(ours.ram_fixed_bytes)} more do not grow "
            "with the corpus."
        )
        return [text]
    times = Decimal(theirs.ram_bytes_per_vector) / Decimal(ours.ram_bytes_per_vector)
    text = (
        f"It holds {ours.ram_bytes_per_vector:g} bytes per vector in RAM where float32 holds "
        f"{theirs.ram_bytes_per_vector:g}: {times:.1f} times fewer; {format_bytes(ours.ram_fixed_bytes)} more do not "
        "grow with the corpus"
    )
    if ours.disk_bytes_per_vector:
        text += f", and {ours.disk_bytes_per_vector:g} bytes per vector for rescoring lie on disk"
    return [text + "."]


def _confirmation_reason(
    chosen: TrialResult, decision: Decision, results: Sequence[TrialResult], info: Mapping[str, Any]
) -> list[str]:
    if not chosen.confirmed:
        reason = "It was not among the finalists: its figures are estimates from shared candidates, no index was built."
        return [reason]
    if info["queries"]["confirm_holdout"]:
        reason = "It was built on the whole corpus and measured on queries that had no part in choosing it."
    else:
        reason = (
            "It was built on the whole corpus; there were too few queries to hold some back, so it was measured on "
            "those that chose it, and its figures may flatter it."
        )
    reasons = [reason]
    missed = [
        result
        for result in results
        if result.confirmed and result.reason and not is_exact(result.trial) and decision.misses[str(result.trial)]
    ]
    reasons += [
        f"{result.trial} looked better while selecting, but confirmed: {'; '.join(decision.misses[str(result.trial)])}."
        for result in missed
    ]
    return reasons


def _forecast_reason(chosen: TrialResult, limits: Limits, name: str) -> list[str]:
    """Say what recall is to be expected at the size that is billed, and whether that still meets the limit."""
    found = chosen.forecast
    if found is None:
        return []
    if found.low is None:
        return [f"At {found.n_vectors:,} vectors {name} is at most {found.high:.4f}: {found.reason}."]
    text = f"At {found.n_vectors:,} vectors {name} is forecast between {found.low:.4f} and {found.high:.4f}"
    if found.value is not None:
        text += f", near {found.value:.4f}"
    text += f" ({found.method})"
    if limits.min_recall is not None and found.low < limits.min_recall:
        text += f"; its lower end is below --min-recall {limits.min_recall}"
    return [text + "."]


def _model_reasons(chosen: TrialResult, results: Sequence[TrialResult]) -> list[str]:
    """Say when another model's exact search is better: recall_vs_exact compares a model with itself only."""
    best, own = exact_of(results), baseline_of(results, chosen.trial.space.model)
    models = {result.trial.space.model for result in results}
    if len(models) < 2 or best is None:
        return []
    if NDCG not in own.quality:
        reason = (
            "Several models were swept without judgements: recall_vs_exact compares each with itself, so nothing here "
            "says which model finds better passages; give --qrels."
        )
        return [reason]
    if best is own:
        return [f"Of the models swept, {own.trial.space.model} has the best exact {NDCG}."]
    theirs, ours = best.per_query[NDCG], own.per_query[NDCG]
    gap = paired_difference(*same_queries(theirs, ours))
    reason = (
        f"Exact search with {best.trial.space.model} has {NDCG} {gap.value:+.4f} ({gap.low:+.4f} to {gap.high:+.4f}) "
        f"against {own.trial.space.model}: add --min-ndcg-ratio to make that count."
    )
    return [reason]
