"""Does racing ever drop the trial that a full sweep on all queries would have recommended?

All trials of the default grid are scored once on all 3,000 questions of squad22k-minilm-384; every seed then draws
1,000 of them, races the trials as a sweep does, and compares with the decision over all trials on all those queries.
The race has kept its promise when the full sweep's winner is still in it, or when the race's own winner costs no more
by the objective and has no significant paired loss.

    RAGOPT_SHARED=... python eval/racing_check.py --seeds 200 [--candidates-only]

With --candidates-only every codec scores its candidates, as on a corpus too large to scan, so that some estimates have
not converged; without it a corpus of this size is scanned. FastScan's candidates are one index of all 3,000 questions'
here, of a round's in a sweep. Writes eval/results/<date>-racing.json, or -racing-candidates.json.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ragopt.artifacts import ArtifactStore
from ragopt.bill.price_book import PriceBook
from ragopt.choose import Limits, is_exact, order
from ragopt.measure.intervals import mean_interval, paired_difference
from ragopt.records import Quality, Trial, TrialResult
from ragopt.sweep.codec_scoring import ScoringJob
from ragopt.sweep.grid import grid_for
from ragopt.sweep.material import gather_material
from ragopt.sweep.pricing import Pricing, workload_of
from ragopt.sweep.progress import Silent
from ragopt.sweep.race import Preference, Runner, drops, rounds_of
from ragopt.sweep.run_info import machine, versions
from ragopt.sweep.selecting import Selection
from ragopt.sweep.settings import ReadyVectors, SearchPlan, SweepSettings

codec_scoring = sys.modules[ScoringJob.__module__]
N_QUERIES, K = 1000, 10
NAME = f"recall_vs_exact@{K}"
TARGETS = (0.90, 0.95, 0.99)
OBJECTIVES = ("ram", "usd")
FINALISTS = SweepSettings(corpus="python-docs").finalists


def score_all(shared: Path, cache: Path) -> tuple[list[TrialResult], Selection, np.ndarray]:
    """Score every trial of the default grid on every query; rows of the matrix follow the results."""
    stem = shared / "vectors" / "squad22k-minilm-384"
    ready = ReadyVectors(f"{stem}.corpus.f16.npy", f"{stem}.queries.f16.npy")
    settings = SweepSettings(ready=ready, n_queries=3000, confirm_queries=0, cost_model="scan", cache_dir=cache,
                             limits=Limits(min_recall=None))  # fmt: skip
    material = gather_material(settings, ArtifactStore(cache), Silent())
    data = material.models[0]
    pricing = Pricing(workload_of(settings.workload, data.vectors.n), PriceBook.load(), "scan", data.vectors.n, K)
    plan = SearchPlan("cosine", K, K, 0)
    selection = Selection(ArtifactStore(cache), data, plan, pricing, settings.limits, material, Silent())
    trials = grid_for(settings, data.model, data.vectors.dim, data.vectors.n)
    selection.estimate_all(trials)
    results = [selection.result(trial) for trial in trials if trial in selection.settled]
    scores = np.stack([selection.settled[result.trial].estimate.recall for result in results])
    return results, selection, scores


def winner(results: list[TrialResult], scores: np.ndarray, *, target: float, objective: Any) -> TrialResult | None:
    """The trial that a sweep would recommend from these scores."""
    fitting = []
    for result, row in zip(results, scores, strict=True):
        interval = mean_interval(row)
        low = 1.0 if is_exact(result.trial) else interval.low
        if low >= target:
            quality = {NAME: Quality(interval.value, low, interval.high, interval.n)}
            fitting.append(replace(result, quality=quality))
    ordered = order(fitting, objective=objective, k=K)
    return ordered[0] if ordered else None


def race(
    runners: list[Runner], scores: np.ndarray, queries: np.ndarray, *, target: float, objective: Any
) -> list[int]:  # fmt: skip
    """Race one draw of the queries; the numbers of the trials that are left."""
    live = dict(enumerate(runners))
    sizes = rounds_of(N_QUERIES)
    for size in sizes[:-1]:
        raced = {
            number: replace(runner, scores={NAME: scores[number][queries[:size]]}) for number, runner in live.items()
        }
        gone = drops([one for one in raced.values() if not is_exact(one.trial)], target=target, recall_only=True,
                     n_rounds=len(sizes), preference=Preference(objective, FINALISTS))  # fmt: skip
        live = {number: runner for number, runner in live.items() if runner.trial not in gone}
    return list(live)


def one_seed(
    results: list[TrialResult], runners: list[Runner], scores: np.ndarray, *, target: float, seed: int
) -> list[dict[str, Any]]:
    """Race one draw of the queries and compare with the full decision on it, by both objectives."""
    queries = np.random.default_rng(seed).permutation(scores.shape[1])[:N_QUERIES]
    drawn, found = scores[:, queries], []
    for objective in OBJECTIVES:
        kept = race(runners, scores, queries, target=target, objective=objective)
        full = winner(results, drawn, target=target, objective=objective)
        left = winner([results[number] for number in kept], drawn[kept], target=target, objective=objective)
        survived = full is None or any(results[number].trial == full.trial for number in kept)
        promise = survived or _as_good(full, left, results, drawn, objective)
        found.append({"n_kept": len(kept), "survived": survived, "kept_promise": promise})
    return found


def _as_good(
    full: TrialResult | None, raced: TrialResult | None, results: list[TrialResult], scores: np.ndarray, objective: Any
) -> bool:
    """Whether the race's winner costs no more by the objective and has no significant paired loss."""
    if full is None or raced is None:
        return full is None
    trials: list[Trial] = [result.trial for result in results]
    loss = paired_difference(scores[trials.index(full.trial)], scores[trials.index(raced.trial)])
    both = order([full, raced], objective=objective, k=K)
    return both[0].trial == raced.trial or (loss.low <= 0 and _same_cost(full, raced))


def _same_cost(one: TrialResult, other: TrialResult) -> bool:
    bills = [min(bill.usd_per_month for bill in each.bills.values()) for each in (one, other)]
    sizes = [each.index_bytes.ram_bytes_per_vector if each.index_bytes else 0 for each in (one, other)]
    return bills[0] == bills[1] and sizes[0] == sizes[1]


def main() -> None:
    """Race every seed, target and objective, and write the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--candidates-only", action="store_true")
    parser.add_argument("--cache", type=Path, default=None)
    options = parser.parse_args()
    cache = options.cache or Path(tempfile.mkdtemp())
    if options.candidates_only:
        vars(codec_scoring)["scans_all"] = lambda *_given, **_more: False
    results, selection, scores = score_all(Path(os.environ["RAGOPT_SHARED"]), cache)
    runners = [
        replace(selection.runner(result.trial), scores={NAME: row}) for result, row in zip(results, scores, strict=True)
    ]
    rows = []
    for target in TARGETS:
        seeds = [one_seed(results, runners, scores, target=target, seed=seed) for seed in range(options.seeds)]
        for number, objective in enumerate(OBJECTIVES):
            found = [one[number] for one in seeds]
            row = {
                "target": target,
                "objective": objective,
                "n_seeds": options.seeds,
                "n_winner_dropped": sum(not one["survived"] for one in found),
                "n_promise_broken": sum(not one["kept_promise"] for one in found),
                "median_trials_kept": float(np.median([one["n_kept"] for one in found])),
            }
            rows.append(row)
            print(row, flush=True)
    n_loose = sum(runner.optimism > 0 for runner in runners)
    result = {"about": __doc__.split("\n", 1)[0], "n_trials": len(results), "n_not_converged": n_loose,
              "n_queries": N_QUERIES, "rows": rows,
              "versions": versions(), "machine": machine()}  # fmt: skip
    today = dt.datetime.now(tz=dt.UTC).date()
    name = "racing-candidates" if options.candidates_only else "racing"
    path = Path(__file__).parent / "results" / f"{today}-{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
