"""A finished run as markdown for a pull request: the answer as one table, everything behind it folded away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ragopt.report.beside_baseline import beside_baseline
from ragopt.report.cache_markdown import cache_blocks, off_reasons, risks
from ragopt.report.frontier_table import frontier_rows, frontier_table
from ragopt.report.info import is_synthetic
from ragopt.report.markdown_limit import Block, joined
from ragopt.report.markdown_text import LONG, code, fenced, prose
from ragopt.report.provenance import not_measured, provenance
from ragopt.report.words import (
    SYNTHETIC,
    bytes_sentence,
    confirmation_sentence,
    decimal_text,
    reproduce_command,
    saving_sentence,
    usd_text,
)
from ragopt.sweep.kept_cache import cache_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ragopt.records import Bill, Run
    from ragopt.report.figure import Table

CODE_COLUMNS = ("Trial", "Target")
"""Columns whose cells are names."""

FIRST_POINTS = 5
"""Of a list in a text that is too long: each point is 400 characters at most before it is escaped."""

WHERE = "`report.html` in the run's folder has it, and so has `ragopt report RUN`."

CODE_FACTS = ("fingerprint", "machine", "versions")


def markdown_of(run: Run, *, image: str = "", image_title: str = "Quality against cost") -> str:
    """The summary of a finished run in GitHub's markdown.

    Args:
        run: a finished run.
        image: address of a picture, relative to the file that holds the text; empty for none. See `relative_address`.
        image_title: what the picture shows, for those who cannot see it.

    Raises:
        ArtifactError: no trial of the run was measured.
    """
    chosen = run.recommendation
    rows = frontier_rows(run)
    heading, what = ("Recommended", "recommendation") if chosen.status == "ok" else ("Closest trial", "closest trial")
    n_of = f"{len(rows.kept)} of {len(rows.points)} trials"
    queries = f" The queries are {SYNTHETIC}, made from the corpus itself." if is_synthetic(run) else ""
    blocks = [
        Block(f"### ragopt: {_headline(run)}"),
        Block(
            " ".join(
                prose(told) for told in (saving_sentence(chosen), bytes_sentence(chosen), confirmation_sentence(chosen))
            )
            + queries
        ),
        Block(_comparison(run, heading)),
        *([Block(f"![{prose(image_title)}]({image})")] if image else []),
        *_list("Why", chosen.why),
        *_caches(run),
        *_list("Warnings", [str(one) for one in run.info["warnings"]]),
        *_list("Not measured", not_measured(run)),
        _details(
            f"The frontier of <code>{rows.quality}</code> against {rows.axis.title}: {n_of}",
            f"Cost: {prose(rows.axis.reason)}.",
            _table(frontier_table(rows)),
        ),
        _bill_details(f"The {what}'s bill: {_usd(chosen.bill)}", chosen.bill),
        _bill_details(f"The baseline's bill: {_usd(chosen.baseline_bill)}", chosen.baseline_bill),
        _details("How it was measured", _facts(run), "Repeat it:", fenced(reproduce_command(run), "sh")),
    ]
    return joined(blocks)


def _caches(run: Run) -> list[Block]:
    """What is said of the caches; nothing for a run without an advice."""
    advice = cache_of(run)
    if advice is None:
        return []
    told = risks(advice)
    folded = [_details("What to know of the recommended caches", told)] if told else []
    return [*cache_blocks(advice), *folded, *_list("Caches that are not recommended", off_reasons(advice)),
            *_list("Warnings of the query log", advice.warnings)]  # fmt: skip


def relative_address(picture: Path, beside: Path) -> str:
    """The address of a picture as seen from a folder, escaped for a link: `out/my%20run/frontier.png`."""
    import os.path  # noqa: PLC0415 - the one place that needs it

    return quote(Path(os.path.relpath(picture.resolve(), beside.resolve())).as_posix())


def _headline(run: Run) -> str:
    if run.recommendation.status != "ok":
        return "No trial meets the limits; the closest one is shown"
    space, factory = run.recommendation.trial.space, run.recommendation.trial.factory
    return f"Use {code(space.model)} at {space.dim} dimensions in a FAISS index {code(factory)}"


def _usd(bill: Bill) -> str:
    return f"USD {usd_text(bill.usd_per_month)} per month"


def _comparison(run: Run, heading: str) -> str:
    show = {True: _name_cell, False: _prose_cell}
    lines = [f"| | {heading} | Baseline: {_prose_cell(run.recommendation.baseline_label)} |", "|---|---|---|"]
    lines += [
        f"| {_prose_cell(row.name)} | {show[row.is_name](row.ours)} | {show[row.is_name](row.baseline)} |"
        for row in beside_baseline(run)
    ]
    return "\n".join(lines)


def _prose_cell(text: str) -> str:
    return prose(text, in_table=True)


def _name_cell(text: str) -> str:
    return code(text, in_table=True) if text else ""


def _table(table: Table) -> str:
    show = [_name_cell if column.title in CODE_COLUMNS else _prose_cell for column in table.columns]
    lines = [
        _row(_prose_cell(column.title) for column in table.columns),
        _row("---:" if column.numeric else "---" for column in table.columns),
    ]
    lines += [_row(cell(text) for cell, text in zip(show, row, strict=True)) for row in table.rows]
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _list(title: str, lines: Sequence[str]) -> list[Block]:
    """A bold title and its points; nothing when there are none."""
    if not lines:
        return []
    points = [f"- {prose(line)}" for line in lines]
    left = len(points) - FIRST_POINTS
    short = "\n".join([*points[:FIRST_POINTS], f"- {left:,} more are left out: {WHERE}"]) if left > 0 else ""
    return [Block(f"**{title}**"), Block("\n".join(points), short, rank=1)]


def _details(summary: str, *blocks: str) -> Block:
    """What is folded away; the summary is HTML and holds no name of the user's, the blank lines make GitHub read on."""
    start, end = f"<details><summary>{summary}</summary>", "</details>"
    return Block(
        "\n\n".join([start, *(one for one in blocks if one), end]),
        "\n\n".join([start, f"Left out, the text would be too long for GitHub: {WHERE}", end]),
    )


def _bill_details(summary: str, bill: Bill) -> Block:
    notes = "\n".join(f"- {prose(note, limit=LONG)}" for note in bill.notes)
    return _details(summary, f"On {code(bill.target)}, for an average month.", _bill_table(bill), notes)


def _bill_table(bill: Bill) -> str:
    """Every line with its quantity and price, under the item what it comes from; the sum last."""
    lines = ["| Part | USD | Quantity | USD per unit | Item |", "|---|---:|---:|---:|---|"]
    for line in bill.lines:
        read_on = " (day of reading)" if line.undated else ""
        below = [
            *([f"= {line.formula}"] if line.formula else []),
            f"{line.source} as of {line.as_of}{read_on}",
            *([f"caution: {line.caution}"] if line.caution else []),
        ]
        item = "<br>".join(prose(text, in_table=True, limit=LONG) for text in (line.item, *below))
        quantity = prose(f"{decimal_text(line.quantity)} {line.unit}", in_table=True)
        lines.append(_row((line.part, usd_text(line.usd), quantity, decimal_text(line.usd_per_unit), item)))
    return "\n".join([*lines, _row(("sum", usd_text(bill.usd_per_month), "", "", ""))])


def _facts(run: Run) -> str:
    return "\n".join(
        f"- {name}: {code(value) if name in CODE_FACTS else prose(value)}" for name, value in provenance(run)
    )
