"""Whether a recommendation holds while its inputs vary: every candidate billed at the same draws."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.default_spreads import cpu_spread
from ragopt.bill.monte_carlo import N_SAMPLES, Billing, deviations, draws, usd_at
from ragopt.bill.targets import bill_index
from ragopt.bill.uncertain_inputs import CPU, PRICE, Inputs, Spread
from ragopt.bill.words_of_inputs import words_of
from ragopt.errors import InputError

if TYPE_CHECKING:
    from ragopt.bill.footprint import Footprint
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.uncertain_inputs import Factors
    from ragopt.bill.workload import Workload

TIE = Decimal("1.01")
"""Bills within 1 % of the least are ties: the same rule that chooses the recommendation (docs/method.md)."""

CLEAR = 2.0
"""Standard errors by which an input has to be off in the draws that flip before it is named as their cause: about
the end of a 95 % interval, so that a cause is seldom named by chance."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An index at a target."""

    footprint: Footprint
    target: str


@dataclass(frozen=True, slots=True)
class Flips:
    """How often the recommended candidate stays within 1 % of the least bill.

    Attributes:
        recommended: its name.
        n_samples: draws in which at least one candidate could be billed.
        n_stays: those of them in which the recommended one costs at most 1 % more than the cheapest.
        instead: the candidate that is cheapest most often in the others; None when there are no others.
        n_instead: how often it is.
        cause: the input that is furthest from its median in the draws that flip, `peak load and queries is higher`;
            empty when none stands out.
        seed: of the draws.
    """

    recommended: str
    n_samples: int
    n_stays: int
    instead: str | None
    n_instead: int
    cause: str
    seed: int

    @property
    def share_stays(self) -> float:
        """n_stays / n_samples."""
        return self.n_stays / self.n_samples

    @property
    def sentence(self) -> str:
        """The finding in one or two sentences."""
        if self.instead is None:
            return f"In all of {self.n_samples} draws {self.recommended} stays within 1 % of the least bill."
        n_flips = self.n_samples - self.n_stays
        often = "" if self.n_instead == n_flips else f" in {self.n_instead} of these {n_flips}"
        if not self.n_stays:
            return (
                f"In none of {self.n_samples} draws is {self.recommended} within 1 % of the least bill; "
                f"{self.instead} is the cheapest{often}."
            )
        why = f", mostly because {self.cause}" if self.cause else "; no single input explains it"
        return (
            f"In {self.n_stays} of {self.n_samples} draws ({_percent(self.share_stays)}) {self.recommended} stays "
            f"within 1 % of the least bill; where it does not, {self.instead} is the cheapest{often}{why}."
        )


def flips(  # noqa: PLR0913 - the candidates, a bill's inputs, and how they are drawn
    candidates: Mapping[str, Candidate],
    workload: Workload,
    book: PriceBook,
    *,
    recommended: str,
    spreads: Sequence[Spread],
    n_samples: int = N_SAMPLES,
    seed: int = 0,
    billing: Billing = bill_index,
) -> Flips:
    """Bill every candidate at the same draws and count where the recommended one is no longer the cheapest.

    Workload and prices have one draw for all candidates. CPU time is drawn from each index's own interval,
    independently: the intervals are of separate measurements. Candidates of one footprint share it. A candidate whose
    target does not take a draw's workload is out of that draw.

    Args:
        candidates: by name, the recommended one among them.
        workload: what they have to serve.
        book: prices.
        recommended: name of the recommended candidate.
        spreads: of workload and prices, those of all targets; one of the CPU time is replaced by each index's own.
        n_samples: draws.
        seed: of the draws.
        billing: how each bill is made.

    Raises:
        InputError: `recommended` is no candidate, no draw can be billed, an unknown target, a spread of no input.
        PriceError: a price is missing.
    """
    if recommended not in candidates:
        raise InputError(
            f"{recommended!r} is no candidate", allowed=", ".join(candidates), next_step="Name the recommended one"
        )
    cpu_spreads = _cpu_spreads({recommended: candidates[recommended], **candidates})
    drawn = [*(spread for spread in spreads if spread.name != CPU), *dict.fromkeys(cpu_spreads.values())]
    winners: dict[int, str | None] = {}
    for number, factors in enumerate(draws(drawn, n_samples, seed)):
        inputs = Inputs(candidates[recommended].footprint, workload, book)
        usd = _usd_by_name(candidates, inputs, cpu_spreads, factors, billing)
        if usd:
            winners[number] = _winner_over(recommended, usd)
    if not winners:
        raise InputError(
            "No target takes the workload of any draw", next_step="Choose other targets or narrower spreads"
        )
    lost = {number: name for number, name in winners.items() if name is not None}
    most = sorted(Counter(lost.values()).items(), key=lambda item: (-item[1], item[0]))
    instead, n_instead = most[0] if most else (None, 0)
    return Flips(
        recommended=recommended,
        n_samples=len(winners),
        n_stays=len(winners) - len(lost),
        instead=instead,
        n_instead=n_instead,
        cause=_cause(drawn, list(lost), n_samples, seed),
        seed=seed,
    )


def _cpu_spreads(candidates: Mapping[str, Candidate]) -> dict[str, Spread]:
    """The CPU time's spread by candidate; candidates of one footprint have one, named after the first of them."""
    found: dict[str, Spread] = {}
    for name, candidate in candidates.items():
        if candidate.footprint.cpu_ms_per_query > 0:
            spread = cpu_spread(candidate.footprint)
            first = next(one for one, other in candidates.items() if other.footprint == candidate.footprint)
            found[name] = dataclasses.replace(spread, name=f"{CPU} of {first}")
    return found


def _usd_by_name(
    candidates: Mapping[str, Candidate],
    inputs: Inputs,
    cpu_spreads: Mapping[str, Spread],
    factors: Factors,
    billing: Billing,
) -> dict[str, Decimal]:
    cpu_names = {spread.name for spread in cpu_spreads.values()}
    shared = {name: factor for name, factor in factors.items() if name not in cpu_names}
    drawn = inputs.times(shared)  # scaling the book takes longer than a bill: once for all candidates
    usd: dict[str, Decimal] = {}
    for name, candidate in candidates.items():
        own = {CPU: factors[cpu_spreads[name].name]} if name in cpu_spreads else {}
        at_draw = dataclasses.replace(drawn, footprint=candidate.footprint).times(own)
        sold = usd_at(at_draw, candidate.target, billing)
        if sold is not None:
            usd[name] = sold
    return usd


def _winner_over(recommended: str, usd: Mapping[str, Decimal]) -> str | None:
    """The cheapest candidate where the recommended one costs over 1 % more than it; None where it does not."""
    least = min(usd.values())
    if recommended in usd and usd[recommended] <= least * TIE:
        return None
    return min((name for name, one in usd.items() if one == least), default=None)


def _cause(spreads: Sequence[Spread], numbers: Sequence[int], n_samples: int, seed: int) -> str:
    """Say which input is furthest from its median, on average over some draws; empty when none clearly is.

    The mean of m draws of one input has the standard error 1 / sqrt(m), in standard deviations of the input.
    """
    if not numbers:
        return ""
    means: dict[str, float] = {}
    for spread in spreads:
        if not spread.is_known:
            column = deviations(spread.name, n_samples, seed)
            means[spread.name] = math.fsum(column[number] for number in numbers) / len(numbers)
    if not means:
        return ""
    name = max(means, key=lambda one: (abs(means[one]), one))
    if abs(means[name]) < CLEAR / math.sqrt(len(numbers)):
        return ""
    return f"{words_of(name)} {'are' if name.startswith(PRICE) else 'is'} {'higher' if means[name] > 0 else 'lower'}"


def _percent(share: float) -> str:
    """A share in percent that reads neither 0 nor 100 unless it is."""
    percent = 100 * share
    if 0 < percent < 1 or 99 < percent < 100:
        return f"{percent:.1f} %"
    return f"{percent:.0f} %"
