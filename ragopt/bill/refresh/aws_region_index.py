"""Where AWS keeps the current offer file of a service in a region, and what a region puts before its usage types."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ragopt.bill.refresh.page_fields import UNTOUCHED, at, json_of
from ragopt.errors import PriceError

if TYPE_CHECKING:
    from ragopt.bill.refresh.fetching import Fetcher

BASE_URL = "https://pricing.us-east-1.amazonaws.com"

REGION_PREFIX = r"(?:[A-Z]{2,4}[0-9]?-)?"
"""Nothing, `USE1-`, `EU-`, `EUC1-`
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/aws-usage-report-understand.html)."""


def usage_type_pattern(usagetype: str) -> re.Pattern[str]:
    """Match a usage type as any region's file writes it."""
    return re.compile(REGION_PREFIX + re.escape(usagetype))


def current_offer_url(fetcher: Fetcher, offer: str, region: str) -> str:
    """Return the address of the current offer file, as JSON. Raises PriceError when the index does not tell it."""
    index = fetcher.get(f"{fetcher.base_url}/offers/v1.0/aws/{offer}/current/region_index.json")
    path = at(index, json_of(index), ["regions", region, "currentVersionUrl"], str)
    if not path.startswith("/") or not path.endswith(".json"):
        raise PriceError(f"The price page {index.url} has regions.{region}.currentVersionUrl {path!r}",
                         allowed="a path that begins with / and ends with .json", next_step=UNTOUCHED)  # fmt: skip
    return f"{fetcher.base_url}{path}"
