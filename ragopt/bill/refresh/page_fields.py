"""Reading fields of a price page, so that a page that changed its shape is one clear error with the field's name."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from ragopt.errors import PriceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragopt.bill.refresh.fetching import Page

Kind = TypeVar("Kind", bound=object)

UNTOUCHED = "Nothing of it was taken; send the maintainers this message, and use --prices FILE until it is mended"


def json_of(page: Page) -> Any:
    """Parse a page as JSON with exact decimals. Raises PriceError when it is no JSON."""
    try:
        return json.loads(page.body, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, RecursionError) as error:
        raise PriceError(f"The price page {page.url} is no JSON: {error}", next_step=UNTOUCHED) from error


def at(page: Page, content: object, path: Sequence[str], kind: type[Kind]) -> Kind:
    """Return the field at `path` below `content`. Raises PriceError when it is missing or of another kind."""
    value = content
    for depth, name in enumerate(path):
        if not isinstance(value, dict) or name not in value:
            raise PriceError(
                f"The price page {page.url} has no field {'.'.join(path[: depth + 1])}",
                allowed=f"a field {'.'.join(path)}: {kind.__name__}",
                next_step=UNTOUCHED,
            )
        value = value[name]
    if not isinstance(value, kind):
        raise PriceError(
            f"The price page {page.url} has {'.'.join(path) or 'a content'} of the type {type(value).__name__}",
            allowed=kind.__name__,
            next_step=UNTOUCHED,
        )
    return value


def number(value: object) -> Decimal:
    """Read a decimal from a page's text or number; NaN for anything else, so that one check refuses all of it."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        return Decimal("NaN")
    try:
        figure = Decimal(value)
    except InvalidOperation:
        return Decimal("NaN")
    # A signalling NaN would raise at its first comparison.
    return Decimal("NaN") if figure.is_nan() else figure


def published(page: Page, field: str, text: str, today: dt.date) -> str:
    """Read the day a page was published: an ISO time or an HTTP date, not after tomorrow. Raises PriceError."""
    try:
        day = dt.datetime.fromisoformat(text).date()
    except ValueError:
        try:
            day = parsedate_to_datetime(text).date()
        except ValueError:
            day = dt.date.max
    # Tomorrow: the server may be in a time zone where it is already the next day.
    if day > today + dt.timedelta(days=1):
        raise PriceError(f"The price page {page.url} has {field} {text!r}", allowed=f"a date up to {today}",
                         next_step=UNTOUCHED)  # fmt: skip
    # A price book takes no price of tomorrow: by the clock here, the page is of today.
    return min(day, today).isoformat()
