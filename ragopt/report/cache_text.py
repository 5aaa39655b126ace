"""A cache advice in the terminal: the sentence that ranks the caches, all of them, and what the figures rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.report.bill_rows import print_rows
from ragopt.report.cache_ranking import ranked_sentence, sum_sentence
from ragopt.report.cache_tables import NOTE, OFF, caches_table, orders_table
from ragopt.report.cache_text_prices import print_cache_prices
from ragopt.report.cache_words import (
    NOT_COUNTED,
    insufficient_sentence,
    log_sentence,
    notes,
    reasons,
    searched_sentence,
)
from ragopt.report.text import print_grid, print_list, say

if TYPE_CHECKING:
    from rich.console import Console

    from ragopt.cache.advice import CacheAdvice
    from ragopt.report.figure import Table

TITLES = ("cache", "for", "policy", "size", "TTL", "hits alone", "hits behind", "USD saved", "memory", "break-even")
"""Of the table of caches; `caches_table` has them in longer words, and how many items fit."""

BETWEEN = 2
"""Characters between two columns."""


def print_advice(advice: CacheAdvice, console: Console) -> None:
    """Print a whole advice: log, warnings, ranking, every cache, reasons, notes, prompt orders, prices.

    Args:
        advice: what to print; its texts are shown as they are, control characters spelt out.
        console: where to print; where it is too narrow for a table, each row becomes a list.
    """
    say(console, log_sentence(advice))
    if advice.trial:
        say(console, searched_sentence(advice))
    _print_warnings(advice, console)
    say(console, "")
    print_caches(advice, console)
    say(console, NOTE)
    print_list(console, "Why:", reasons(advice))
    if notes(advice):
        print_list(console, "Notes:", notes(advice))
    if advice.prompt_orders:
        _print_titled("Orders of the prompt, as a prefix cache finds them:", orders_table(advice), console)
    print_cache_prices(advice, console)


def print_cache_section(advice: CacheAdvice, console: Console) -> None:
    """Print what a report says of the caches: ranking, every cache, their risks, why some are off, warnings."""
    say(console, log_sentence(advice))
    print_caches(advice, console)
    told = notes(advice, on_only=True)
    if told:
        print_list(console, "What to know of the recommended caches:", told)
    off = reasons(advice, off_only=True)
    if off:
        print_list(console, "Not recommended:", off)
    _print_warnings(advice, console)


def print_caches(advice: CacheAdvice, console: Console) -> None:
    """Print the ranking and every cache: as a table where each figure has room, else as one list a cache."""
    if advice.insufficient:
        say(console, insufficient_sentence(advice), "bold red")
    say(console, ranked_sentence(advice), "bold green" if advice.recommended else "bold")
    say(console, sum_sentence(advice))
    say(console, "")
    cells = caches_table(advice).rows
    rows = [(name, use, policy, size, *figures) for name, use, policy, size, _, *figures in cells]
    if sum(max(map(len, column)) + BETWEEN for column in zip(TITLES, *rows, strict=True)) <= console.width:
        print_rows(TITLES, rows, console)
        return
    for row in cells:
        _print_cache(row, console)


def _print_cache(row: tuple[str, ...], console: Console) -> None:
    """Print a row of `caches_table` as a few folded lines."""
    name, use, policy, size, items, ttl, alone, hits, saved, memory, again = row
    on = "on, for latency, not money" if use == "latency" else f"on, for {use}"
    say(console, f"{name} cache: " + (OFF if use == OFF else on), "bold")
    kept = (policy, size, items and f"{items} item{'s' * (items != '1')}", ttl and f"TTL {ttl}")
    hit = (hits and f"hits {hits}", alone and f"alone {alone}")
    money = (saved and f"{'would save' if use == OFF else 'saves'} USD {saved} a month",
             memory and f"memory {'USD ' * (memory != NOT_COUNTED)}{memory}",
             again and f"break-even {again}")  # fmt: skip
    told = [", ".join(filter(None, facts)) for facts in (kept, hit, money)]
    print_grid(console, [(" ", line) for line in told if line])


def _print_warnings(advice: CacheAdvice, console: Console) -> None:
    if advice.warnings:
        print_list(console, "Warnings of the log and the prices:", advice.warnings)


def _print_titled(title: str, table: Table, console: Console) -> None:
    say(console, "")
    say(console, title, "bold")
    print_rows([column.title for column in table.columns], table.rows, console)
