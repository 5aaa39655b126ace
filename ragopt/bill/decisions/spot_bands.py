"""Spot discounts of many VM types at once: what to expect of a type whose own discount is not in the price book.

"60 to 80 %" is a band, not a rule: of AWS's 14,962 pairs of type and region 62 % lie in it and 28 % below it, the least
at -62 %, a spot price above the on-demand one; of Google's 17,501 pairs 45 % lie in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Band:
    """Discounts off the on-demand price, as shares, over all types of a place."""

    p10: Decimal
    median: Decimal
    p90: Decimal
    n: int
    as_of: str
    source: str


_ADVISOR = (
    "https://spot-bid-advisor.s3.amazonaws.com/spot-advisor-data.json (Linux, kept in github.com/alexei-led/spotinfo)"
)
_GCOSTS = "https://github.com/Cyclenerd/google-cloud-pricing-cost-calculator/blob/fd66b26/pricing.yml"

ALL_REGIONS = ""

BANDS: Mapping[tuple[str, str], Band] = MappingProxyType(
    {
        ("aws", ALL_REGIONS): Band(Decimal("0.53"), Decimal("0.65"), Decimal("0.81"), 14_962, "2025-06-28", _ADVISOR),
        ("aws", "us-east-1"): Band(Decimal("0.53"), Decimal("0.66"), Decimal("0.76"), 894, "2025-06-28", _ADVISOR),
        ("gcp", ALL_REGIONS): Band(Decimal("0.481"), Decimal("0.673"), Decimal("0.869"), 17_501, "2026-07-30", _GCOSTS),
        ("gcp", "us-central1"): Band(Decimal("0.40"), Decimal("0.58"), Decimal("0.755"), 518, "2026-07-30", _GCOSTS),
    }
)
"""Percentiles counted over the types in each source; by provider and region, then by provider alone."""


def band_of(provider: str, region: str) -> Band | None:
    """The band of a region, else of its provider; None for a provider whose discounts were not counted."""
    return BANDS.get((provider, region)) or BANDS.get((provider, ALL_REGIONS))
