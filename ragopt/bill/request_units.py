"""Units that requests are priced in: one price book may state a thousand, another ten thousand or a million."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.bill.price import file_of
from ragopt.errors import PriceError

if TYPE_CHECKING:
    from ragopt.bill.price import Price

REQUESTS_PER_UNIT = {"1k requests": 1000, "10k requests": 10_000, "1M requests": 10**6}
"""AWS and Google state requests by the thousand, Azure by ten thousand, Cloudflare by the million."""


def requests_per_unit(price: Price) -> int:
    """Requests that one unit of a price pays for.

    Raises:
        PriceError: its unit counts no requests.
    """
    if price.unit not in REQUESTS_PER_UNIT:
        raise PriceError(
            f"The price {price.item} of {price.provider} {price.region} has the unit {price.unit!r}",
            allowed=", ".join(REQUESTS_PER_UNIT),
            next_step=f"Correct unit and usd of item {price.item!r} together, in {file_of(price.group)} or your "
            "--prices file",
        )
    return REQUESTS_PER_UNIT[price.unit]
