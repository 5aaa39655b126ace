"""How many candidates of each query the one exact pass keeps for all trials of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.sweep.descend import most_factor
from ragopt.sweep.grid import grid_for
from ragopt.sweep.groups import shortlist_depth
from ragopt.sweep.query_sample import MOST_SCORES, candidates_wanted

if TYPE_CHECKING:
    from ragopt.sweep.settings import SweepSettings

SPARSE = 20
"""Candidates are doubled beforehand where they are less than a twentieth of the corpus: with more, hardly any estimate
of the sweeps of 2026-11 had not converged."""


def candidates_of(settings: SweepSettings, model: str, n: int, dim: int, n_queries: int) -> int:
    """Candidates per query to find in the one exact pass: all that the sweep of a model is going to ask for.

    Those of the deepest trial of its grid or of the search below it; twice as many as the grid's where its estimates
    may have to be sharpened: where they do not see most of the corpus.
    """
    n_results = settings.n_results(n)
    deepest = max(shortlist_depth(trial, n_results) for trial in grid_for(settings, model, dim, n))
    wanted = candidates_wanted(deepest, k=settings.k, n_vectors=n)
    if 2 * wanted * n_queries <= MOST_SCORES and SPARSE * wanted < n:
        wanted *= 2
    if settings.descends:
        below = n_results * most_factor(n, n_results, settings.max_rescored)
        wanted = max(wanted, candidates_wanted(below, k=settings.k, n_vectors=n))
    return wanted
