"""What rescoring more vectors brings and costs: the numbers behind the figure of rescoring depth, no drawing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ragopt.report.info import default_quality, is_rescored
from ragopt.sweep.groups import RESCORING_SEARCH, shortlist_depth
from ragopt.sweep.kept_run import measured_vectors, results_of_a_search

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragopt.records import LatencyMs, Quality, Run, Space, TrialResult

MOST_LINES = 5
"""Lines that a plot of 285 pixels can tell apart, one of them the recommended trial's."""

WIDE_DEPTHS = 4.0
"""Largest over smallest depth from which a line shows how recall bends; the default grid has 20, a descent's last steps
have 1.02 (scifact, 2026-11)."""


@dataclass(frozen=True, slots=True)
class DepthPoint:
    """One trial: an index with a rescoring tier, searched at one depth.

    Attributes:
        trial: printed form.
        space: of the trial.
        index: factory and search parameters without the depth: what trials of one line share, besides the space.
        n_rescored: vectors that the second tier re-ranks for one query: the results that a search of the run asks for
            times k_factor_rf, at most all vectors of the model.
        ram_bytes_per_vector: codes, list ids and links.
        recall: recall_vs_exact@k.
        cpu_ms: CPU milliseconds per query that the bill charges; None when the trial was not billed.
        cpu_measured: whether those were measured on its built index; otherwise they are the cost model's estimate.
        latency: of one warm search on one thread; None when it was not measured.
        confirmed: whether the figures come from a build on the whole corpus.
        upper_bound: whether the recall had not converged.
        line: number of its line in the chart from 0; None when it is left to the table.
    """

    trial: str
    space: Space
    index: str
    n_rescored: int
    ram_bytes_per_vector: float
    recall: Quality
    cpu_ms: float | None
    cpu_measured: bool
    latency: LatencyMs | None
    confirmed: bool
    upper_bound: bool
    line: int | None = None

    @property
    def key(self) -> tuple[Space, str]:
        """What all depths of one index have in common."""
        return self.space, self.index


def depth_points(run: Run) -> tuple[DepthPoint, ...]:
    """Every measured trial with a rescoring tier: drawn lines first, then in grid order, each by depth.

    Raises ArtifactError: ``run.json`` does not say how many vectors a model has or how many results a search asked for.
    """
    name = default_quality(run)
    measures = run.info["arguments"].get("cost_model") == "measured"
    groups: dict[tuple[Space, str], list[DepthPoint]] = {}
    for result in run.trials:
        point = _point(run, result, name, measures=measures)
        if point is not None:
            groups.setdefault(point.key, []).append(point)
    chosen = _chosen(run, groups)
    ordered = [*chosen, *(key for key in groups if key not in chosen)]
    return tuple(
        replace(point, line=chosen.index(key) if key in chosen else None)
        for key in ordered
        for point in sorted(groups[key], key=lambda point: point.n_rescored)
    )


def _point(run: Run, result: TrialResult, name: str, *, measures: bool) -> DepthPoint | None:
    trial, sizes = result.trial, result.index_bytes
    if name not in result.quality or sizes is None or result.status == "unsuitable" or not is_rescored(trial.factory):
        return None
    others = [part for part in trial.search.split(",") if part and not part.startswith(f"{RESCORING_SEARCH}=")]
    return DepthPoint(
        trial=str(trial),
        space=trial.space,
        index=" | ".join([trial.factory, *([",".join(others)] if others else [])]),
        # A search asks for more than k results where k is small, and rescores the whole corpus at most.
        n_rescored=min(shortlist_depth(trial, results_of_a_search(run)), measured_vectors(run, trial.space.model)),
        ram_bytes_per_vector=sizes.ram_bytes_per_vector,
        recall=result.quality[name],
        cpu_ms=result.cpu_ms_per_query,
        cpu_measured=result.confirmed and measures,
        latency=result.latency,
        confirmed=result.confirmed,
        upper_bound=result.upper_bound and not result.confirmed,
    )


def _chosen(run: Run, groups: dict[tuple[Space, str], list[DepthPoint]]) -> list[tuple[Space, str]]:
    """The lines to draw: the recommendation's, the finalists', then the best of a size, near its own and far from it.

    Only the recommendation may be drawn with depths that are close together: they show nothing of depth.
    """
    several = _depths_wide_apart(groups)
    recommended = str(run.recommendation.trial)
    first = [key for key, points in groups.items() if any(point.trial == recommended for point in points)]
    # An index that was built at more depths says more.
    built = {key: sum(point.confirmed for point in points) for key, points in several.items()}
    finalists = sorted((key for key, count in built.items() if count), key=lambda key: -built[key])
    model = run.recommendation.trial.space.model
    sizes = _best_by_size({key: points for key, points in several.items() if key[0].model == model} or several)
    found = list(dict.fromkeys([*first, *finalists]))[:MOST_LINES]
    left = [key for key in sizes if key not in found]
    if first and left and len(found) < MOST_LINES:
        # The recommendation may stand alone at its depth: the line of the nearest size shows how it got there.
        size = groups[first[0]][0].ram_bytes_per_vector
        nearest = min(left, key=lambda key: abs(math.log(groups[key][0].ram_bytes_per_vector / size)))
        found.append(nearest)
        left.remove(nearest)
    return found + _spread(left, MOST_LINES - len(found))


def _depths_wide_apart(groups: dict[tuple[Space, str], list[DepthPoint]]) -> dict[tuple[Space, str], list[DepthPoint]]:
    """Indexes whose depths are `WIDE_DEPTHS` times apart; where there is none, all with more than one."""
    ratios = {
        key: max(point.n_rescored for point in points) / min(point.n_rescored for point in points)
        for key, points in groups.items()
    }
    least = WIDE_DEPTHS if max(ratios.values(), default=0.0) >= WIDE_DEPTHS else 1.0
    return {key: points for key, points in groups.items() if ratios[key] >= least and ratios[key] > 1}


def _best_by_size(groups: dict[tuple[Space, str], list[DepthPoint]]) -> list[tuple[Space, str]]:
    """Of every size the index that keeps most at its best depth, upper bounds left out; from the smallest size."""
    best: dict[float, tuple[float, tuple[Space, str]]] = {}
    for key, points in groups.items():
        most = max((point.recall.value for point in points if not point.upper_bound), default=0.0)
        size = points[0].ram_bytes_per_vector
        if size not in best or most > best[size][0]:
            best[size] = (most, key)
    return [best[size][1] for size in sorted(best)]


def _spread(keys: Sequence[tuple[Space, str]], n: int) -> list[tuple[Space, str]]:
    """Take `n` of a sequence, its ends and others evenly between them."""
    if n >= len(keys):
        return list(keys)
    if n < 2:
        return list(keys[len(keys) // 2 :][:n])
    return [keys[round(place * (len(keys) - 1) / (n - 1))] for place in range(n)]


def why_no_depths(run: Run, points: Sequence[DepthPoint]) -> str:
    """Why nothing can be drawn against depth, in one sentence; empty when something can."""
    depths: dict[tuple[Space, str], set[int]] = {}
    for point in points:
        depths.setdefault(point.key, set()).add(point.n_rescored)
    if any(len(known) > 1 for known in depths.values()):
        return ""
    if points:
        return "Every index with a rescoring tier was measured at one depth only."
    if any(is_rescored(result.trial.factory) for result in run.trials):
        return "No trial with a rescoring tier could be measured."
    return "No trial has a rescoring tier."
