"""Warn of prices in a bill that are old: one sentence for all prices of one source and day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ragopt.bill.price_book import STALE_AFTER_DAYS

if TYPE_CHECKING:
    from ragopt.records import BillLine

MOST_NAMED = 3


def old_price_warnings(lines: Iterable[BillLine], today: dt.date) -> tuple[str, ...]:
    """Say which prices of some bill lines are more than STALE_AFTER_DAYS old, by source and day.

    Args:
        lines: of any number of bills; a price that stands in several is told once.
        today: the day to count from.
    """
    found: dict[tuple[str, str], dict[str, None]] = {}
    for line in lines:
        if (today - dt.date.fromisoformat(line.as_of)).days > STALE_AFTER_DAYS:
            found.setdefault((line.as_of, line.source), {})[f"USD {line.usd_per_unit} per {line.unit}"] = None
    return tuple(_warning(as_of, source, list(prices), today) for (as_of, source), prices in sorted(found.items()))


def _warning(as_of: str, source: str, prices: list[str], today: dt.date) -> str:
    named = ", ".join(prices[:MOST_NAMED]) + (
        f" and {len(prices) - MOST_NAMED} more" if len(prices) > MOST_NAMED else ""
    )
    age_days = (today - dt.date.fromisoformat(as_of)).days
    return (
        f"{named}: {age_days} days old (as of {as_of}, over {STALE_AFTER_DAYS}; {source}). Refresh them with "
        "`ragopt prices refresh`, or give your own with --prices."
    )
