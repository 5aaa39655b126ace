"""The figure `tornado`: the inputs that move the recommended target's bill most, as the run kept them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ragopt.report.figure import Column, Figure, NoFigure, Table
from ragopt.report.targets_chart import OLD_RUN
from ragopt.report.tornado_chart import tornado_chart
from ragopt.report.tornado_frame import tornado_caption
from ragopt.report.words import shown, usd_text
from ragopt.sweep.kept_everywhere import everywhere_in_run

if TYPE_CHECKING:
    from decimal import Decimal

    from ragopt.records import Run
    from ragopt.sweep.kept_everywhere import Tornado

NAME = "tornado"
TITLE = "What moves the bill most"

COLUMNS = (
    Column("Input"),
    Column("Low end", numeric=True),
    Column("USD there", numeric=True),
    Column("High end", numeric=True),
    Column("USD there", numeric=True),
)


def tornado_figure(run: Run) -> Figure | NoFigure:
    """The inputs that move the bill at the recommended target most, at most five."""
    everywhere = everywhere_in_run(run)
    if everywhere is None or everywhere.tornado is None:
        return NoFigure(NAME, TITLE, OLD_RUN)
    kept = everywhere.tornado
    if not kept.swings:
        return NoFigure(NAME, TITLE, f"No uncertain input moves the bill at {shown(kept.found.target)}.")
    found = kept.found
    caption = f"{tornado_caption(found.target, found)} The bill is the target's own, without what every target shares."
    draw = partial(tornado_chart, kept.swings, target=found.target, found=found)
    return Figure(NAME, TITLE, caption, tornado_table(kept), draw)


def tornado_table(kept: Tornado) -> Table:
    """One row per input, the widest first, then the bill with its range."""
    rows = [
        (shown(one.words), shown(one.at_low), _usd(one.usd_at_low), shown(one.at_high), _usd(one.usd_at_high))
        for one in kept.swings
    ]
    found = kept.found
    level = f"{100 * found.level:.0f} %"
    rows.append((f"all together, the middle {level} of {found.n_samples:,} draws", "", usd_text(found.low), "",
                 usd_text(found.high)))  # fmt: skip
    rows.append(("as billed", "", usd_text(found.usd_per_month), "", usd_text(found.usd_per_month)))
    return Table(COLUMNS, tuple(rows))


def _usd(usd: Decimal | None) -> str:
    return "refused" if usd is None else usd_text(usd)
