"""How far each input of a bill may be off when nobody says otherwise: stated figures, defaults, CPU time, prices."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragopt.bill.prices_in_use import UNDATED_AGE_DAYS, Dated, oldest_prices
from ragopt.bill.targets import bill_index
from ragopt.bill.uncertain_inputs import CPU, DEVIATIONS, QUERIES, TOGETHER, Spread, fields_of, price_name

if TYPE_CHECKING:
    from ragopt.bill.footprint import Footprint
    from ragopt.bill.monte_carlo import Billing
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload

GIVEN_FACTOR = 1.25
"""A figure that the user gave is known within a quarter (an assumption: a plan or a log of last month, for a month to
come; pass a Spread of your own where you know better)."""

DEFAULT_FACTOR = 2.0
"""A figure that nobody gave is known within a factor of two (an assumption: the defaults are a mid-sized service, and
services of other sizes should state theirs)."""

WORKLOAD_INPUTS = (
    QUERIES,
    "growth_vectors_per_month",
    "metadata_bytes",
    "text_bytes_per_chunk",
    "reindexes_per_month",
    "reembeddings_per_month",
    "document_bytes",
    "document_reads_per_month",
    "raw_vector_reads_per_month",
)
TOKEN_INPUTS = ("tokens_per_chunk", "query_tokens")
"""Billed when a model is paid by the token."""
GENERATION_INPUTS = ("prompt_tokens", "answer_tokens")
"""Billed when answers are."""

CLOUD_GROUPS = ("vms", "vms_1_year", "gpu_vms", "block_storage", "object_storage", "network")

CLOUD_SIGMA = 0.05
"""Standard deviation of the logarithm of a large cloud's list price, after a year. An assumption: list prices of VMs,
volumes and object storage stand for years, so that 5 % covers a rare change spread over all years."""

TOKEN_GROUPS = ("token_prices", "rerankers")

TOKEN_SIGMA = 0.2
"""The same for models paid by the token. Of 466 models that ten vendors sell themselves, 18 changes of the input price
stand in the dated history of genai-prices 0.2.3 (counted 2026-11-26), 0.2 to 3.75 times the price before:
sqrt(sum of ln(ratio)^2 / 466) = 0.16 over a history that began in June 2025. That each model was watched for two thirds
of a year on average, which makes it 0.2 a year, is an assumption."""

VENDOR_SIGMA = 0.5
"""The same for every other price. An assumption from the changes that were seen in the year to November 2026 among
about 30 rates of vector databases, all of them cuts: turbopuffer's queries from 5 to 1 USD per PB in February
(https://usagepricing.com/blueprint/turbopuffer) and its least plan from 64 to 16 USD a month in June
(https://turbopuffer.com/pricing.md), S3 Vectors' third tier by 80 % on 2026-06-16
(https://dev.classmethod.jp/en/articles/20260616-s3-vectors-query-charges/): sqrt((2 ln(5)^2 + ln(4)^2) / 30) = 0.49.
Rates move rarely and then much; a log-normal with their variance shows more small changes and fewer large ones."""

DAYS_PER_YEAR = 365.25


def default_spreads(  # noqa: PLR0913 - a bill's inputs, and what is known of them
    footprint: Footprint,
    workload: Workload,
    book: PriceBook,
    *,
    targets: Sequence[str],
    today: dt.date,
    given: frozenset[str] = frozenset(),
    billing: Billing = bill_index,
) -> tuple[Spread, ...]:
    """Return the spread of every input that these bills use.

    - A field of the workload: within GIVEN_FACTOR where it is in `given`, else within DEFAULT_FACTOR. Queries and peak
      move together and count as given only when both are. `n_vectors` is counted, not guessed: growth is what is not
      known. A field that is 0 or unset stays so, since no factor changes it: growth that nobody stated is not in the
      range.
    - CPU time: the footprint's 95 % interval.
    - Prices: log-normal with sigma x sqrt(age in years), one factor for each provider and group; the age is that of the
      oldest price in use, to which an undated one has UNDATED_AGE_DAYS more. The bill's own prices are the medians.

    Args:
        footprint: the measured index.
        workload: what it has to serve.
        book: prices.
        targets: names of the targets whose prices are meant.
        today: the day that prices are as old as.
        given: names of the workload's fields that the user stated, or that were measured.
        billing: how the bills are made.

    Raises:
        InputError: an unknown target, or one that does not take this index.
        PriceError: a price is missing.
    """
    names = [*WORKLOAD_INPUTS]
    names += TOKEN_INPUTS if workload.embedding_model or workload.reranker or workload.generator else ()
    names += GENERATION_INPUTS if workload.generator else ()
    spreads = [_field_spread(name, given) for name in names if any(getattr(workload, f) for f in fields_of(name))]
    if footprint.cpu_ms_per_query > 0:
        spreads.append(cpu_spread(footprint))
    oldest = oldest_prices(footprint, workload, book, targets, billing)
    spreads += [price_spread(*place, oldest=oldest[place], today=today) for place in sorted(oldest)]
    return tuple(spread for spread in spreads if not spread.is_known)


def cpu_spread(footprint: Footprint) -> Spread:
    """The 95 % interval of the measured CPU time, as factors on its middle.

    An interval that begins at 0 has no logarithm; its low end is taken as far below the middle as the high end is
    above it.
    """
    middle = footprint.cpu_ms_per_query
    high = footprint.cpu_ms_high / middle
    low = footprint.cpu_ms_low / middle or 1 / high
    return Spread(
        CPU, low, high, f"95 % interval of the measurement: {footprint.cpu_ms_low:g} to {footprint.cpu_ms_high:g} ms"
    )


def price_spread(provider: str, group: str, *, oldest: Dated, today: dt.date) -> Spread:
    """Log-normal with sigma x sqrt(age in years); a price that bears today's date, or a later one, is known."""
    sigma = CLOUD_SIGMA if group in CLOUD_GROUPS else TOKEN_SIGMA if group in TOKEN_GROUPS else VENDOR_SIGMA
    age_days = max(0, (today - oldest.true_on).days)
    high = math.exp(DEVIATIONS * sigma * math.sqrt(age_days / DAYS_PER_YEAR))
    if oldest.undated:
        when = f"undated, read on {oldest.as_of} and taken to be {UNDATED_AGE_DAYS} days older: {age_days} days"
    else:
        when = f"as of {oldest.as_of}, {age_days} days old"
    reason = f"{when}; sigma {sigma:g} a year"
    return Spread(price_name(provider, group), 1 / high, high, reason)


def _field_spread(name: str, given: frozenset[str]) -> Spread:
    fields = TOGETHER.get(name, (name,))
    missing = [field for field in fields if field not in given]
    if missing:
        reason = f"{' and '.join(missing)} not stated" if len(fields) > 1 else "a default, not stated"
        return Spread(name, 1 / DEFAULT_FACTOR, DEFAULT_FACTOR, reason)
    return Spread(name, 1 / GIVEN_FACTOR, GIVEN_FACTOR, "stated or measured")
