"""Numbers as people write them: 250000, 250k, 10M, 1T."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

SUFFIXES = {"k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
"""B is a billion, not a byte: bytes are counted like everything else."""

MOST = Decimal(10**20)
"""Beyond every figure that a bill takes: what is larger is refused before anything is computed with it."""

LEAST = Decimal(1) / MOST

ALLOWED = "a number below 10^20, or a count like 250k, 10M, 3B or 1T"


def read_number(text: str) -> Decimal | None:
    """Read a number, or a count with a letter; None for anything else, infinite, or out of every bound.

    >>> read_number("10M"), read_number("1e400"), read_number("ten")
    (Decimal('10000000'), None, None)
    """
    factor = SUFFIXES.get(text[-1:], 1)
    try:
        number = Decimal((text[:-1] if factor > 1 else text).replace("_", ""))
    except InvalidOperation:
        return None
    if not number.is_finite() or (number and not LEAST <= abs(number) < MOST):
        return None
    return number * factor
