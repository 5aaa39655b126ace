"""Units and their printed forms: bytes, months, money."""

import re
from decimal import ROUND_HALF_UP, Decimal

GB = 10**9
GIB = 2**30
MIB = 2**20

HOURS_PER_MONTH = 730
"""Hours billed as one month: 365 x 24 / 12. AWS Pricing Calculator's own convention (AWS docs, read 2026-07)."""

CENT = Decimal("0.01")


def format_bytes(size_bytes: float) -> str:
    """Write a size with a decimal unit: 999 B, 1.5 kB, 12.3 MB, 4.2 GB.

    >>> format_bytes(1536)
    '1.5 kB'
    """
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


BYTE_UNITS = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": GB,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": MIB,
    "GiB": GIB,
    "TiB": 2**40,
}
SIZE_WORDS = f"a number with a unit, {', '.join(BYTE_UNITS)}, such as 800MB, 2GB or 1.5GiB"


def read_bytes(text: str) -> int | None:
    """Read a size with its unit, decimal or binary, in letters of either case; None where it is no size.

    >>> [read_bytes(text) for text in ("2GB", "1.5 GiB", "800 MB", "2gib", "1000", "2 gigs", "-1GB")]
    [2000000000, 1610612736, 800000000, 2147483648, 1000, None, None]
    """
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([A-Za-z]*)", text.strip(), re.ASCII)
    units = {"": 1} | {unit.lower(): size for unit, size in BYTE_UNITS.items()}
    if match is None or match[2].lower() not in units:
        return None
    return int(Decimal(match[1]) * units[match[2].lower()])


def to_cents(usd: Decimal) -> Decimal:
    """Round money to the cent, halves up.

    >>> to_cents(Decimal("1.005"))
    Decimal('1.01')
    """
    return usd.quantize(CENT, rounding=ROUND_HALF_UP)


def format_seconds(seconds: float) -> str:
    """Write a duration in its largest fitting unit: 45 s, 5 min, 1.5 h, 1 day, 7 days, 3.2 years.

    >>> [format_seconds(one) for one in (45, 300, 5400, 86_400, 604_800, 1e8)]
    ['45 s', '5 min', '1.5 h', '1 day', '7 days', '3.2 years']
    """
    for size, unit in ((31_536_000, "years"), (86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            number = f"{seconds / size:,.1f}".removesuffix(".0")
            return f"{number} {unit.removesuffix('s') if number == '1' else unit}"
    return f"{seconds:.3g} s"
