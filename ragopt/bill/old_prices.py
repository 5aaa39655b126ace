"""Warn of prices in a bill that are old or bear no date: one sentence for all prices of one source and day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ragopt.bill.price_book import STALE_AFTER_DAYS

if TYPE_CHECKING:
    from ragopt.records import BillLine

MOST_NAMED = 3

ADVICE = (
    "Compare with the source; `ragopt prices refresh` renews prices of AWS, Azure and GCP, --prices takes your own."
)


def old_price_warnings(lines: Iterable[BillLine], today: dt.date) -> tuple[str, ...]:
    """Say which prices of some bill lines are undated or more than STALE_AFTER_DAYS old, by source and day.

    Args:
        lines: of any number of bills; a price that stands in several is told once.
        today: the day to count from.
    """
    found: dict[tuple[str, str, bool], dict[str, None]] = {}
    for line in lines:
        if line.undated or (today - dt.date.fromisoformat(line.as_of)).days > STALE_AFTER_DAYS:
            what = line.item.partition(":")[0]
            key = (line.as_of, line.source, line.undated)
            found.setdefault(key, {})[f"{what} (USD {line.usd_per_unit} per {line.unit})"] = None
    return tuple(_warning(*key, list(prices), today) for key, prices in sorted(found.items()))


def _warning(as_of: str, source: str, undated: bool, prices: list[str], today: dt.date) -> str:  # noqa: FBT001 - a fact
    named = ", ".join(prices[:MOST_NAMED]) + (
        f" and {len(prices) - MOST_NAMED} more" if len(prices) > MOST_NAMED else ""
    )
    age_days = (today - dt.date.fromisoformat(as_of)).days
    when = (
        f"read on {as_of}, the page carries no date ({source})"
        if undated
        else f"{age_days} days old (as of {as_of}, over {STALE_AFTER_DAYS}; {source})"
    )
    return f"{named}: {when}. {ADVICE}"
