"""The figures and sizes that a price may have: those that every bill can count with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

LEAST_USD = Decimal("1E-12")
"""USD of the cheapest unit: as fine as `ragopt prices refresh` writes them. The package's cheapest is 0.00036."""

MOST_USD = Decimal(10**9)
"""USD of the dearest unit, an assumption: the package's dearest is 135 an hour. More is a slip of the keyboard."""

MOST_DIGITS = 28
"""Bills are counted with so many digits, the default of Python's decimal; the package's prices have up to 15."""

SHOWN = 40
"""Characters of a wrong value that a message repeats."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a size may be.

    Attributes:
        least: above 0 for one that something is divided by.
        most: assumed far above what there is.
    """

    least: Decimal
    most: Decimal = Decimal(10**15)


_ADDED = Bounds(Decimal(0))
_SHARE = Bounds(Decimal(0), Decimal(100))
_DIVIDES = Bounds(Decimal("0.001"))
_DIVIDES_COUNTS = Bounds(Decimal(1))

SIZES: Mapping[str, Bounds] = MappingProxyType({
    "bytes_per_unit": _DIVIDES_COUNTS,
    "documents_per_search": _DIVIDES_COUNTS,
    "gpus": _ADDED,
    "included_iops": _ADDED,
    "included_mb_per_s": _ADDED,
    "interruption_percent_high": _SHARE,
    "interruption_percent_low": _SHARE,
    "iops_per_unit": _DIVIDES,
    "mb_per_s_per_unit": _DIVIDES,
    "min_days": _ADDED,
    "min_object_bytes": _ADDED,
    "nvme_gb": _ADDED,
    "overhead_bytes": _ADDED,
    "overhead_standard_bytes": _ADDED,
    "ram_gib": _DIVIDES,
    "retrieval_hours": _ADDED,
    "savings_percent": _SHARE,
    "tokens_per_document": _DIVIDES_COUNTS,
    "usd_per_month": _DIVIDES,
    "vcpu": _DIVIDES,
})  # fmt: skip
"""Every attribute that a bill or a list of prices reads, with its bounds; all are in the packaged files."""

ALLOWED_USD = f'a number from {LEAST_USD} to {MOST_USD:,f} in quotes, like "0.0230", of at most {MOST_DIGITS} digits'


def allowed_size(name: str) -> str:
    """Say what a size may be, as messages do."""
    bounds = SIZES.get(name, _ADDED)
    ends = f"of {bounds.least} or more" if name not in SIZES else f"from {bounds.least} to {bounds.most:,f}"
    return f'a whole number, or a decimal in quotes like "0.5", {ends}'


def as_usd(value: object) -> Decimal | None:
    """Return USD per unit from text; None where it is no price. A binary float would not hold 0.1071 exactly."""
    number = _number(value) if isinstance(value, str) else None
    if number is None or not LEAST_USD <= number <= MOST_USD or len(number.as_tuple().digits) > MOST_DIGITS:
        return None
    return number


def as_size(name: str, value: object) -> Decimal | None:
    """Return an attribute from text or a whole number; None where it is out of bounds. An unknown one is 0 or more."""
    number = _number(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
    if number is None or number < 0:
        return None
    bounds = SIZES.get(name)
    return number if bounds is None or bounds.least <= number <= bounds.most else None


def shown(value: object) -> str:
    """Repeat a value in a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}.."  # and the full stop of the message


def _number(value: int | str) -> Decimal | None:
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
