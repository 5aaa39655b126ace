"""The numbers behind the frontier chart and its tables: pure, no drawing.

A frontier point is a trial at its cheapest bill. The cost axis is USD per month, unless the bills say nothing
(a small corpus fits the smallest machine whatever its codec), then RAM bytes per vector.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from ragopt.choose import cheapest_bill
from ragopt.errors import ArtifactError
from ragopt.index.factory import split_factory

if TYPE_CHECKING:
    from ragopt.records import Quality, Run, Trial

CostName = Literal["usd_per_month", "ram_bytes_per_vector"]

TIE_RATIO = Decimal("1.01")
"""Bills within 1 % are ties; the same rule that chooses the recommendation (docs/method.md)."""

SHARED_BILL_FRACTION = Decimal("0.5")
"""From this share of trials with tied bills the USD axis stacks most marks in one column and separates nothing."""

TRANSFORM = re.compile(r"(PCA|OPQ|ITQ|RR|L2norm|Pad)")
COARSE = re.compile(r"(IVF|IMI)")
WRAPPER = re.compile(r"(Refine|RFlat|IDMap)")
GRAPH = re.compile(r"(HNSW|NSG)\d*[_]?")
"""Parts of a FAISS factory string that are not the codec (FAISS wiki, "The index factory", read 2026-07)."""


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """One mark of the frontier chart: a trial at its cheapest bill.

    Attributes:
        trial: printed form.
        usd_per_month: the cheapest bill over all targets.
        target: the target of that bill.
        quality: the plotted quality with its 95 % interval.
        ram_bytes_per_vector: codes, list ids and links.
        disk_bytes_per_vector: the rescoring tier.
        space: printed form of the trial's space.
        codec: `SQ8`, `PQ 8-bit`, `PQ 4-bit`, `RaBitQ`, `Flat` ...
        rescored: whether a second tier re-ranks the candidates.
        confirmed: whether the figures come from a build on the whole corpus.
        on_frontier: whether no other point beats it on the chosen cost and on quality.
        is_recommended: whether it is the run's recommendation (or the closest trial when nothing fits).
        is_baseline: whether it is float32 Flat at the recommended model's full dimension.
        upper_bound: whether its quality is only an upper bound until it is built: it beats nothing.
        dropped: whether it left the race early, estimated on fewer queries than others.
    """

    trial: str
    usd_per_month: Decimal
    target: str
    quality: Quality
    ram_bytes_per_vector: float
    disk_bytes_per_vector: float
    space: str
    codec: str
    rescored: bool
    confirmed: bool
    on_frontier: bool
    is_recommended: bool
    is_baseline: bool
    upper_bound: bool = False
    dropped: bool = False

    @property
    def figures(self) -> str:
        """Where its figures come from, in a few words."""
        if self.confirmed:
            return "measured"
        return "estimated" + ", upper bound" * self.upper_bound + ", dropped early" * self.dropped

    def cost(self, name: CostName) -> Decimal:
        """This point's place on a cost axis, as an exact number."""
        return self.usd_per_month if name == "usd_per_month" else Decimal(self.ram_bytes_per_vector)


@dataclass(frozen=True, slots=True)
class CostAxis:
    """The cost that a frontier is taken over, with the reason in words."""

    name: CostName
    title: str
    reason: str


USD_TITLE = "USD per month"
RAM_TITLE = "RAM code bytes per vector"
RAM_BY_OBJECTIVE = "RAM code bytes per vector, because the run was asked for the fewest (--objective ram)"


def default_quality(run: Run) -> str:
    """Name of the quality that every trial has: recall against exact search at the run's k."""
    return f"recall_vs_exact@{int(run.info['k'])}"


def quality_names(run: Run) -> tuple[str, ...]:
    """Every quality that some trial was measured on, the default one first, then by name."""
    first = default_quality(run)
    names = {name for result in run.trials for name in result.quality}
    return tuple(sorted(names, key=lambda name: (name != first, name)))


def is_rescored(factory: str) -> bool:
    """Tell whether the factory ends in a rescoring tier, `Refine(...)` or `RFlat`."""
    return split_factory(factory)[-1].startswith(("Refine", "RFlat"))


def codec_of(factory: str) -> str:
    """Name the codec of a FAISS factory string, without its size.

    >>> [codec_of(text) for text in ("PCAR128,PQ16np,Refine(SQ8)", "IVF64,PQ8x4fs", "HNSW32", "RaBitQ4", "RQ6x8")]
    ['PQ 8-bit', 'PQ 4-bit', 'Flat', 'RaBitQ', 'RQ']
    """
    for part in split_factory(factory):
        if any(kind.match(part) for kind in (TRANSFORM, COARSE, WRAPPER)):
            continue
        codec = GRAPH.sub("", part, count=1)
        if not codec:
            continue
        if codec.startswith("RaBitQ"):
            return "RaBitQ"
        if additive := re.match(r"(P?RQ)\d+x", codec):
            return additive[1]
        product = re.match(r"PQ\d+(?:x(\d+))?", codec)
        return f"PQ {product[1] or 8}-bit" if product else codec
    return "Flat"


def is_baseline_trial(trial: Trial, model: str) -> bool:
    """Tell whether `trial` is float32 exact search at the full dimension of `model`."""
    return trial.factory == "Flat" and trial.space.reduction == "none" and trial.space.model == model


def unmarked_points(run: Run, quality: str) -> tuple[FrontierPoint, ...]:
    """Every measured trial at its cheapest bill, in grid order, before the frontier is taken."""
    recommended = run.recommendation.trial
    points = []
    for result in run.trials:
        bill, sizes, measured = cheapest_bill(result), result.index_bytes, result.quality.get(quality)
        if result.status == "unsuitable" or bill is None or sizes is None or measured is None:
            continue
        points.append(
            FrontierPoint(
                trial=str(result.trial),
                usd_per_month=bill.usd_per_month,
                target=bill.target,
                quality=measured,
                ram_bytes_per_vector=sizes.ram_bytes_per_vector,
                disk_bytes_per_vector=sizes.disk_bytes_per_vector,
                space=str(result.trial.space),
                codec=codec_of(result.trial.factory),
                rescored=is_rescored(result.trial.factory),
                confirmed=result.confirmed,
                on_frontier=False,
                is_recommended=result.trial == recommended,
                is_baseline=is_baseline_trial(result.trial, recommended.space.model),
                upper_bound=result.upper_bound and not result.confirmed,
                dropped=result.status == "dropped",
            )
        )
    return tuple(points)


def largest_tie(bills: Iterable[Decimal]) -> int:
    """The largest number of bills that lie within 1 % of the least of them."""
    ordered = sorted(bills)
    best = end = 0
    for start, least in enumerate(ordered):
        while end < len(ordered) and ordered[end] <= least * TIE_RATIO:
            end += 1
        best = max(best, end - start)
    return best


def choose_axis(points: Sequence[FrontierPoint], *, objective: str = "usd") -> CostAxis:
    """The cost axis that separates the trials, with the reason in words.

    Args:
        points: the measured trials.
        objective: the run's `--objective`; `ram` always takes the RAM axis.
    """
    if objective == "ram":
        return CostAxis("ram_bytes_per_vector", RAM_TITLE, RAM_BY_OBJECTIVE)
    tied = largest_tie(point.usd_per_month for point in points)
    if tied > 1 and tied > SHARED_BILL_FRACTION * len(points):
        share = "all" if tied == len(points) else f"{tied} of"
        reason = (
            f"RAM code bytes per vector, because {share} {len(points)} trials cost the same within 1 % at this scale"
        )
        return CostAxis("ram_bytes_per_vector", RAM_TITLE, reason)
    return CostAxis("usd_per_month", USD_TITLE, "USD per month, each trial at its cheapest target")


def axis_named(name: CostName) -> CostAxis:
    """One of the two axes, as asked for by name."""
    title = USD_TITLE if name == "usd_per_month" else RAM_TITLE
    return CostAxis(name, title, title)


def non_dominated(points: Sequence[FrontierPoint], cost: CostName) -> tuple[FrontierPoint, ...]:
    """The points that no other point beats, cheapest first.

    A point is beaten by another with at least its quality at no more than its cost, better in one of them. Of
    points equal in both, the one with fewer RAM bytes stays, then the lower bill, then the first name: the
    same single survivor that FAISS keeps in its `OperatingPoints` (faiss/AutoTune.h, 1.15). An upper bound beats
    nothing and is no survivor: nobody knows yet where it lies.
    """
    survivors: list[FrontierPoint] = []
    for point in sorted(
        (point for point in points if not point.upper_bound),
        key=lambda p: (p.cost(cost), -p.quality.value, p.ram_bytes_per_vector, p.usd_per_month, p.trial),
    ):
        if not survivors or point.quality.value > survivors[-1].quality.value:
            survivors.append(point)
    return tuple(survivors)


def cost_axis(run: Run, *, quality: str | None = None) -> CostAxis:
    """The cost axis that separates this run's trials."""
    points = unmarked_points(run, quality or default_quality(run))
    return choose_axis(points, objective=str(run.info["arguments"].get("objective", "usd")))


def frontier_points(run: Run, *, quality: str, axis: CostAxis | None = None) -> tuple[FrontierPoint, ...]:
    """Every measured trial at its cheapest bill, in grid order, with the frontier marked.

    Args:
        run: a finished run.
        quality: name of the quality to compare on, `recall_vs_exact@10` for example.
        axis: the cost to compare on; by default the one that separates the trials.

    Raises:
        ArtifactError: no trial of the run has this quality and a bill.
    """
    points = unmarked_points(run, quality)
    if not points:
        raise ArtifactError(
            f"The run {run.folder} has no trial with {quality} and a bill",
            allowed=f"one of: {', '.join(quality_names(run)) or 'nothing was measured'}",
            next_step="Ask for a quality that the run measured, or run the sweep again",
        )
    chosen = axis or choose_axis(points, objective=str(run.info["arguments"].get("objective", "usd")))
    kept = {point.trial for point in non_dominated(points, chosen.name)}
    return tuple(replace(point, on_frontier=point.trial in kept) for point in points)


def frontier(run: Run, *, quality: str | None = None, axis: CostAxis | None = None) -> tuple[FrontierPoint, ...]:
    """The points that no other trial beats on cost and quality, cheapest first; see `non_dominated`."""
    name = quality or default_quality(run)
    chosen = axis or cost_axis(run, quality=name)
    kept = [point for point in frontier_points(run, quality=name, axis=chosen) if point.on_frontier]
    return tuple(sorted(kept, key=lambda point: point.cost(chosen.name)))


def quality_limit(run: Run, quality: str) -> tuple[float, str] | None:
    """The limit on `quality` that the run was asked for, with the option that set it; None when there is none.

    An nDCG ratio is turned into nDCG with the exact search of the recommended model.
    """
    arguments = run.info["arguments"]
    if quality == default_quality(run) and arguments.get("min_recall") is not None:
        return float(arguments["min_recall"]), f"--min-recall {arguments['min_recall']}"
    ratio = arguments.get("min_ndcg_ratio")
    if quality == "ndcg@10" and ratio is not None:
        for model in run.info["models"]:
            if model["name"] == run.recommendation.trial.space.model and quality in model["exact"]:
                exact = float(model["exact"][quality]["value"])
                return float(ratio) * exact, f"--min-ndcg-ratio {ratio} of exact {exact:.4f}"
    return None


def is_synthetic(run: Run) -> bool:
    """Tell whether quality was measured on queries made from the corpus."""
    return run.recommendation.synthetic_queries or bool(run.info["queries"]["synthetic"])
