"""What the last bytes of each cache save: the numbers behind the figure `cache_marginal`; no drawing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragopt.report.cache_words import NO_LOG, saved_text, titled
from ragopt.report.figure import Column, Table
from ragopt.report.words import number_text, shown, usd_text
from ragopt.units import format_bytes

if TYPE_CHECKING:
    from decimal import Decimal

    from ragopt.cache.advice import CacheAdvice, CachePlan, SizePoint

COLUMNS = (
    Column("Cache"),
    Column("Size", numeric=True),
    Column("USD saved a month [95 %]", numeric=True),
    Column("Memory, USD a month", numeric=True),
    Column("USD a month that another GB would save", numeric=True),
    Column("Recommended"),
)


@dataclass(frozen=True, slots=True)
class MarginalLine:
    """One cache.

    Attributes:
        name: of the cache.
        points: size in bytes and marginal USD per GB-month, both above 0, sizes rising.
        chosen: the one of them that is recommended; None where none is, or where its last bytes save nothing.
    """

    name: str
    points: tuple[tuple[int, float], ...]
    chosen: tuple[int, float] | None


def marginal_lines(advice: CacheAdvice) -> tuple[MarginalLine, ...]:
    """Every cache whose savings grow with its size, in the order in which a request meets them."""
    lines = (_line(plan) for plan in advice.plans)
    return tuple(line for line in lines if line.points)


def _line(plan: CachePlan) -> MarginalLine:
    points = tuple((one.size_bytes, float(one.marginal_usd_per_gb)) for one in plan.sizes if _drawn(one))
    chosen = next((point for point in points if plan.on and point[0] == plan.size_bytes), None)
    return MarginalLine(plan.name, points, chosen)


def _drawn(point: SizePoint) -> bool:
    """Whether log axes have a place for it."""
    return point.size_bytes > 0 and point.marginal_usd_per_gb > 0


def marginal_table(advice: CacheAdvice) -> Table:
    """One row per cache and size, zeros too."""
    rows = tuple(
        (
            titled(plan.name),
            format_bytes(one.size_bytes),
            saved_text(one.saved),
            usd_text(one.memory_usd_per_month),
            _usd(one.marginal_usd_per_gb),
            "recommended" if plan.on and one.size_bytes == plan.size_bytes else "",
        )
        for plan in advice.plans
        for one in plan.sizes
    )
    return Table(COLUMNS, rows)


def _usd(usd: Decimal) -> str:
    """Money to the cent; less than a cent to three digits."""
    return usd_text(usd) if usd == 0 or abs(usd) >= 1 else number_text(usd)


def price_text(advice: CacheAdvice) -> str:
    """The price of a GB-month of RAM, as a legend has it."""
    return f"RAM: USD {usd_text(advice.memory.usd_per_gb_month)} per GB-month"


def marginal_caption(advice: CacheAdvice) -> str:
    """What is drawn and how to read it."""
    n_zeros = sum(not _drawn(one) for plan in advice.plans for one in plan.sizes)
    left_out = (
        f" {n_zeros} sizes whose last bytes save nothing are left out: log axes have no zero."
        if n_zeros > 1
        else " One size whose last bytes save nothing is left out: log axes have no zero." * n_zeros
    )
    return (
        "What the last bytes of a cache save a month, by the GB (the slope of the savings' upper concave hull), behind "
        "the caches before it, against its size; both axes are logarithmic. Where a line is above the dashed one, the "
        "price of RAM, more memory pays; where it is below, it does not. Dots: recommended sizes; those of caches for "
        "latency stand below it on purpose: their size is chosen by what hits, not by money."
        f"{left_out} RAM costs USD {usd_text(advice.memory.usd_per_gb_month)} per GB-month on "
        f"{shown(advice.memory.vm)}, as of {shown(advice.memory.as_of)}."
    )


def why_no_marginal(advice: CacheAdvice | None) -> str:
    """Why nothing can be drawn, in one sentence; empty when something can."""
    if advice is None:
        return NO_LOG
    return "" if marginal_lines(advice) else "No cache saves anything that grows with its size."
