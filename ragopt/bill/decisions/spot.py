"""On demand or spot, for a job that can go on from a checkpoint: embedding a corpus, building an index."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.decisions.checkpoints import (
    LARGEST_RATE,
    MOST_EXPECTED_HOURS,
    SMALLEST_RATE,
    Expectation,
    Job,
    break_even_rate,
    hourly_rate,
    six_digits,
)
from ragopt.bill.decisions.spot_bands import BANDS, band_of
from ragopt.bill.lines import make_line
from ragopt.errors import InputError, PriceError

if TYPE_CHECKING:
    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook
    from ragopt.records import BillLine

OPEN_BUCKET_PERCENT = Decimal(50)
"""Taken where no upper end is known: the Spot Advisor's last bucket is "over 20 %" of VMs reclaimed in a month, and
Google and Azure publish none. An assumption, meant to be high; the break-even rate says how much it matters."""

LEAST_DISCOUNT = Decimal(-10)
"""Eleven times the on-demand price: providers cap spot prices far below it, so less is a slip."""


@dataclass(frozen=True, slots=True)
class SpotCase:
    """Spot at one discount.

    Attributes:
        label: `price` for the book's own price, `given`, or `p10`, `median`, `p90` of a band.
        discount: share off the on-demand price; negative where spot costs more an hour.
        usd: expected cost of the job; None where it never finishes.
        saving_usd: on-demand cost minus `usd`; negative where spot loses, None where it never finishes.
        break_even_interruptions_per_hour: on demand is cheaper above this rate; None where it is at any rate.
        line: the expected cost as a bill line; None where it never finishes.
    """

    label: str
    discount: Decimal
    usd: Decimal | None
    saving_usd: Decimal | None
    break_even_interruptions_per_hour: Decimal | None
    line: BillLine | None


@dataclass(frozen=True, slots=True)
class SpotDecision:
    """The answer, with what it was made from.

    Attributes:
        choice: `spot`, `on demand`, or `depends` where the range of discounts holds both.
        vm, provider, region: the VM.
        work_hours: useful hours of the job.
        checkpoint_seconds: to write one checkpoint.
        restart_seconds: to boot and load; paid once on demand, and after every interruption on spot.
        interruptions_per_hour: rate that was taken.
        interruptions_from: where that rate comes from.
        on_demand_hours: useful hours and one start.
        on_demand_usd: their cost.
        spot: what to expect of the job on spot.
        rework_share: expected hours over on-demand hours, minus 1: checkpoints, lost work and restarts; None where the
            job never finishes on spot.
        break_even_discount: on demand is cheaper below this discount; None where the job never finishes on spot.
        cases: one for a known discount, three for a band.
        on_demand_line: the on-demand cost as a bill line.
        notes: assumptions and cautions.
        sentence: the answer in one sentence.
    """

    choice: str
    vm: str
    provider: str
    region: str
    work_hours: Decimal
    checkpoint_seconds: Decimal
    restart_seconds: Decimal
    interruptions_per_hour: Decimal
    interruptions_from: str
    on_demand_hours: Decimal
    on_demand_usd: Decimal
    spot: Expectation
    rework_share: Decimal | None
    break_even_discount: Decimal | None
    cases: tuple[SpotCase, ...]
    on_demand_line: BillLine
    notes: tuple[str, ...]
    sentence: str


def decide_spot(  # noqa: PLR0913 - the job, the place, and the two figures that a user may know better
    job: Job,
    vm: str,
    provider: str,
    region: str,
    book: PriceBook,
    *,
    interruptions_per_hour: Decimal | None = None,
    discount: Decimal | None = None,
) -> SpotDecision:
    """Compare the expected cost of a job on spot with its cost on demand.

    usd on demand = (work + start) x price; expected usd on spot = expected hours x price x (1 - discount).

    Args:
        job: what is run.
        vm: VM type, in the price group `vms` or `gpu_vms`.
        provider: whose.
        region: where.
        book: prices; the group `spot` gives discount and interruption bucket.
        interruptions_per_hour: rate to take instead of the bucket's.
        discount: share off the on-demand price to take instead of the book's.

    Raises:
        InputError: a figure out of range.
        PriceError: the on-demand price is missing, or the discount is unknown and no band of the provider is.
    """
    on_demand = _on_demand(book, provider, region, vm)
    spot_price = next((price for price in book if _key(price) == (provider, region, "spot", vm)), None)
    rate, rate_from = _rate(interruptions_per_hour, spot_price, provider)
    expected = job.expect(rate)
    hours = job.undisturbed_hours
    line = make_line(f"{vm} on demand", hours, on_demand, part="compute", formula="useful hours + one start")
    cases = tuple(
        _case(job, label, price, expected, line) for label, price in _spot_prices(discount, spot_price, on_demand)
    )
    cheaper = [case.usd is not None and case.usd < line.usd for case in cases]
    decision = SpotDecision(
        choice="spot" if all(cheaper) else "depends" if any(cheaper) else "on demand",
        vm=vm,
        provider=provider,
        region=region,
        work_hours=job.work_hours,
        checkpoint_seconds=job.checkpoint_seconds,
        restart_seconds=job.restart_seconds,
        interruptions_per_hour=six_digits(rate),
        interruptions_from=rate_from,
        on_demand_hours=line.quantity,
        on_demand_usd=line.usd,
        spot=_rounded(expected),
        rework_share=None if expected.hours is None else six_digits(expected.hours / hours - 1),
        break_even_discount=None if expected.hours is None else six_digits(1 - hours / expected.hours),
        cases=cases,
        on_demand_line=line,
        notes=_notes(cases, spot_price, provider, region),
        sentence="",
    )
    return replace(decision, sentence=_sentence(decision))


def _case(job: Job, label: str, price: Price, expected: Expectation, on_demand: BillLine) -> SpotCase:
    discount = 1 - price.usd / on_demand.usd_per_unit
    rate = break_even_rate(job, discount)
    if expected.hours is None:
        return SpotCase(label, six_digits(discount), None, None, rate, None)
    line = make_line(
        f"{price.item} on spot, discount {discount * 100:.0f} % ({label})",
        expected.hours,
        price,
        part="compute",
        formula=f"expected hours, in {expected.n_parts} parts of {expected.part_hours:.2f} useful hours",
    )
    return SpotCase(label, six_digits(discount), line.usd, on_demand.usd - line.usd, rate, line)


def _spot_prices(discount: Decimal | None, spot_price: Price | None, on_demand: Price) -> list[tuple[str, Price]]:
    if discount is not None:
        if not (discount.is_finite() and LEAST_DISCOUNT <= discount < 1):
            raise InputError(f"--discount is {discount}",
                             allowed=f"{LEAST_DISCOUNT} to below 1, negative where spot costs more",
                             next_step="Write 60 % as 0.6")  # fmt: skip
        return [("given", replace(on_demand, usd=on_demand.usd * (1 - discount), group="spot"))]
    if spot_price is not None:
        return [("price", spot_price)]
    band = band_of(on_demand.provider, on_demand.region)
    if band is None:
        raise PriceError(
            f"No spot price of {on_demand.item} at {on_demand.provider} {on_demand.region}, and no range of discounts "
            f"is known for {on_demand.provider}",
            next_step="Add it to ragopt/bill/prices/spot.toml, or give the discount that you see (--discount 0.6)",
        )
    shares = (("p10", band.p10), ("median", band.median), ("p90", band.p90))
    return [
        (label, replace(on_demand, usd=on_demand.usd * (1 - share), group="spot", as_of=band.as_of, source=band.source))
        for label, share in shares
    ]


def _rate(given: Decimal | None, spot_price: Price | None, provider: str) -> tuple[Decimal, str]:
    if given is not None:
        if not (given.is_finite() and (given == 0 or SMALLEST_RATE <= given <= LARGEST_RATE)):
            raise InputError(f"--interruptions-per-hour is {given}",
                             allowed=f"0, or {SMALLEST_RATE} to {LARGEST_RATE}",
                             next_step="Count the interruptions of your VMs and divide by their hours")  # fmt: skip
        return given, "given"
    attributes = {} if spot_price is None else spot_price.attributes
    high = attributes.get("interruption_percent_high")
    if high is not None and high < 100:
        return hourly_rate(high / 100), f"{high:f} % of the VMs interrupted in a month, the upper end of their bucket"
    known = attributes.get("interruption_percent_low")
    why = f"no interruption rate of this type at {provider} is known" if known is None else f"over {known:f} % is known"
    return (
        hourly_rate(OPEN_BUCKET_PERCENT / 100),
        f"{OPEN_BUCKET_PERCENT} % of the VMs interrupted in a month: an assumption, {why}",
    )


def _rounded(expected: Expectation) -> Expectation:
    young = expected.young_hours
    return Expectation(
        None if expected.hours is None else six_digits(expected.hours),
        expected.n_parts,
        six_digits(expected.part_hours),
        None if young is None else six_digits(young),
        six_digits(expected.overhead_first_order),
    )


def _on_demand(book: PriceBook, provider: str, region: str, vm: str) -> Price:
    wanted = [(provider, region, group, vm) for group in ("vms", "gpu_vms")]
    found = next((price for price in book if _key(price) in wanted), None)
    # The book's own message names the file and the entry to fill.
    return book.price(*wanted[0]) if found is None else found


def _key(price: Price) -> tuple[str, str, str, str]:
    return (price.provider, price.region, price.group, price.item)


def _notes(cases: tuple[SpotCase, ...], spot_price: Price | None, provider: str, region: str) -> tuple[str, ...]:
    notes = [
        "Interruptions are taken as random, with a constant rate per hour.",
        "A month's share of interrupted VMs becomes -ln(1 - share) / 730 interruptions an hour.",
        "Waiting for spot capacity is not in the expected hours.",
    ]
    band = band_of(provider, region)
    if len(cases) > 1 and band is not None:
        place = region if (provider, region) in BANDS else f"all regions of {provider}"
        notes.append(
            "The discount of this type is not in the price book: taken are p10, median and p90 of the on-demand price "
            f"over {band.n:,} pairs of type and region in {place} ({band.as_of})."
        )
    if spot_price is not None and spot_price.caution:
        notes.append(spot_price.caution)
    return tuple(notes)


def _sentence(decision: SpotDecision) -> str:
    first, last = decision.cases[0], decision.cases[-1]
    hours, rework = decision.spot.hours, decision.rework_share
    if hours is None or rework is None or first.saving_usd is None or last.saving_usd is None:
        return (
            f"{decision.work_hours:f} hours of work on {decision.vm} in {decision.provider} {decision.region} never "
            f"finish on spot with {decision.interruptions_per_hour:f} interruptions an hour (over "
            f"{MOST_EXPECTED_HOURS:,} expected hours), against USD {decision.on_demand_usd:,} on demand in "
            f"{decision.on_demand_hours:.2f} hours."
        )
    usd = f"USD {first.usd:,}" if first is last else f"USD {last.usd:,} to {first.usd:,} (discount {_range(decision)})"
    start = (
        f"{decision.work_hours:f} hours of work on {decision.vm} in {decision.provider} {decision.region} cost {usd} "
        f"on spot, in {hours:.2f} expected hours with {rework * 100:.1f} % of rework, "
        f"against USD {decision.on_demand_usd:,} on demand: "
    )
    if decision.choice == "on demand":
        return f"{start}spot loses USD {-last.saving_usd:,} here, and needs a discount above {_break_even(decision)}."
    if decision.choice == "depends":
        return f"{start}spot is cheaper with a discount above {_break_even(decision)} only."
    rate = first.break_even_interruptions_per_hour
    return (
        f"{start}spot saves {first.saving_usd / decision.on_demand_usd * 100:.0f} %"
        f"{' at least' if first is not last else ''}, until more than {rate:.2g} interruptions an hour or a discount "
        f"below {_break_even(decision)}."
    )


def _range(decision: SpotDecision) -> str:
    return f"{decision.cases[0].discount * 100:.0f} to {decision.cases[-1].discount * 100:.0f} %"


def _break_even(decision: SpotDecision) -> str:
    share = decision.break_even_discount
    return "none" if share is None else f"{share * 100:.1f} %"
