"""How much a bill may rise from one run to the next: ``10%`` or an amount of USD a month."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from ragopt.errors import InputError

_FORM = re.compile(r"(?P<number>[0-9]{1,12}(?:\.[0-9]{1,6})?)(?P<percent>%?)")
"""No sign, no exponent, no currency, no space: a limit that is read otherwise than meant would let a bill pass."""


@dataclass(frozen=True, slots=True)
class MaxIncrease:
    """A limit on the rise of a bill.

    Attributes:
        amount: USD a month, or percent of the earlier bill.
        is_percent: which of them.
    """

    amount: Decimal
    is_percent: bool

    def __str__(self) -> str:
        """Return the printed form, which `parse` reads back."""
        return f"{self.amount:f}{'%' if self.is_percent else ''}"

    @classmethod
    def parse(cls, text: str) -> MaxIncrease:
        """Read ``10%``, ``2.5%``, ``25`` or ``0``.

        Raises:
            InputError: anything else: a sign, a currency, an exponent.

        >>> MaxIncrease.parse("10%").usd_of(Decimal("50.00"))
        Decimal('5.00')
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise InputError(
                f"--max-increase {text[:40]!r} is no limit",
                allowed="a share like 10%, or USD a month like 25 or 2.50",
                next_step="Write digits alone, with % for a share of the first run's bill",
            )
        return cls(Decimal(found["number"]), bool(found["percent"]))

    def usd_of(self, before: Decimal) -> Decimal:
        """USD a month that a bill of `before` may rise by; not rounded."""
        return before * self.amount / 100 if self.is_percent else self.amount
