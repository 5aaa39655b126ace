"""Inputs of a bill that are not known exactly: how far each may be off, and a bill's inputs with such errors applied.

An input is named by what it is: `queries` (the month's queries and the peak together), a numeric field of the workload,
`cpu_ms_per_query` (of the measured index), or `price of PROVIDER GROUP` (every price of that group by one factor).
Token prices that come from the library genai-prices are in no book; they are `price of genai-prices token_prices`, and
their lines are priced anew.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from statistics import NormalDist
from typing import TYPE_CHECKING

from ragopt.bill.lines import total
from ragopt.bill.scaled_book import ScaledBook
from ragopt.bill.workload_fields import FIELDS
from ragopt.errors import InputError
from ragopt.units import to_cents

if TYPE_CHECKING:
    from ragopt.bill.footprint import Footprint
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload
    from ragopt.records import Bill, BillLine

LEVEL = 0.95
"""Share of the truth that lies between the low and the high factor of a spread: that of every interval in ragopt."""

DEVIATIONS = NormalDist().inv_cdf((1 + LEVEL) / 2)
"""Standard deviations from the middle of a normal distribution to the end of that interval: 1.96."""

QUERIES = "queries"
CPU = "cpu_ms_per_query"
PRICE = "price of "

LIBRARY = "genai-prices"
LIBRARY_PLACE = (LIBRARY, "token_prices")
"""Stands for the library's prices, which are in no book; the source of their lines names it."""

TOGETHER = {QUERIES: ("queries_per_month", "peak_qps")}
"""Fields that one factor moves: with two of their own the average could come to lie above the peak."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How far one input may be off, as factors on the figure that the bill was made with.

    The figure is the median, and a share of `LEVEL` of the truth lies between figure x low_factor and figure x
    high_factor. On either side the logarithm of the factor is half a normal distribution; with low_factor =
    1 / high_factor that is the log-normal distribution.

    Attributes:
        name: of the input, as this module's head says.
        low_factor: above 0, at most 1.
        high_factor: 1 or more.
        reason: why it is that wide, in words.

    Raises:
        InputError: a factor outside these bounds.
    """

    name: str
    low_factor: float
    high_factor: float
    reason: str

    def __post_init__(self) -> None:
        """Refuse factors between which the figure itself does not lie."""
        if not 0 < self.low_factor <= 1 <= self.high_factor < math.inf:
            raise InputError(
                f"The spread of {self.name!r} is x {self.low_factor} to x {self.high_factor}",
                allowed="0 < low factor <= 1 <= high factor",
                next_step="Give factors on the figure itself, 0.8 and 1.25 for example",
            )

    @property
    def is_known(self) -> bool:
        """Whether the input cannot be off at all."""
        return self.low_factor == self.high_factor == 1

    def factor(self, deviations: float) -> float:
        """The factor that many standard deviations above (below 0: under) the median.

        >>> Spread("queries", 0.5, 2.0, "").factor(DEVIATIONS)
        2.0
        """
        if deviations >= 0:
            return float(self.high_factor ** (deviations / DEVIATIONS))
        return float(self.low_factor ** (-deviations / DEVIATIONS))


Factors = Mapping[str, float]
"""One draw: a factor by input name; an input that is not in it stays as it is."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that a bill at a target is made from.

    Attributes:
        footprint: the measured index.
        workload: what it has to serve.
        book: prices.
        library_factor: on the prices of the lines that come from the library.
    """

    footprint: Footprint
    workload: Workload
    book: PriceBook
    library_factor: float = 1.0

    def times(self, factors: Factors) -> Inputs:
        """Return these inputs with each figure in `factors` multiplied.

        A field of the workload stays within its bounds, and a whole number is rounded down.

        Raises:
            InputError: a name that is no input.
        """
        prices = {place_of(name): factor for name, factor in factors.items() if name.startswith(PRICE)}
        fields = {name: factor for name, factor in factors.items() if name != CPU and not name.startswith(PRICE)}
        return Inputs(
            _footprint_times(self.footprint, factors.get(CPU)),
            _workload_times(self.workload, fields),
            _book_times(self.book, {place: factor for place, factor in prices.items() if place != LIBRARY_PLACE}),
            self.library_factor * prices.get(LIBRARY_PLACE, 1.0),
        )


def library_lines(bill: Bill, book: PriceBook) -> tuple[BillLine, ...]:
    """The lines of a bill whose price the library states and the book does not."""
    own = {price.source for price in book}
    return tuple(line for line in bill.lines if LIBRARY in line.source and line.source not in own)


def usd_of(bill: Bill, inputs: Inputs) -> Decimal:
    """The bill's total, with the lines of the library's prices at the factor that was drawn for them."""
    if inputs.library_factor == 1:
        return bill.usd_per_month
    exact, lines = _decimal(inputs.library_factor), library_lines(bill, inputs.book)
    scaled = sum((to_cents(line.quantity * line.usd_per_unit * exact) for line in lines), Decimal(0))
    return bill.usd_per_month - total(lines) + scaled


def price_name(provider: str, group: str) -> str:
    """The name of the prices of one group.

    >>> price_name("aws", "vms")
    'price of aws vms'
    """
    return f"{PRICE}{provider} {group}"


def place_of(name: str) -> tuple[str, str]:
    """Provider and group of a name that `price_name` made."""
    provider, _, group = name.removeprefix(PRICE).rpartition(" ")
    return provider, group


def fields_of(name: str) -> tuple[str, ...]:
    """The fields of the workload that an input moves. Raises InputError for a name that is no numeric field."""
    fields = TOGETHER.get(name, (name,))
    numeric = [field for field in FIELDS.values() if field.low is not None]
    if any(field not in {one.name for one in numeric} for field in fields):
        raise InputError(
            f"{name!r} is no input that can be uncertain",
            allowed=f"{', '.join([*TOGETHER, CPU, f'{PRICE}PROVIDER GROUP'])}, {', '.join(f.name for f in numeric)}",
            next_step="Correct the name of the spread",
        )
    return fields


def _workload_times(workload: Workload, factors: Factors) -> Workload:
    changes: dict[str, int | Decimal] = {}
    for name, factor in factors.items():
        for field in fields_of(name):
            value = getattr(workload, field)
            if value is not None:
                changes[field] = _field_times(field, changes.get(field, value), factor)
    return dataclasses.replace(workload, **changes) if changes else workload  # type: ignore[arg-type]


def _field_times(name: str, value: int | Decimal, factor: float) -> int | Decimal:
    field = FIELDS[name]
    exact = Decimal(value) * _decimal(factor)
    scaled = int(exact.to_integral_value(ROUND_FLOOR)) if isinstance(field.low, int) else exact
    return max(field.low, min(field.high, scaled))  # type: ignore[type-var,return-value]


def _footprint_times(footprint: Footprint, factor: float | None) -> Footprint:
    """A draw has one CPU time and no interval: the interval is what was drawn from."""
    cpu_ms = footprint.cpu_ms_per_query * (1.0 if factor is None else factor)
    return dataclasses.replace(footprint, cpu_ms_per_query=cpu_ms, cpu_ms_low=cpu_ms, cpu_ms_high=cpu_ms)


def _book_times(book: PriceBook, factors: Mapping[tuple[str, str], float]) -> PriceBook:
    if not factors:
        return book
    unknown = factors.keys() - book.places().keys()
    if unknown:
        places = sorted({f"{PRICE}{price.provider} {price.group}" for price in book})
        raise InputError(
            f"There are no prices for {', '.join(f'{PRICE}{provider} {group}' for provider, group in sorted(unknown))}",
            allowed=", ".join(places),
            next_step="Correct the name of the spread",
        )
    return ScaledBook(book, {place: _decimal(factor) for place, factor in factors.items()})


def _decimal(factor: float) -> Decimal:
    """Six decimals: far finer than any spread, and short enough that products stay exact."""
    return Decimal(f"{factor:.6f}")
