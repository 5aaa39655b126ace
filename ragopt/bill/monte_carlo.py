"""The range of a bill: the same bill at drawn inputs, each as far off as its spread says."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist
from typing import TYPE_CHECKING, Protocol

from ragopt.bill.targets import bill_index, target_of
from ragopt.bill.uncertain_inputs import LEVEL, Inputs, Spread, usd_of
from ragopt.bill.words_of_inputs import spread_text
from ragopt.errors import InputError
from ragopt.units import to_cents

if TYPE_CHECKING:
    from ragopt.bill.footprint import Footprint
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.uncertain_inputs import Factors
    from ragopt.bill.workload import Workload
    from ragopt.records import Bill

N_SAMPLES = 256
"""Six draws then lie beyond each end. Three seeds moved the ends of a bill of 240.87 USD by 2 %, and by 0.7 % with
4,096 draws (100 million vectors, seven inputs, 2026-11-26): less than the spreads themselves are known."""


class Billing(Protocol):
    """How a bill is made: `bill_index`, or anything with its signature that bills more."""

    def __call__(self, footprint: Footprint, workload: Workload, book: PriceBook, *, target: str) -> Bill:
        """Return the bill of an index at a target."""


@dataclass(frozen=True, slots=True)
class BillRange:
    """Where a bill lies when its inputs are off as far as their spreads say.

    Attributes:
        target: that the bill is for.
        usd_per_month: the bill at the inputs as they are.
        low: the 2.5 % point of the drawn bills, or `usd_per_month` where that is less.
        high: the 97.5 % point, or `usd_per_month` where that is more.
        n_samples: draws.
        n_refused: draws whose workload the target does not take; they have no bill and are not in the range.
        seed: of the draws.
        spreads: what was drawn.
        level: share of the draws between the two points.
    """

    target: str
    usd_per_month: Decimal
    low: Decimal
    high: Decimal
    n_samples: int
    n_refused: int
    seed: int
    spreads: tuple[Spread, ...]
    level: float = LEVEL


def bill_range(  # noqa: PLR0913 - a bill's inputs, and how they are drawn
    footprint: Footprint,
    workload: Workload,
    book: PriceBook,
    *,
    target: str,
    spreads: Sequence[Spread],
    n_samples: int = N_SAMPLES,
    seed: int = 0,
    billing: Billing = bill_index,
) -> BillRange:
    """Bill an index at a target over seeded draws of its inputs.

    The range is widened to hold the bill itself: bills go in steps (whole VMs, minimums), so that the bill at the
    medians can lie outside the middle 95 % of the draws.

    Args:
        footprint: the measured index.
        workload: what it has to serve.
        book: prices.
        target: name of the target.
        spreads: of the inputs that are not known; see `default_spreads`.
        n_samples: draws, 40 at least, so that one lies beyond each end.
        seed: of the draws.
        billing: how each bill is made.

    Raises:
        InputError: a target that is unknown or does not take this index, a spread of no input, two of one input.
        PriceError: a price is missing.
    """
    inputs = Inputs(footprint, workload, book)
    usd = billing(footprint, workload, book, target=target).usd_per_month
    drawn = [usd_at(inputs.times(one), target, billing) for one in draws(spreads, n_samples, seed)]
    return range_of(target, usd, drawn, spreads=spreads, seed=seed)


def range_of(
    target: str, usd: Decimal, drawn: Sequence[Decimal | None], *, spreads: Sequence[Spread], seed: int
) -> BillRange:
    """Return the range of bills that were drawn, None standing for a draw without a bill; see `bill_range`."""
    sold = sorted(one for one in drawn if one is not None)
    tail = Decimal(str((1 - LEVEL) / 2))
    return BillRange(
        target=target,
        usd_per_month=usd,
        low=min(usd, percentile(sold, tail)) if sold else usd,
        high=max(usd, percentile(sold, 1 - tail)) if sold else usd,
        n_samples=len(drawn),
        n_refused=len(drawn) - len(sold),
        seed=seed,
        spreads=tuple(spreads),
    )


def with_range(bill: Bill, found: BillRange) -> Bill:
    """Return the bill with the range as its `low` and `high`, and a note of how it was found.

    Raises:
        InputError: the range is another bill's.
    """
    if (bill.target, bill.usd_per_month) != (found.target, found.usd_per_month):
        raise InputError(
            f"The range of {found.usd_per_month} USD at {found.target} is not that of {bill.usd_per_month} USD at "
            f"{bill.target}",
            next_step="Find the range with the footprint, workload and prices of the bill",
        )
    inputs = "; ".join(spread_text(spread) for spread in found.spreads) or "nothing: every input is known"
    note = (
        f"low and high: the middle {100 * found.level:.0f} % of {found.n_samples} draws (seed {found.seed}), widened "
        f"to hold the bill. Drawn: {inputs}. What is 0 in the workload stays 0."
    )
    if found.n_refused:
        note += f" {found.n_refused} draws have no bill: the target does not take their workload."
    return dataclasses.replace(bill, low=found.low, high=found.high, notes=(*bill.notes, note))


def draws(spreads: Sequence[Spread], n_samples: int, seed: int) -> tuple[Factors, ...]:
    """Return `n_samples` draws of every input, each independent of the others.

    Each input takes the middles of n_samples equally likely strata, once each, in an order of its own (Latin hypercube
    sampling: McKay, Beckman and Conover, Technometrics 21(2), 1979): with so few draws the tails are then not left to
    chance. An input's draws depend on its name and the seed alone, so that two bills see the same draws of what they
    share.

    Raises:
        InputError: two spreads of one input, or too few draws.
    """
    names = [spread.name for spread in spreads]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{', '.join(twice)} has two spreads", next_step="Keep one spread of each input")
    if n_samples < 2 / (1 - LEVEL) - 1e-9:
        raise InputError(
            f"n_samples is {n_samples}", allowed="40 or more", next_step=f"Take {N_SAMPLES} draws, the default"
        )
    columns = {spread.name: [spread.factor(z) for z in deviations(spread.name, n_samples, seed)] for spread in spreads}
    return tuple({name: column[i] for name, column in columns.items()} for i in range(n_samples))


def deviations(name: str, n_samples: int, seed: int) -> list[float]:
    """Standard deviations from its median at which an input is drawn, in order."""
    order = list(range(n_samples))
    random.Random(f"{seed} {name}").shuffle(order)  # noqa: S311 - draws that anyone can repeat are the point
    return [NormalDist().inv_cdf((stratum + 0.5) / n_samples) for stratum in order]


def usd_at(inputs: Inputs, target: str, billing: Billing = bill_index) -> Decimal | None:
    """The bill at these inputs; None when the target does not take their workload, or a model not its prompt.

    Raises:
        InputError: an unknown target.
        PriceError: a price is missing.
    """
    if target_of(target).why_not(inputs.footprint, inputs.workload.at_average()):
        return None
    try:
        bill = billing(inputs.footprint, inputs.workload, inputs.book, target=target)
    except InputError:
        return None  # the bill at the inputs as they are was made before: only a drawn workload is refused here
    return usd_of(bill, inputs)


def percentile(ordered: Sequence[Decimal], share: Decimal) -> Decimal:
    """The value below which that share of the ordered values lies, to the cent.

    Value i of n (from 0) stands for the share (i + 1/2) / n, the middle of its stratum (Hazen's rule); between two of
    them the line is straight.

    >>> percentile([Decimal(1), Decimal(2), Decimal(3), Decimal(4)], Decimal("0.5"))
    Decimal('2.50')
    """
    place = min(max(share * len(ordered) - Decimal("0.5"), Decimal(0)), Decimal(len(ordered) - 1))
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return to_cents(ordered[below] + (ordered[above] - ordered[below]) * (place - below))
