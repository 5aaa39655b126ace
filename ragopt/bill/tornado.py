"""Which inputs move a bill most: one at a time at the low and at the high end of its spread, the others as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.monte_carlo import Billing, usd_at
from ragopt.bill.targets import bill_index
from ragopt.bill.uncertain_inputs import Inputs, Spread
from ragopt.bill.words_of_inputs import figure_text, words_of
from ragopt.errors import InputError

if TYPE_CHECKING:
    from ragopt.bill.footprint import Footprint
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload


@dataclass(frozen=True, slots=True)
class Swing:
    """What one input does to a bill.

    Attributes:
        name: of the input, as `Spread.name`.
        words: its name in words.
        at_low: its figure at the low end, with its unit; for prices the change in percent.
        at_high: its figure at the high end.
        usd_at_low: the bill at the low end; None where the target does not take that workload.
        usd_at_high: the bill at the high end, likewise.
        usd_per_month: the bill at the inputs as they are.
    """

    name: str
    words: str
    at_low: str
    at_high: str
    usd_at_low: Decimal | None
    usd_at_high: Decimal | None
    usd_per_month: Decimal

    @property
    def width(self) -> Decimal:
        """USD between the least and the largest of the three bills."""
        known = [usd for usd in (self.usd_at_low, self.usd_at_high, self.usd_per_month) if usd is not None]
        return max(known) - min(known)


def tornado(  # noqa: PLR0913 - a bill's inputs, their spreads, and how many to keep
    footprint: Footprint,
    workload: Workload,
    book: PriceBook,
    *,
    target: str,
    spreads: Sequence[Spread],
    n: int = 5,
    billing: Billing = bill_index,
) -> tuple[Swing, ...]:
    """Return the `n` inputs that move the bill most, the widest first; those that do not move it are left out.

    Ties go to the input's name. The two ends are those between which `LEVEL` of the truth lies.

    Raises:
        InputError: a target that is unknown or does not take this index, a spread of no input, n below 1.
        PriceError: a price is missing.
    """
    if n < 1:
        raise InputError(f"n is {n}", allowed="1 or more", next_step="Ask for one input at least")
    inputs = Inputs(footprint, workload, book)
    usd = billing(footprint, workload, book, target=target).usd_per_month
    swings = [_swing(inputs, spread, target, usd, billing) for spread in spreads]
    moving = sorted((swing for swing in swings if swing.width), key=lambda swing: (-swing.width, swing.name))
    return tuple(moving[:n])


def _swing(inputs: Inputs, spread: Spread, target: str, usd: Decimal, billing: Billing) -> Swing:
    low, high = ({spread.name: factor} for factor in (spread.low_factor, spread.high_factor))
    return Swing(
        name=spread.name,
        words=words_of(spread.name),
        at_low=figure_text(spread.name, spread.low_factor, inputs),
        at_high=figure_text(spread.name, spread.high_factor, inputs),
        usd_at_low=usd_at(inputs.times(low), target, billing),
        usd_at_high=usd_at(inputs.times(high), target, billing),
        usd_per_month=usd,
    )
