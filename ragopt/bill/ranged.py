"""Give bills their 95 % range, by the spreads that their inputs have when nobody says otherwise.

A target's own bill and the lines that every target shares are drawn once each, at the same draws; the range with the
shared lines is that of their sums, draw by draw.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.default_spreads import default_spreads
from ragopt.bill.monte_carlo import N_SAMPLES, BillRange, draws, range_of, usd_at, with_range
from ragopt.bill.uncertain_inputs import Inputs, Spread, usd_of
from ragopt.bill.whole_billing import SHARED, bill_shared
from ragopt.errors import InputError

if TYPE_CHECKING:
    from ragopt.records import Bill

Billed = Callable[[Inputs], Decimal | None]
"""A bill as a function of its inputs; None where there is none at these."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How bills are drawn.

    Attributes:
        inputs: footprint, workload and prices as they are.
        given: fields of the workload that somebody stated or measured: they are known better than defaults.
        today: the day that prices are as old as.
        seed: of the draws.
        n_samples: draws.
    """

    inputs: Inputs
    given: frozenset[str]
    today: dt.date
    seed: int = 0
    n_samples: int = N_SAMPLES


@dataclass(frozen=True, slots=True)
class Drawn:
    """A bill at its inputs as they are and as they were drawn.

    Attributes:
        usd_per_month: the bill.
        drawn: one bill for each draw, None where there is none.
        spreads: what was drawn: the inputs that move the bill.
    """

    usd_per_month: Decimal
    drawn: tuple[Decimal | None, ...]
    spreads: tuple[Spread, ...]


def draw_shared(drawing: Drawing) -> Drawn:
    """Draw the lines that are the same at every target.

    Raises:
        InputError, PriceError: see `service.shared_charges`.
    """
    inputs = drawing.inputs
    spreads = default_spreads(
        inputs.footprint, inputs.workload, inputs.book, targets=[SHARED], today=drawing.today, given=drawing.given,
        billing=bill_shared,
    )  # fmt: skip
    usd = bill_shared(inputs.footprint, inputs.workload, inputs.book).usd_per_month
    return _drawn(drawing, usd, spreads, _shared_usd)


def ranged(bill: Bill, drawing: Drawing, shared: Drawn) -> tuple[Bill, BillRange]:
    """Return a bill with the range of its draws as its low and high, and the range with the shared lines.

    Args:
        bill: of the drawing's inputs.
        drawing: how it is drawn.
        shared: the shared lines, drawn likewise.

    Raises:
        InputError: the bill is not one of these inputs.
        PriceError: a price is missing.
    """
    inputs, target = drawing.inputs, bill.target
    spreads = default_spreads(
        inputs.footprint, inputs.workload, inputs.book, targets=[target], today=drawing.today, given=drawing.given
    )
    own = _drawn(drawing, bill.usd_per_month, spreads, lambda drawn: usd_at(drawn, target))
    both = Drawn(
        own.usd_per_month + shared.usd_per_month,
        tuple(None if one is None or two is None else one + two
              for one, two in zip(own.drawn, shared.drawn, strict=True)),
        tuple({spread.name: spread for spread in (*shared.spreads, *own.spreads)}.values()),
    )  # fmt: skip
    return with_range(bill, _range_of(target, own, drawing.seed)), _range_of(target, both, drawing.seed)


def moving(spreads: Sequence[Spread], inputs: Inputs, usd: Decimal, billed: Billed) -> tuple[Spread, ...]:
    """Keep the spreads that move a bill: alone, or with every other input at the low or the high end of its own."""
    lows = {spread.name: spread.low_factor for spread in spreads}
    highs = {spread.name: spread.high_factor for spread in spreads}

    def moves(spread: Spread) -> bool:
        low, high = {spread.name: spread.low_factor}, {spread.name: spread.high_factor}
        if any(billed(inputs.times(end)) != usd for end in (low, high)):
            return True
        return any(billed(inputs.times(rest | low)) != billed(inputs.times(rest | high)) for rest in (lows, highs))

    return tuple(spread for spread in spreads if moves(spread))


def _drawn(drawing: Drawing, usd: Decimal, spreads: Sequence[Spread], billed: Billed) -> Drawn:
    kept = moving(spreads, drawing.inputs, usd, billed)
    factors = draws(kept, drawing.n_samples, drawing.seed)
    if not kept:  # nothing to draw, and no factors then
        return Drawn(usd, (usd,) * drawing.n_samples, ())
    return Drawn(usd, tuple(billed(drawing.inputs.times(one)) for one in factors), kept)


def _shared_usd(inputs: Inputs) -> Decimal | None:
    try:
        bill = bill_shared(inputs.footprint, inputs.workload, inputs.book)
    except InputError:
        return None  # longer chunks than the generator takes, for example
    return usd_of(bill, inputs)


def _range_of(target: str, drawn: Drawn, seed: int) -> BillRange:
    return range_of(target, drawn.usd_per_month, drawn.drawn, spreads=drawn.spreads, seed=seed)
