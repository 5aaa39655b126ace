"""Buy embedding or run the model: the break-even between an API and a VM, in tokens a day."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Literal

from ragopt.bill.lines import make_line
from ragopt.bill.token_prices import embedding_price
from ragopt.bill.vm_hours import hours_for, vm_price
from ragopt.errors import InputError
from ragopt.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from datetime import datetime

    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook
    from ragopt.records import BillLine

Way = Literal["api", "vm by the hour", "vm always on"]

MILLION = Decimal(10**6)
HOURS_PER_DAY = Decimal(24)
DAYS_PER_MONTH = HOURS_PER_MONTH / HOURS_PER_DAY

RULE_OF_THUMB = 10_000_000
"""Tokens a day from which, as it is often said, one should run the embedding model oneself. The figure that is put to
the test here; it names neither model nor VM, and no calculation of ours comes from it."""

NEAR = 2
"""The rule of thumb is said to hold where the break-even is within this factor of it: an assumption, wide enough for a
rule that has one digit."""


@dataclass(frozen=True, slots=True)
class SelfHosting:
    """The VM that would run the model.

    Attributes:
        vm: type, as the price book names it.
        provider: whose VM.
        region: where.
        tokens_per_second: of this model on this VM, measured.
        utilisation: share of a paid hour in which it embeds at that speed.

    Raises:
        InputError: a figure out of bounds.
    """

    vm: str
    provider: str
    region: str
    tokens_per_second: Decimal
    utilisation: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        """Refuse a speed or a share that no VM has."""
        if not (self.tokens_per_second.is_finite() and 0 < self.tokens_per_second <= 10**9):
            raise InputError(
                f"The speed is {self.tokens_per_second} tokens per second",
                allowed="above 0, up to 1,000,000,000",
                next_step="Measure it on the VM that will serve, with chunks of your length",
            )
        if not (self.utilisation.is_finite() and 0 < self.utilisation <= 1):
            raise InputError(
                f"The utilisation is {self.utilisation}",
                allowed="above 0, up to 1",
                next_step="Give the share of a paid hour in which the VM embeds; 1 where its queue is never empty",
            )

    @property
    def capacity_tokens_per_day(self) -> Decimal:
        """What one VM embeds in a day: tokens per second x utilisation x 86,400."""
        return self.tokens_per_second * self.utilisation * 86_400


@dataclass(frozen=True, slots=True)
class EmbeddingDecision:
    """The figures of the decision; USD, exact, not rounded to the cent.

    Attributes:
        model: PROVIDER:NAME of the API.
        vm: VM type that would run the model.
        tokens_per_day: what is embedded on a day.
        api_usd_per_million: per million tokens, bought.
        vm_usd_per_million: per million tokens, on a VM that is paid for only while it works.
        capacity_tokens_per_day: what one VM embeds in a day.
        n_vms: VMs that `tokens_per_day` take, always on or all day by the hour: ceil(tokens / capacity).
        usd_per_day: by way.
        cheapest: the way with the least; a tie goes to the API, which is no work.
        break_even_tokens_per_day: the least tokens a day at which one VM, always on, costs no more than the API; None
            where it cannot embed that many.
        always_from_tokens_per_day: from here on VMs that are always on never cost more, however many it takes; None
            where there is no such point. Between the two figures each further VM is a step that must fill up first.
        rule_holds: whether the break-even of a VM that is always on is near the rule of thumb.
        lines: the month at `tokens_per_day`, one line per way, with prices, sources and dates.
        cautions: why a price deserves a second look.
        sentence: the answer.
    """

    model: str
    vm: str
    tokens_per_day: int
    api_usd_per_million: Decimal
    vm_usd_per_million: Decimal
    capacity_tokens_per_day: Decimal
    n_vms: int
    usd_per_day: dict[Way, Decimal]
    cheapest: Way
    break_even_tokens_per_day: Decimal | None
    always_from_tokens_per_day: Decimal | None
    rule_holds: bool
    lines: tuple[BillLine, ...]
    cautions: tuple[str, ...]
    sentence: str


def decide_embedding(
    model_ref: str, hosting: SelfHosting, tokens_per_day: int, book: PriceBook, *, when: datetime, batch: bool = False
) -> EmbeddingDecision:
    """Compare an embedding API with VMs of one's own, by the hour and always on.

    With p = API price per token, h = VM price per hour, C = capacity of one VM in tokens a day:
    by the hour, a VM costs h x 24 / C per token, whatever the volume; always on, n = ceil(tokens / C) VMs cost
    n x 24 x h a day. One VM breaks even at T = 24 x h / p tokens a day, if T <= C. n VMs cost no more than the API
    from n x T on, and can embed n x C; there is no gap to the next one's n + 1 where n x C >= (n + 1) x T.

    Work of people is not counted on either side.

    Args:
        model_ref: PROVIDER:NAME of the API.
        hosting: the VM and its measured speed.
        tokens_per_day: what is embedded on a day, documents and questions.
        book: prices.
        when: the day whose token prices count.
        batch: whether the API is paid by its batch price.

    Raises:
        InputError, PriceError: see `token_prices.embedding_price` and `vm_hours.vm_price`.
    """
    if not 1 <= tokens_per_day <= 10**15:
        raise InputError(
            f"There are {tokens_per_day:,} tokens a day",
            allowed="1 to 10^15",
            next_step="Give chunks a day x tokens per chunk + queries a day x tokens per query",
        )
    api = embedding_price(model_ref, batch=batch, book=book, when=when)
    vm = vm_price(book, hosting.provider, hosting.region, hosting.vm)
    capacity, tokens = hosting.capacity_tokens_per_day, Decimal(tokens_per_day)
    n_vms = int((tokens / capacity).to_integral_value(rounding=ROUND_CEILING))
    vm_usd_per_million = vm.usd * HOURS_PER_DAY / capacity * MILLION
    usd_per_day: dict[Way, Decimal] = {
        "api": tokens / MILLION * api.usd,
        "vm by the hour": tokens / MILLION * vm_usd_per_million,
        "vm always on": n_vms * HOURS_PER_DAY * vm.usd,
    }
    break_even = HOURS_PER_DAY * vm.usd / api.usd * MILLION
    figures = _Figures(break_even, capacity, tokens, api.usd, vm_usd_per_million)
    return EmbeddingDecision(
        model=model_ref,
        vm=hosting.vm,
        tokens_per_day=tokens_per_day,
        api_usd_per_million=api.usd,
        vm_usd_per_million=vm_usd_per_million,
        capacity_tokens_per_day=capacity,
        n_vms=n_vms,
        usd_per_day=usd_per_day,
        cheapest=min(usd_per_day, key=lambda way: usd_per_day[way]),
        break_even_tokens_per_day=break_even if break_even <= capacity else None,
        always_from_tokens_per_day=_always_from(break_even, capacity),
        rule_holds=figures.rule_holds,
        lines=_lines(model_ref, hosting, tokens, n_vms, (api, vm)),
        cautions=tuple(f"{price.provider} {price.item}: {price.caution}" for price in (api, vm) if price.caution),
        sentence=" ".join((
            _answer(usd_per_day, hosting, n_vms, tokens_per_day), figures.said(), figures.rule_said(),
            _two_models(model_ref),
        )),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Figures:
    """What the sentence speaks of."""

    break_even: Decimal
    capacity: Decimal
    tokens: Decimal
    api_usd: Decimal
    vm_usd: Decimal

    @property
    def rule_holds(self) -> bool:
        near = RULE_OF_THUMB / Decimal(NEAR) <= self.break_even <= RULE_OF_THUMB * NEAR
        return near and self.break_even <= self.capacity

    def said(self) -> str:
        by_the_hour = (
            f"Paid by the hour it works, the VM costs {_money(self.vm_usd)} USD per million tokens against "
            f"{_money(self.api_usd)}: {'less' if self.vm_usd < self.api_usd else 'no less'} at any volume."
        )
        if self.break_even > self.capacity:
            return (
                f"A VM that is always on never breaks even: it would have to embed {_tokens_said(self.break_even)} "
                f"tokens a day, and it can embed {_tokens_said(self.capacity)}. {by_the_hour}"
            )
        always = _always_from(self.break_even, self.capacity)
        steps = ""
        if always is not None and always > self.break_even:
            steps = f", and from {_tokens_said(always)} on at every volume, for each further VM has to fill up first"
        return (
            f"One VM that is always on breaks even at {_tokens_said(self.break_even)} tokens a day (it can embed "
            f"{_tokens_said(self.capacity)}){steps}. {by_the_hour}"
        )

    def rule_said(self) -> str:
        rule = "The rule of thumb of 10 million tokens a day"
        at = self.break_even * self.api_usd / RULE_OF_THUMB
        where = f"For this VM, always on, it holds against an API of about {_money(at)} USD per million tokens"
        if self.capacity < RULE_OF_THUMB:
            where = f"For this VM it can never hold, which embeds {_tokens_said(self.capacity)} tokens a day"
        if self.rule_holds:
            return f"{rule} holds here, within a factor of {NEAR}. {where}."
        if self.break_even > self.capacity:
            return f"{rule} does not hold here: no volume makes this VM cheaper than this API. {where}."
        factor = self.break_even / RULE_OF_THUMB
        off = f"{_plain(factor)} times too low" if factor > 1 else f"{_plain(1 / factor)} times too high"
        return f"{rule} does not hold here: it is {off}. {where}."


def _always_from(break_even: Decimal, capacity: Decimal) -> Decimal | None:
    if break_even >= capacity:
        return None
    # n x C >= (n + 1) x T for every n from this one on.
    n = (break_even / (capacity - break_even)).to_integral_value(rounding=ROUND_CEILING)
    return max(n, Decimal(1)) * break_even


def _answer(usd_per_day: dict[Way, Decimal], hosting: SelfHosting, n_vms: int, tokens_per_day: int) -> str:
    best = min(usd_per_day, key=lambda way: usd_per_day[way])
    while_working = f"one {hosting.vm} that is paid only while it works is cheapest"
    if n_vms > 1:
        while_working = f"{n_vms:,} {hosting.vm} that are paid only while they work are cheapest"
    what = {
        "api": "the API is cheapest",
        "vm by the hour": while_working,
        "vm always on": f"{n_vms:,} {hosting.vm} always on {'is' if n_vms == 1 else 'are'} cheapest",
    }[best]
    n_said = f" with {n_vms:,} VM{'s' * (n_vms > 1)}"
    figures = ", ".join(f"{way}{n_said * (way != 'api')} {_cents(usd)}" for way, usd in usd_per_day.items())
    return f"At {tokens_per_day:,} tokens a day {what} (USD a day: {figures})."


def _two_models(model_ref: str) -> str:
    return (
        f"Unless the weights of {model_ref} are public, a VM cannot run it: then these are the prices of two models, "
        "and only a sweep with both compares their quality."
    )


def _lines(
    model_ref: str, hosting: SelfHosting, tokens: Decimal, n_vms: int, prices: tuple[Price, Price]
) -> tuple[BillLine, ...]:
    api, vm = prices
    month = f"{tokens:,f} tokens x {DAYS_PER_MONTH:.4f} days"
    speed = hosting.tokens_per_second * hosting.utilisation
    return (
        make_line(
            f"Embedding with {model_ref}",
            tokens * DAYS_PER_MONTH / MILLION,
            api,
            part="embedding",
            formula=f"{month} / 1,000,000",
        ),
        make_line(
            f"Embedding on {hosting.vm}, by the hour",
            hours_for(tokens * DAYS_PER_MONTH, speed),
            vm,
            part="embedding",
            formula=f"{month} / ({hosting.tokens_per_second:f} tokens per second x {hosting.utilisation:f}) / 3,600",
        ),
        make_line(
            f"Embedding on {n_vms} x {hosting.vm}, always on",
            Decimal(n_vms * HOURS_PER_MONTH),
            vm,
            part="embedding",
            formula=f"ceil({tokens:,f} / {hosting.capacity_tokens_per_day:,f} tokens a day) VMs x "
            f"{HOURS_PER_MONTH} hours",
        ),
    )


def _tokens_said(tokens: Decimal) -> str:
    return f"{_plain(tokens / MILLION)} million"


def _plain(value: Decimal) -> str:
    """Two significant digits under ten, whole numbers above, thousands separated."""
    step = Decimal(1).scaleb(value.adjusted() - 1) if value < 10 else Decimal(1)
    return f"{value.quantize(step, rounding=ROUND_HALF_UP):,f}"


def _money(usd: Decimal) -> str:
    """Four significant digits, as exact as a price list."""
    rounded = usd.quantize(Decimal(1).scaleb(usd.adjusted() - 3), rounding=ROUND_HALF_UP)
    return f"{rounded.normalize():f}"


def _cents(usd: Decimal) -> str:
    return f"{usd.quantize(Decimal('0.01'), rounding=ROUND_HALF_UP):,f}"
