"""The provider's prompt cache: how much of the prompts it would read, what it saves, and which order would help."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ragopt.cache.advice import CachePlan, PromptOrder
from ragopt.cache.costs import prompt_tokens
from ragopt.cache.plan_search import NOTHING_LEFT
from ragopt.cache.plan_setting import is_for_money
from ragopt.cache.prefix import TTL_S, break_even_hit_share, replay_prefix
from ragopt.cache.prefix_orders import ORDER_CHANGES_ANSWERS, compare_orders
from ragopt.cache.reasons import percent, reason_of, too_little, usd_range
from ragopt.cache.runs import kept_runs
from ragopt.units import format_seconds

if TYPE_CHECKING:
    from decimal import Decimal

    from numpy.typing import NDArray

    from ragopt.cache.advice import UsdRange
    from ragopt.cache.coded_log import Prompts
    from ragopt.cache.plan_setting import Setting, Stage
    from ragopt.cache.prefix import PrefixReads
    from ragopt.cache.prefix_orders import PromptOrders
    from ragopt.cache.unit_prices import UnitPrices

PROVIDER_TTL_S = TTL_S

LEAST_GUESSED = 0.01
"""Share of the input tokens of unknown length from which the figures are called a guess."""

MOST_BLOCKS = 2
"""Blocks that are told to stand in the cache's way: the first one does nearly all of it."""


def plan_prefix(
    setting: Setting, stage: Stage, usd_before: Decimal, *, ttl_s: float
) -> tuple[CachePlan, tuple[PromptOrder, ...]]:
    """Plan the use of the provider's prompt cache, behind every cache that spares a prompt.

    Returns:
        The plan, and the order of the log beside others.
    """
    log, prices = setting.log, setting.prices
    if log.prompts is None:
        return _off("the log does not say what its prompts were made of (--prompt)"), ()
    if log.times_s is None:
        return _off("the log has no times, and a provider's cache forgets within minutes"), ()
    if not prices.input_token:
        return _off("no generator is billed by the token (generation.generator)"), ()
    if not stage.passing[setting.warm :].any():
        return _off(NOTHING_LEFT), ()
    kind = {"ttl_s": ttl_s, "min_tokens": prices.least_prefix_tokens, "tenants": log.tenants}
    behind, whole = _of_passing(log.prompts, stage.passing), prompt_tokens(log)
    sent = None if whole is None else np.where(stage.passing, whole, 0)
    orders = compare_orders(behind, log.times_s, chunk_part=log.chunk_field or None, prompt_tokens=sent, **kind)  # type: ignore[arg-type]
    alone = replay_prefix(log.prompts, log.times_s, prompt_tokens=whole, **kind)  # type: ignore[arg-type]
    as_sent = orders.replays[0].reads
    saved = _saved(setting, as_sent)
    share = setting.share(as_sent.read.astype(float), as_sent.total.astype(float))
    on = is_for_money(saved, usd_before)
    plan = CachePlan(
        "prefix", on=on, buys="money" if on else "nothing", reason="", ttl_s=ttl_s,
        alone=setting.share(alone.read.astype(float), alone.total.astype(float)), hits=share, saved=saved,
        notes=(*_price_notes(prices, share.value), *_order_notes(setting, log.prompts, orders, saved)),
    )  # fmt: skip
    found = tuple(
        PromptOrder(one.name, setting.share(one.reads.read.astype(float), one.reads.total.astype(float)),
                    _saved(setting, one.reads))
        for one in orders.replays
    )  # fmt: skip
    guess = _guess(log.prompts)
    return replace(plan, reason=_reason(plan, usd_before, prices), guess=guess), found


def _off(why: str) -> CachePlan:
    return CachePlan.off("prefix", why)


def _guess(prompts: Prompts) -> str:
    """What the figures rest on that nobody measured; empty where the blocks' lengths were in the log, all but all."""
    if prompts.shared_out < LEAST_GUESSED:
        return ""
    how = "spread evenly" if prompts.block_tokens is None else f"taken as {prompts.block_tokens:,} tokens a block"
    return f"{100 * prompts.shared_out:.0f} % of the input tokens are in blocks whose length nobody logged, {how}"


def _of_passing(prompts: Prompts, passing: NDArray[np.bool_]) -> Prompts:
    """The prompts of the requests that are sent; the others have none."""
    starts, kept = kept_runs(prompts.starts, passing)
    return replace(prompts, starts=starts, codes=prompts.codes[kept], tokens=prompts.tokens[kept],
                   parts=prompts.parts[kept])  # fmt: skip


def _saved(setting: Setting, reads: PrefixReads) -> UsdRange:
    """Cached x (input - read price) - written x (write - input price), a month."""
    prices = setting.prices
    usd = reads.read * float(prices.input_token - prices.cached_token)
    return setting.usd_per_month(usd - reads.written * float(prices.written_token - prices.input_token))


def _reason(plan: CachePlan, usd_before: Decimal, prices: UnitPrices) -> str:
    if plan.on or plan.hits is None:
        return reason_of(plan, usd_before)
    within = f"within {format_seconds(plan.ttl_s or PROVIDER_TTL_S)}"
    text = f"off: {percent(plan.hits)} of the input tokens would be read from it {within}"
    if prices.written_token > prices.input_token:
        return f"{text}, which with what writing it costs saves USD {usd_range(plan.saved)} a month."
    return f"{text}, which saves USD {usd_range(plan.saved)} a month, {too_little(plan.saved.value, usd_before)}."


def _price_notes(prices: UnitPrices, share: float) -> tuple[str, ...]:
    if prices.cached_token >= prices.input_token:
        return ()
    read = float(prices.cached_token / prices.input_token)
    write = float(prices.written_token / prices.input_token)
    if write <= 1:
        told = "Writing the cache costs nothing extra here; "
    else:
        even = break_even_hit_share(write, read)
        told = (
            f"Writing the cache costs {write:g} times the input price: it pays from a hit share of {100 * even:.1f} % "
            f"on, and this one is {100 * share:.1f} %; mark as cached only what will be read again. "
        )
    usual = ", ".join(f"{100 * break_even_hit_share(w, read):.1f} % at {w:g} times" for w in (1.25, 2.0))
    return (f"{told}break-even where writes are charged: {usual} the input price.".replace(". b", ". B"),)


def _order_notes(
    setting: Setting, prompts: Prompts, orders: PromptOrders, saved: UsdRange
) -> tuple[str, ...]:  # fmt: skip
    notes = [one.text for one in orders.one_off[:MOST_BLOCKS]]
    best = orders.best
    gained = _saved(setting, best.reads).value - saved.value
    if best is not orders.replays[0] and gained > 0:
        notes.append(
            f"The order '{best.name}' would read {100 * best.hit_share:.1f} % instead of "
            f"{100 * orders.replays[0].hit_share:.1f} % and save USD {gained:.2f} more a month. {ORDER_CHANGES_ANSWERS}"
        )
    if _guess(prompts):
        how = (
            "each request's rest was spread evenly over its blocks of unknown length, a guess (log the tokens of each "
            "block, or state --block-tokens)."
            if prompts.block_tokens is None
            else f"each was taken to have {prompts.block_tokens:,} as stated, a request's last one what was left."
        )
        of = f"{100 * prompts.shared_out:.0f} % of the input tokens belong to blocks whose lengths are not in the log"
        notes.append(f"{of}: {how}")
    return tuple(notes)
