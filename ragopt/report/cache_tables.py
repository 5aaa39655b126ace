"""The tables of a cache advice: every cache, prompt orders, prices; as page, markdown and terminal print them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.report.cache_words import (
    GUESS,
    NOT_COUNTED,
    policy_text,
    saved_text,
    share_text,
    span_text,
    titled,
    ttl_text,
)
from ragopt.report.figure import Column, Table
from ragopt.report.words import number_text, shown, usd_text
from ragopt.units import format_bytes

if TYPE_CHECKING:
    from ragopt.cache.advice import CacheAdvice, CachePlan

CACHE_COLUMNS = (
    Column("Cache"),
    Column("For"),
    Column("Policy"),
    Column("Size", numeric=True),
    Column("Items", numeric=True),
    Column("TTL", numeric=True),
    Column("Hits alone [95 %]", numeric=True),
    Column("Hits behind the others [95 %]", numeric=True),
    Column("USD saved a month [95 %]", numeric=True),
    Column("Memory, USD a month", numeric=True),
    Column("Break-even reuse", numeric=True),
)

SHORT_COLUMNS = ("Cache", "For", "Size", "TTL", "Hits behind the others [95 %]", "USD saved a month [95 %]",
                 "Memory, USD a month")  # fmt: skip
"""What a pull request shows of them."""

ORDER_COLUMNS = (
    Column("Prompt order"),
    Column("Input tokens from the cache [95 %]", numeric=True),
    Column("USD saved a month [95 %]", numeric=True),
)

PRICE_COLUMNS = (
    Column("Price"),
    Column("USD", numeric=True),
    Column("As of", numeric=True),
    Column("Where from"),
)

OFF = "off"
"""What a cache is for that is not recommended."""

NOTE = (
    "Hits are shares of the reads of a cache, first half of the log warming, with 95 % intervals: alone, and behind "
    "the caches before it, which is what its saving is of. Exact answers are looked up for questions that begin a "
    "conversation only. What a cache that is off saves is what it would have saved. "
    "Break-even reuse: an item that is read again within so long on average is worth its memory."
)


def caches_table(advice: CacheAdvice) -> Table:
    """One row per cache, in the order in which a request meets them."""
    return Table(CACHE_COLUMNS, tuple(_cells(plan) for plan in advice.plans))


def short_table(advice: CacheAdvice) -> Table:
    """The same with the columns that a short text has room for, by money."""
    kept = [number for number, column in enumerate(CACHE_COLUMNS) if column.title in SHORT_COLUMNS]
    rows = [_cells(plan) for plan in advice.ranked]
    return Table(
        tuple(CACHE_COLUMNS[number] for number in kept), tuple(tuple(row[number] for number in kept) for row in rows)
    )


def _cells(plan: CachePlan) -> tuple[str, ...]:
    replayed = plan.on or plan.alone is not None or plan.saved.value != 0
    return (
        titled(plan.name).removesuffix(" cache"),
        shown(plan.buys) if plan.on else OFF,
        policy_text(plan.policy),
        "" if plan.size_bytes is None else format_bytes(plan.size_bytes),
        "" if plan.n_items is None else f"{plan.n_items:,}",
        ttl_text(plan.ttl_s) if plan.on or plan.ttl_s is not None else "",
        share_text(plan.alone),
        share_text(plan.hits),
        f"{saved_text(plan.saved)}{_guess(plan)}" if replayed else "",
        _memory_text(plan) if replayed else "",
        span_text(plan.break_even_s),
    )


def _guess(plan: CachePlan) -> str:
    return f" ({GUESS})" if plan.guess else ""


def _memory_text(plan: CachePlan) -> str:
    """What the memory costs: a provider's cache has none of ours, a semantic cache's is not counted."""
    if plan.name == "prefix":
        return ""
    return NOT_COUNTED if plan.name == "semantic" else usd_text(plan.memory_usd_per_month)


def orders_table(advice: CacheAdvice) -> Table:
    """What a prefix cache would find in each order of the prompt, the log's own first."""
    guess = next((_guess(plan) for plan in advice.plans if plan.name == "prefix"), "")
    rows = ((shown(one.name), share_text(one.hits), f"{saved_text(one.saved)}{guess}") for one in advice.prompt_orders)
    return Table(ORDER_COLUMNS, tuple(rows))


def cache_prices(advice: CacheAdvice) -> Table:
    """The price of RAM and those of the work that a hit spares, each with its formula, source and day."""
    memory = advice.memory
    rows = [(f"a GB of RAM for a month, on {shown(memory.vm)}", number_text(memory.usd_per_gb_month),
             shown(memory.as_of), _where(memory.formula, memory.source))]  # fmt: skip
    for one in advice.prices:
        where = _where(one.formula, one.source) + (f"; caution: {shown(one.caution)}" if one.caution else "")
        rows.append((shown(one.what), number_text(one.usd), shown(one.as_of), where))
    return Table(PRICE_COLUMNS, tuple(rows))


def _where(formula: str, source: str) -> str:
    return f"{shown(formula)}; {shown(source)}"
