"""The numbers that the page's script decides from: every trial as `ragopt recommend` weighs it under other limits.

The script (templates/script/decide.js) repeats `ragopt.choose.decide`; a browser test holds both against each other.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ragopt.choose import NDCG, cheapest_bill, exact_of, is_exact, scores_for
from ragopt.errors import ArtifactError
from ragopt.measure.intervals import difference_limits
from ragopt.records import TRIAL_SEPARATOR, Space
from ragopt.report.info import codec_of, default_quality
from ragopt.report.words import latency_text, scale_sentence, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ragopt.records import Run, TrialResult

RATIOS = (0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 1.0)
"""Limits of nDCG@10 over exact search's that the page offers. Each is worked out beforehand for every trial, because
its interval needs the scores of every query."""


def what_if(run: Run) -> dict[str, Any]:
    """Give what the page's script decides from, as JSON values.

    Trials stand in grid order; `space` and `codec` are places in the lists of these names. What decides is exact:
    `value` and `low` of recall_vs_exact@k, bytes, money in whole cents, `place` among the printed names (the last tie),
    and `ndcg_short`, by how much every ratio of `ratios` is missed (absent without judgements). What is only shown is
    rounded as it stands everywhere else.

    Raises:
        ArtifactError: a bill is not in whole cents.
    """
    arguments = run.info["arguments"]
    own = arguments.get("min_ndcg_ratio")
    ratios = tuple(sorted({*RATIOS, own})) if own is not None else RATIOS
    short = ndcg_shortfalls(run.trials, ratios)
    places = {name: place for place, name in enumerate(sorted(str(result.trial) for result in run.trials))}
    spaces, codecs = space_names(run), codec_names(run)
    reasons = list(dict.fromkeys(result.reason for result in run.trials if result.reason))
    models = list(dict.fromkeys(result.trial.space.model for result in run.trials))
    chosen = next(row for row, result in enumerate(run.trials) if result.trial == run.recommendation.trial)
    return {
        "quality": default_quality(run),
        "ratios": list(ratios) if short else [],
        "limits": {
            name: arguments.get(name)
            for name in ("min_recall", "min_ndcg_ratio", "max_p99_ms", "max_usd", "objective")
        },
        "status": run.recommendation.status,
        "recommended": chosen,
        "n_dropped": sum(result.status == "dropped" for result in run.trials),
        "scale": scale_sentence(run),
        "baselines": [_baseline_cents(run, model) for model in models],
        "model": [models.index(Space.parse(name).model) for name in spaces],
        "reasons": [shown(reason) for reason in reasons],
        "space": [shown(name) for name in spaces],
        "codec": [shown(name) for name in codecs],
        "trials": [
            _trial(result, short[row] if short else None, default_quality(run)) | {
                "place": places[str(result.trial)],
                "space": spaces.index(str(result.trial.space)),
                "codec": codecs.index(codec_of(result.trial.factory)),
                **({"reason": reasons.index(result.reason)} if result.reason else {}),
            }
            for row, result in enumerate(run.trials)
        ],
    }  # fmt: skip


def space_names(run: Run) -> list[str]:
    """Every space of a run, in grid order: the script knows one by its place."""
    return list(dict.fromkeys(str(result.trial.space) for result in run.trials))


def codec_names(run: Run) -> list[str]:
    """Every codec of a run, in grid order: the script knows one by its place."""
    return list(dict.fromkeys(codec_of(result.trial.factory) for result in run.trials))


def _baseline_cents(run: Run, model: str) -> int | None:
    """The least bill of float32 exact search with a model; None where the run has none."""
    for result in run.trials:
        bill = cheapest_bill(result)
        if is_exact(result.trial) and result.trial.space.model == model and bill is not None:
            return cents(bill.usd_per_month)
    return None


def _trial(result: TrialResult, short: Sequence[float] | None, decisive: str) -> dict[str, Any]:
    """One trial; what is false or unknown is left out: five thousand trials have to fit into a page."""
    bill, sizes, latency = cheapest_bill(result), result.index_bytes, result.latency
    flags = {"exact": is_exact(result.trial), "confirmed": result.confirmed, "upper_bound": result.upper_bound}
    found: dict[str, Any] = {
        "name": shown(TRIAL_SEPARATOR.join(filter(None, (result.trial.factory, result.trial.search)))),
        "status": result.status,
        "qualities": {
            name: [round(one.value, 4), round(one.low, 4), round(one.high, 4), one.n_queries]
            for name, one in result.quality.items()
        },
        **{name: True for name, flag in flags.items() if flag},
    }
    if decisive in result.quality:
        found |= {"value": result.quality[decisive].value, "low": result.quality[decisive].low}
    if bill is not None:
        found |= {"usd_cents": cents(bill.usd_per_month), "target": shown(bill.target)}
    if sizes is not None:
        found |= {"ram_bytes": sizes.ram_bytes_per_vector, "disk_bytes": sizes.disk_bytes_per_vector}
    if latency is not None:
        found |= {"p99_ms": latency.p99, "latency": latency_text(latency)}
    # Nine digits tell shortfalls apart; only the closest of what misses is chosen by them.
    return found if short is None else {**found, "ndcg_short": [float(f"{one:.9g}") if one else 0 for one in short]}


def cents(usd: Decimal) -> int:
    """Money in whole cents. Raises ArtifactError: it has a part of a cent.

    >>> cents(Decimal("12.30"))
    1230
    """
    found = usd * 100
    if found != found.to_integral_value():
        raise ArtifactError(f"A bill of the run is USD {usd}", allowed="whole cents", next_step="Sweep again")
    return int(found)


def ndcg_shortfalls(results: Sequence[TrialResult], ratios: Sequence[float]) -> list[list[float]]:
    """By how much every trial misses every ratio: `-ndcg_ratio_margin` of `ragopt.choose`, 0 where it is met.

    Args:
        results: every trial of a run.
        ratios: limits of nDCG@10 over exact search's.

    Returns:
        One list per trial, one figure per ratio; 0 for a trial without scores, which misses everything anyway. Empty
        when the run has no judgements.
    """
    import numpy as np  # noqa: PLC0415 - loaded when first used

    exact = exact_of(results)
    if exact is None or scores_for(exact, NDCG, confirmed=False) is None:
        return []
    found = [[0.0] * len(ratios) for _ in results]
    for (confirmed, n), rows in _same_queries(results, exact).items():
        theirs = _scores(exact, confirmed=confirmed)[:n]
        ours = np.stack([_scores(results[row], confirmed=confirmed)[:n] for row in rows])
        for column, ratio in enumerate(ratios):
            for row, low in zip(rows, _lower_limits(ours, ratio * theirs), strict=True):
                found[row][column] = max(0.0, -float(low))
    exact_row = next(row for row, result in enumerate(results) if result.trial == exact.trial)
    found[exact_row] = [0.0] * len(ratios)
    return found


def _same_queries(results: Sequence[TrialResult], exact: TrialResult) -> dict[tuple[bool, int], list[int]]:
    """Rows of the trials that are compared with exact search on the same queries."""
    groups = defaultdict(list)
    for row, result in enumerate(results):
        ours = scores_for(result, NDCG, confirmed=result.confirmed)
        theirs = scores_for(exact, NDCG, confirmed=result.confirmed)
        if ours is not None and theirs is not None:
            groups[result.confirmed, min(len(ours), len(theirs))].append(row)
    return groups


def _scores(result: TrialResult, *, confirmed: bool) -> NDArray[np.float32]:
    import numpy as np  # noqa: PLC0415 - loaded when first used

    return np.asarray(scores_for(result, NDCG, confirmed=confirmed), dtype=np.float32)


def _lower_limits(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Lower 95 % limits of the mean of `ours - theirs`, as `paired_difference` has them, of many rows at once."""
    import numpy as np  # noqa: PLC0415 - loaded when first used

    # float32 until here: `ratio * theirs` of ndcg_ratio_margin is rounded to it too.
    left, right = (np.clip(scores.astype(np.float64), 0, 1) for scores in (ours, theirs))
    gains, losses = np.maximum(left - right, 0), np.maximum(right - left, 0)
    low, _ = difference_limits(
        gains.mean(axis=1), (gains**2).mean(axis=1), losses.mean(axis=1), (losses**2).mean(axis=1), ours.shape[1]
    )
    return low
