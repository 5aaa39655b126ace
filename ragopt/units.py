"""Units and their printed forms: bytes, months, money."""

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


def to_cents(usd: Decimal) -> Decimal:
    """Round money to the cent, halves up.

    >>> to_cents(Decimal("1.005"))
    Decimal('1.01')
    """
    return usd.quantize(CENT, rounding=ROUND_HALF_UP)
