"""The bill at every target with its range: the numbers behind the figure `targets`; pure, no drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.report.axes import AxisScale, cost_scale
from ragopt.report.bill_text import CONSENT, OWN_INDEX
from ragopt.report.figure import Column, Table
from ragopt.report.words import shown, usd_text

if TYPE_CHECKING:
    from ragopt.records import Run
    from ragopt.sweep.kept_everywhere import Everywhere, TargetUsd

ENDS = "\N{DOUBLE DAGGER}"

COLUMNS = (
    Column("Target"),
    Column("USD per month", numeric=True),
    Column("2.5 % point", numeric=True),
    Column("97.5 % point", numeric=True),
    Column("Index"),
    Column("Why"),
)


def marked_name(target: TargetUsd) -> str:
    """A target's name with what holds it back: an index of its own, the vendor's consent, an end in the horizon."""
    own = "" if target.serves_the_index else OWN_INDEX
    return shown(target.name) + own + CONSENT * target.needs_consent + ENDS * bool(target.ends)


def usd_scale(everywhere: Everywhere, n_ticks: int) -> AxisScale:
    """An axis for every bill and range end above nothing: logarithmic where they are wide apart."""
    usd = [float(usd) for one in everywhere.targets for usd in (one.usd_per_month, one.low, one.high) if usd > 0]
    return cost_scale(usd or [1.0], n_ticks=n_ticks)


def targets_table(everywhere: Everywhere) -> Table:
    """One row per target, cheapest first."""
    rows = tuple(
        (
            marked_name(one),
            usd_text(one.usd_per_month),
            usd_text(one.low),
            usd_text(one.high),
            "the measured one" if one.serves_the_index else "its own, recall not measured",
            " ".join(filter(None, (shown(one.reason), shown(one.ends)))),
        )
        for one in everywhere.targets
    )
    return Table(COLUMNS, rows)


def targets_caption(run: Run, everywhere: Everywhere) -> str:
    """What is drawn, what the marks mean, and what is not in it."""
    word = "recommended" if run.recommendation.status == "ok" else "closest trial's"
    targets = everywhere.targets
    marks = (
        (
            any(not one.serves_the_index for one in targets),
            f"{OWN_INDEX} and hollow: builds an index of its own, whose recall was not measured.",
        ),
        (
            any(one.needs_consent for one in targets),
            f"{CONSENT}: needs the vendor's consent, the workload exceeds a limit that the vendor lifts on request.",
        ),
        (any(one.ends for one in targets), f"{ENDS}: stops taking the index within the horizon."),
    )
    drawn = (
        f"USD per month of the same vectors at {len(targets)} targets, cheapest first: a dot at the bill, a line over "
        f"its 95 % range (to the edge where it reaches 0); the {word} target is red."
    )
    shared = (
        f"At every target besides: USD {usd_text(everywhere.shared_usd_per_month)} a month for text, documents, "
        "reranking, generation and egress."
    )
    not_billed = f"Not billed: {', '.join(map(shown, everywhere.not_billed)) or 'none'}."
    return " ".join((drawn, *(said for holds, said in marks if holds), shared, not_billed))
