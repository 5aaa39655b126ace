"""Every price in the two bills once, with its source, date and age: the numbers behind the table "Prices used"."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ragopt.bill.kept_prices import is_day
from ragopt.report.words import shown
from ragopt.sweep.kept_run import billed_on

if TYPE_CHECKING:
    from decimal import Decimal

    from ragopt.records import BillLine, Run

WEB = re.compile(r"https?://[^\s\"'<>\\]+(?=\s|$)", re.IGNORECASE)
"""An address that a source is or begins with; many add in brackets who read it when. Nothing else becomes a link: a
price file could name any other scheme, `javascript:` too."""


@dataclass(frozen=True, slots=True)
class UsedPrice:
    """One price.

    Attributes:
        item: what it is for, as the first line with it says, without that line's reckoning.
        usd_per_unit: to its last digit.
        unit: what one of it is.
        source: where it was read.
        href: the address on the web that the source begins with; empty where it begins with none.
        as_of: its date.
        age_days: days from its date to the day that the run was billed for; None where either is not known.
        undated: whether the page carries no date, so that `as_of` is the day of reading it.
        caution: why it deserves a second look; empty when it does not.
        bills: whose bills it stands in.
    """

    item: str
    usd_per_unit: Decimal
    unit: str
    source: str
    href: str
    as_of: str
    age_days: int | None
    undated: bool
    caution: str
    bills: tuple[str, ...]

    @property
    def source_beside(self) -> str:
        """What the source says beside its address."""
        return self.source.removeprefix(self.href)


def prices_used(run: Run) -> tuple[UsedPrice, ...]:
    """Every price in the bills of the recommendation and the baseline once, in the order of their lines.

    Raises:
        ArtifactError: the day that the run was billed for is damaged.
    """
    decided = run.recommendation
    day = billed_on(run) if "billed_on" in run.info else None
    found: dict[tuple[object, ...], UsedPrice] = {}
    first = "recommended" if decided.status == "ok" else "closest trial"
    for name, bill in ((first, decided.bill), ("baseline", decided.baseline_bill)):
        for line in bill.lines:
            what = line.item.partition(":")[0]
            key = (what, line.usd_per_unit, line.unit, line.source, line.as_of, line.caution, line.undated)
            one = found.get(key) or _price_of(line, day)
            found[key] = one if name in one.bills else replace(one, bills=(*one.bills, name))
    return tuple(found.values())


def _price_of(line: BillLine, day: dt.date | None) -> UsedPrice:
    known = day is not None and is_day(line.as_of)
    return UsedPrice(
        item=line.item.partition(";")[0],
        usd_per_unit=line.usd_per_unit,
        unit=line.unit,
        source=line.source,
        href=href_of(line.source),
        as_of=line.as_of,
        age_days=(day - dt.date.fromisoformat(line.as_of)).days if known and day else None,
        undated=line.undated,
        caution=line.caution,
        bills=(),
    )


def href_of(source: str) -> str:
    """The web address that a source begins with, if it can be shown as it is; else empty.

    >>> href_of("https://example.org/prices (read 2026-07-20)"), href_of("javascript:alert(1)"), href_of("a contract")
    ('https://example.org/prices', '', '')
    """
    found = WEB.match(source)
    if found is None or shown(found[0]) != found[0]:
        return ""
    try:
        return found[0] if urlsplit(found[0]).netloc else ""
    except ValueError:  # a bracket that no address has
        return ""
