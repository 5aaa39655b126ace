"""The figure `crossovers`: where the cheapest target changes as the vectors grow, with every bill behind it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ragopt.report.bill_text import CONSENT
from ragopt.report.crossover_chart import crossover_chart, legend_sentence, lowest_words
from ragopt.report.crossover_frame import names_of
from ragopt.report.figure import Column, Figure, NoFigure, Table
from ragopt.report.targets_chart import OLD_RUN
from ragopt.report.words import shown, usd_text
from ragopt.sweep.kept_everywhere import everywhere_in_run
from ragopt.sweep.kept_run import stored_workload

if TYPE_CHECKING:
    import altair as alt

    from ragopt.bill.decisions.target import TargetDecision
    from ragopt.records import Run

NAME = "crossovers"
TITLE = "The cheapest target as the vectors grow"

BARRED = (
    f"{CONSENT} in the table: the vendor sells that size on request only, so that the target is not called cheapest "
    "there even where its bill is lower."
)


def crossovers_figure(run: Run) -> Figure | NoFigure:
    """Every target's bill over a range of vectors, with the changes of the cheapest."""
    everywhere = everywhere_in_run(run)
    found = None if everywhere is None else everywhere.crossovers
    if found is None:
        return NoFigure(NAME, TITLE, OLD_RUN)
    if isinstance(found, str):
        return NoFigure(NAME, TITLE, f"The bills could not be made over a range of vectors: {shown(found)}")
    billed, target = stored_workload(run).n_vectors, run.recommendation.target
    draw = partial(_draw, found, billed, target)
    return Figure(NAME, TITLE, crossovers_caption(found, billed, target), crossovers_table(found), draw)


def _draw(decision: TargetDecision, billed: int, target: str, *, narrow: bool, titled: bool) -> alt.LayerChart:
    return crossover_chart(decision, billed=billed, recommended=target, narrow=narrow, titled=titled)


def crossovers_caption(decision: TargetDecision, billed: int, target: str) -> str:
    """What is drawn, over which range and why, and the answer."""
    result = decision.result
    inside = result.low <= billed <= result.high
    drawn = (
        f"USD per month at every target for {result.low:,} to {result.high:,} vectors (a tenth of those billed to a "
        "hundred times them, from 1,000 on), the recommended index and everything else as billed; the "
        f"{lowest_words(result)} lies on the pale band, a dashed line stands at each change."
    )
    said = (
        shown(decision.sentence),
        drawn,
        "" if inside else f"The {billed:,} vectors that were billed are outside it.",
        legend_sentence(result, target),
        BARRED if any(point.barred for point in result.points) else "",
        *map(shown, decision.notes),
    )
    return " ".join(filter(None, said))


def crossovers_table(decision: TargetDecision) -> Table:
    """One row per size that was billed, and one per change with the two bills that meet there."""
    result = decision.result
    names = names_of(result)
    rows: list[tuple[int, int, tuple[str, ...]]] = []
    for point in result.points:
        bills = (
            f"{usd_text(point.usd[name])}{CONSENT * (name in point.barred)}" if name in point.usd else ""
            for name in names
        )
        rows.append((point.at, 0, (f"{point.at:,}", shown(point.leader), *bills)))
    for change in result.changes:
        met = {change.source: change.usd_source, change.to: change.usd_to}
        told = (usd_text(usd) if (usd := met.get(name)) is not None else "" for name in names)
        words = f"{shown(change.source) or 'none'} \N{RIGHTWARDS ARROW} {shown(change.to)}"
        rows.append((change.at, 1, (f"{change.at:,}", words, *told)))
    columns = (Column("Vectors"), Column("Cheapest"), *(Column(shown(name), numeric=True) for name in names))
    return Table(columns, tuple(row for _, _, row in sorted(rows, key=lambda row: row[:2])))
