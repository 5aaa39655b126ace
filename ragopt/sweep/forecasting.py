"""Recall at the size that is billed, forecast for every trial, and how far such a forecast was off on this corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ragopt.errors import InputError
from ragopt.index.candidate_scores import candidate_scores
from ragopt.index.factory import parse_factory
from ragopt.measure.forecast import ForecastCheck, forecast_recall, validate_forecast
from ragopt.measure.shortlist import ranks, shortlist
from ragopt.sweep.groups import shortlist_depth

if TYPE_CHECKING:
    from ragopt.records import RecallForecast, Trial
    from ragopt.sweep.bench import Bench
    from ragopt.sweep.estimate_stage import Estimate
    from ragopt.sweep.query_sample import QuerySample

CHECK_FROM_VECTORS = 50_000
"""From this size on a tenth of the corpus is large enough to be forecast from (docs/method-forecast.md)."""

PART = 10
"""The part of the corpus that the check forecasts from is one in so many."""


def forecast_of(estimate: Estimate, *, k: int, n_results: int, n: int, n_scale: int) -> RecallForecast | None:
    """Forecast one trial's recall from `n` vectors to `n_scale`; None for a graph, which changes with its corpus.

    Args:
        estimate: of the trial.
        k: neighbours counted.
        n_results: results that every search asks for.
        n: vectors in the corpus.
        n_scale: vectors that are billed.
    """
    if not estimate.shortlists or n_scale <= n:
        return None
    depth = shortlist_depth(estimate.trial, n_results) if estimate.tier_ranks else None
    return forecast_recall(estimate.shortlist(), estimate.ranks(), k=k, depth=depth, n=n, n_scale=n_scale)


def check_forecast(bench: Bench, trial: Trial, sample: QuerySample, *, seed: int) -> ForecastCheck | None:
    """Forecast a trial's recall from a random tenth of the corpus to all of it, and compare; nothing is built.

    Args:
        bench: the model's shared parts.
        trial: whose forecast is checked.
        sample: queries with all candidates that there are.
        seed: of the random tenth.

    Returns:
        The comparison; None where the corpus or the candidates are too few for it.
    """
    n, plan = bench.data.vectors.n, bench.plan
    factory = parse_factory(trial.factory, trial.space.dim)
    if n < CHECK_FROM_VECTORS or factory.is_graph or factory.nlist:
        return None
    bench.enter(trial.space)
    n_candidates = sample.candidates.shape[1]
    candidates = bench.candidates(sample, n_candidates)
    read, queries = bench.reader(sample, n_candidates), bench.project(sample.queries)

    def scored(text: str) -> np.ndarray:
        codec = bench.codec(parse_factory(text, trial.space.dim))
        return candidate_scores(codec.index, codec.factory, candidates, read, queries)

    places = shortlist(scored(factory.base_text), candidates.by_row, depth=n_candidates)
    tier_ranks = ranks(scored(factory.refine_text), candidates.by_row) if factory.refine else None
    in_part = np.random.default_rng(seed).random(n) < 1 / PART
    try:
        return validate_forecast(
            places, tier_ranks, in_part[candidates.rows], k=plan.k,
            depth=shortlist_depth(trial, plan.n_results) if factory.refine else None, n=n, n_kept=int(in_part.sum()),
        )  # fmt: skip
    except InputError:
        # The candidates hold too few of the tenth for this depth: nothing to compare, and no figure is made up.
        return None
