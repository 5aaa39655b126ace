"""Buy embedding or run the model: the break-even by hand, and by brute force over every volume."""

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.bill.decisions.embedding import SelfHosting, decide_embedding
from ragopt.bill.price_book import Price, PriceBook
from ragopt.errors import InputError, PriceError

WHEN = datetime(2026, 11, 23, 12, tzinfo=UTC)
MILLION = 1_000_000


def book_of(api_usd, vm_usd):
    shared = {"as_of": "2026-11-01", "source": "https://example.org"}
    return PriceBook([
        Price("acme", "global", "token_prices", "embed", "1M input tokens", Decimal(api_usd), **shared),
        Price("acme", "global", "token_prices", "embed:batch", "1M input tokens", Decimal(api_usd) / 2, **shared),
        Price("aws", "us-east-1", "gpu_vms", "gpu", "hour", Decimal(vm_usd), **shared),
    ])  # fmt: skip


def decide(tokens_per_day, *, api="0.12", vm="0.50", speed="2000", utilisation="0.5", batch=False):
    hosting = SelfHosting("gpu", "aws", "us-east-1", Decimal(speed), Decimal(utilisation))
    return decide_embedding("acme:embed", hosting, tokens_per_day, book_of(api, vm), when=WHEN, batch=batch)


def test_the_break_even_by_hand():
    """API 0.12 USD per million; a VM at 0.50 an hour does 2,000 tokens a second in half of its time.

    Capacity: 2,000 x 0.5 x 86,400 = 86.4 M tokens a day. A day of the VM costs 24 x 0.50 = 12 USD, which buys
    12 / 0.12 = 100 M tokens: more than the VM can embed, so that it never breaks even. At 0.30 an hour a day costs
    7.20 USD and buys 60 M tokens: the break-even. A second VM is needed from 86.4 M on and is worth it from 120 M on:
    between the two the API is cheaper. n VMs leave no gap where n x 86.4 >= (n + 1) x 60, n >= 2.27: from 3 x 60 =
    180 M on VMs never cost more.
    By the hour the VM costs 7.20 / 86.4 = 0.083333 USD per million.
    """
    never = decide(50 * MILLION)
    assert never.capacity_tokens_per_day == Decimal(86_400_000)
    assert (never.break_even_tokens_per_day, never.always_from_tokens_per_day) == (None, None)
    assert "A VM that is always on never breaks even: it would have to embed 100 million" in never.sentence
    some = decide(50 * MILLION, vm="0.30")
    assert some.break_even_tokens_per_day == Decimal(60 * MILLION)
    assert some.always_from_tokens_per_day == Decimal(180 * MILLION)
    assert round(some.vm_usd_per_million, 6) == Decimal("0.083333")
    assert round(some.usd_per_day["vm by the hour"], 4) == Decimal("4.1667")
    assert (some.usd_per_day["api"], some.usd_per_day["vm always on"], some.n_vms) == (6, Decimal("7.20"), 1)
    assert some.cheapest == "vm by the hour"


@pytest.mark.parametrize(
    ("million_tokens", "n_vms", "vm_is_no_dearer"),
    [(59, 1, False), (60, 1, True), (86, 1, True), (87, 2, False), (119, 2, False), (120, 2, True), (172, 2, True),
     (173, 3, False), (180, 3, True), (259, 3, True), (260, 4, True), (1000, 12, True)],
)  # fmt: skip
def test_each_further_vm_is_a_step(million_tokens, n_vms, vm_is_no_dearer):
    """At 60 M and 86.4 M a VM: 87 M take two VMs, 14.40 USD a day against 10.44; from 180 M on VMs always win."""
    found = decide(million_tokens * MILLION, vm="0.30")
    assert found.n_vms == n_vms
    assert (found.usd_per_day["vm always on"] <= found.usd_per_day["api"]) == vm_is_no_dearer


def test_a_month_is_billed_with_sources():
    """60 M tokens x 30.416667 days = 1,825 M x 0.12 = 219.00; 1,825 M / 1,000 / 3,600 h x 0.30 = 152.08.

    730 h x 0.30 = 219.00: at the break-even the API and the VM that is always on cost the same.
    """
    found = decide(60 * MILLION, vm="0.30")
    assert [line.usd for line in found.lines] == [Decimal("219.00"), Decimal("152.08"), Decimal("219.00")]
    assert {line.part for line in found.lines} == {"embedding"}
    assert all(line.source and line.as_of for line in found.lines)


def test_the_batch_price_moves_the_break_even():
    """Half the price doubles the break-even: 120 M tokens a day, more than the VM can embed."""
    assert decide(MILLION, vm="0.20").break_even_tokens_per_day == Decimal(40 * MILLION)
    assert decide(MILLION, vm="0.20", batch=True).break_even_tokens_per_day == Decimal(80 * MILLION)
    assert decide(MILLION, vm="0.30", batch=True).break_even_tokens_per_day is None


@pytest.mark.parametrize(
    ("vm", "api", "holds", "words"),
    [
        ("0.05", "0.12", True, "holds here, within a factor of 2."),
        ("0.05", "0.12", True, "For this VM, always on, it holds against an API of about 0.12 USD per million tokens."),
        ("0.30", "0.12", False, "does not hold here: it is 6.0 times too low."),
        ("0.01", "0.12", False, "does not hold here: it is 5.0 times too high."),
        ("0.50", "0.12", False, "does not hold here: no volume makes this VM cheaper than this API."),
        ("0.50", "0.12", False, "it holds against an API of about 1.2 USD per million tokens."),
    ],
)
def test_the_rule_of_thumb_is_put_to_the_test(vm, api, holds, words):
    """Break-evens of 24 x h / p: 10 M, 60 M, 2 M and 100 M of which the VM embeds 86.4 M. The rule says 10 M."""
    found = decide(MILLION, vm=vm, api=api)
    assert found.rule_holds is holds
    assert words in found.sentence


def test_a_slow_vm_can_never_follow_the_rule():
    """50 tokens a second are 4.32 M a day: under the 10 M of the rule, whatever the API costs."""
    found = decide(MILLION, speed="50", utilisation="1", vm="0.01")
    assert "For this VM it can never hold, which embeds 4.3 million tokens a day." in found.sentence


@settings(max_examples=80, deadline=None)
@given(
    speed=st.integers(1, 200),
    vm=st.integers(1, 60),
    api=st.integers(1, 500),
)
def test_the_break_even_agrees_with_trying_every_volume(speed, vm, api):
    """The least volume at which one VM costs no more, and the volume from which VMs never cost more, by brute force."""
    capacity = speed * 86_400
    hosting = {"api": str(Decimal(api) / 100), "vm": str(Decimal(vm) / 1000), "speed": str(speed), "utilisation": "1"}
    found = decide(1, **hosting)
    break_even, always = found.break_even_tokens_per_day, found.always_from_tokens_per_day
    day_of_a_vm, per_token = Decimal(24 * vm) / 1000, Decimal(api) / 100 / MILLION

    def vm_wins(tokens):
        return -(-tokens // capacity) * day_of_a_vm <= tokens * per_token

    grid = sorted({*range(1, 40 * capacity, max(1, capacity // 7)), *range(capacity, 40 * capacity, capacity)})
    on_one = [tokens for tokens in grid if tokens <= capacity]
    for tokens in on_one:
        assert vm_wins(tokens) == (break_even is not None and tokens >= break_even)
    if break_even is None:
        assert not any(map(vm_wins, grid))
    if always is not None:
        assert all(vm_wins(tokens) for tokens in grid if tokens >= always)


@settings(max_examples=40, deadline=None)
@given(tokens=st.integers(1, 10**12), more=st.integers(1, 10**12))
def test_more_tokens_never_cost_less(tokens, more):
    """No way gets cheaper by embedding more."""
    one, two = decide(tokens), decide(tokens + more)
    assert all(two.usd_per_day[way] >= usd for way, usd in one.usd_per_day.items())


def test_doubled_prices_leave_the_break_even():
    """When API and VM both cost twice as much, the break-even stays and every cost doubles."""
    one, two = decide(70 * MILLION, vm="0.30"), decide(70 * MILLION, vm="0.60", api="0.24")
    assert one.break_even_tokens_per_day == two.break_even_tokens_per_day
    assert two.usd_per_day == {way: usd * 2 for way, usd in one.usd_per_day.items()}


def test_the_sentence_counts_vms_and_names_two_models():
    """1,000 M tokens / 86.4 M a day are 12 VMs, by the hour too; the API's model and the VM's are not the same."""
    found = decide(1000 * MILLION, vm="0.30")
    assert "12 gpu that are paid only while they work are cheapest" in found.sentence
    assert "vm by the hour with 12 VMs 83.33, vm always on with 12 VMs 86.40" in found.sentence
    assert "Unless the weights of acme:embed are public, a VM cannot run it" in found.sentence
    assert found.sentence.endswith("only a sweep with both compares their quality.")
    assert "one gpu that is paid only while it works is cheapest" in decide(50 * MILLION, vm="0.30").sentence


def test_a_model_that_answers_is_refused():
    """gpt-4o would make a break-even of its input price; it makes no vectors."""
    hosting = SelfHosting("gpu", "aws", "us-east-1", Decimal(2000))
    with pytest.raises(InputError, match="openai:gpt-4o is a model that answers"):
        decide_embedding("openai:gpt-4o", hosting, MILLION, book_of("0.1", "1"), when=WHEN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens_per_second": Decimal(0)}, "The speed is 0 tokens per second"),
        ({"tokens_per_second": Decimal("NaN")}, "The speed is NaN"),
        ({"utilisation": Decimal("1.01")}, "The utilisation is 1.01"),
        ({"utilisation": Decimal(0)}, "The utilisation is 0"),
    ],
)
def test_impossible_speeds_are_refused(change, message):
    """A speed is above 0, a share at most 1."""
    with pytest.raises(InputError, match=message):
        dataclasses.replace(SelfHosting("gpu", "aws", "us-east-1", Decimal(2000)), **change)


def test_bad_volumes_and_missing_prices_are_errors():
    """No tokens are no question; an unknown VM or model is a price error."""
    with pytest.raises(InputError, match="There are 0 tokens a day"):
        decide(0)
    hosting = SelfHosting("tpu", "aws", "us-east-1", Decimal(2000))
    with pytest.raises(PriceError, match="No price of the VM type tpu"):
        decide_embedding("acme:embed", hosting, 1, book_of("0.1", "1"), when=WHEN)
    with pytest.raises(PriceError, match="acme"):
        decide_embedding("acme:other", hosting, 1, book_of("0.1", "1"), when=WHEN)
