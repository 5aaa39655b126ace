"""Options that more than one command takes, defined once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class DecimalType(click.ParamType[Decimal]):
    """An exact decimal number; money is never a float."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Read a decimal number, or fail as a usage error."""
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            self.fail(f"{value!r} is not a number.", param, ctx)
        if not number.is_finite():
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class CountType(click.ParamType[int]):
    """A whole number that may end in k, M or B: 10M is ten million."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a count, or fail as a usage error."""
        text = str(value).strip()
        factor = {"k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9}.get(text[-1:], 1)
        digits = text[:-1] if factor > 1 else text
        try:
            number = Decimal(digits) * factor
        except InvalidOperation:
            self.fail(f"{value!r} is not a count; write it like 250000, 250k or 10M.", param, ctx)
        if not number.is_finite() or number != int(number):
            self.fail(f"{value!r} is not a whole number.", param, ctx)
        return int(number)


def _apply(decorators: list[Decorator], function: Callable[..., Any]) -> Callable[..., Any]:
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def limit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Limits and objective: what a recommendation has to meet, and what is least."""
    return _apply(
        [
            click.option("--min-recall", type=float, default=0.95, show_default=True,
                         help="Least lower 95 % bound of recall_vs_exact@k."),
            click.option("--min-ndcg-ratio", type=float, default=None,
                         help="Least lower 95 % bound of nDCG@10 over exact search's, on paired queries."),
            click.option("--max-p99-ms", type=float, default=None, help="Most milliseconds of p99 search latency."),
            click.option("--max-usd", type=DecimalType(), default=None, help="Most USD a month."),
            click.option("--objective", type=click.Choice(["usd", "ram"]), default="usd", show_default=True,
                         help="usd: least bill, ties within 1 % go to fewer RAM bytes. ram: fewest RAM code bytes."),
        ],
        function,
    )  # fmt: skip


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give the flag that prints recommendation.json and nothing else on standard output."""
    return click.option("--json", "as_json", is_flag=True,
                        help="Print recommendation.json, and nothing else, on standard output.")(function)  # fmt: skip


def prices_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give the option for a file of prices over the book's; the command gets it as `prices`."""
    return click.option("--prices", type=click.Path(path_type=Path), default=None, metavar="FILE",
                        help="Prices that replace others or add to them: negotiated rates.")(function)  # fmt: skip
