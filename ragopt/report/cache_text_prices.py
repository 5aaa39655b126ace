"""The prices of a cache advice in the terminal: a list, so that an address stays in one piece and can be opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.report.text import say
from ragopt.report.words import number_text, shown

if TYPE_CHECKING:
    from decimal import Decimal

    from rich.console import Console

    from ragopt.cache.advice import CacheAdvice


def print_cache_prices(advice: CacheAdvice, console: Console) -> None:
    """Print the price of RAM and those of the work that a hit spares: formula, source, caution, a line each."""
    memory = advice.memory
    say(console, "")
    say(console, "Prices used:", "bold")
    _print_price(f"a GB of RAM for a month, on {shown(memory.vm)}", memory.usd_per_gb_month, memory.as_of, console)
    _print_from(memory.formula, memory.source, "", console)
    for one in advice.prices:
        _print_price(shown(one.what), one.usd, one.as_of, console)
        _print_from(one.formula, one.source, one.caution, console)


def _print_price(what: str, usd: Decimal, as_of: str, console: Console) -> None:
    say(console, f"- {what}: USD {number_text(usd)}, as of {shown(as_of)}")


def _print_from(formula: str, source: str, caution: str, console: Console) -> None:
    for text in filter(None, (formula, source, caution and f"caution: {caution}")):
        _say_whole(console, f"  {shown(text)}")


def _say_whole(console: Console, text: str) -> None:
    """Print text folded between words only: an address longer than the terminal is wide is not broken by us."""
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    console.print(Text(text, overflow="ignore"), overflow="ignore", crop=False)
