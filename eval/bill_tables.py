"""Write the tables of docs/method-bill.md from the code: workload fields, targets, price groups.

Usage: python eval/bill_tables.py. The text between `<!-- NAME -->` and `<!-- /NAME -->` is replaced, NAME being fields,
targets or prices.
"""

from __future__ import annotations

import re
from pathlib import Path

from ragopt.bill.price_book import PriceBook
from ragopt.bill.targets import TARGETS
from ragopt.bill.workload_fields import FIELDS, REQUIRED

PAGE = Path(__file__).parents[1] / "docs" / "method-bill.md"


def fields_table() -> str:
    """Every field of a workload: place, option, unit, default, reason, bounds."""
    rows = ["| field | option | unit | default | why this default | bounds |", "|---|---|---|---|---|---|"]
    for field in FIELDS.values():
        default = "" if field.default in (None, REQUIRED) else f"{field.default:,}" if isinstance(field.default, int) \
            else str(field.default)  # fmt: skip
        bounds = ", ".join(field.choices) if field.low is None else f"{field.low:,} to {field.high:,}"
        option = f"`{field.option}`" if field.option else ""
        rows.append(
            f"| {field.section}.{field.name} | {option} | {field.unit} | {default} | {field.reason} | {bounds} |"
        )
    return "\n".join(rows)


def targets_table() -> str:
    """Every target, what it is, and whether the measured index answers there."""
    rows = ["| target | what is kept where | serves the measured index |", "|---|---|---|"]
    rows += [f"| `{name}` | {target.summary} | {'yes' if target.serves_the_index else 'no, builds its own'} |"
             for name, target in TARGETS.items()]  # fmt: skip
    return "\n".join(rows)


def prices_table() -> str:
    """Every group of the price book: how many prices, where, and of which days."""
    rows = ["| group | prices | places | of |", "|---|---:|---|---|"]
    book = list(PriceBook.packaged())
    for group in sorted({price.group for price in book}):
        prices = [price for price in book if price.group == group]
        places = sorted({price.region if price.provider == price.group else f"{price.provider} {price.region}"
                         for price in prices})  # fmt: skip
        days = sorted({price.as_of for price in prices})
        days_text = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
        rows.append(f"| {group} | {len(prices)} | {', '.join(places)} | {days_text} |")
    return "\n".join(rows)


def page_with_tables(text: str) -> str:
    """The page with its three tables made anew."""
    for name, table in (("fields", fields_table()), ("targets", targets_table()), ("prices", prices_table())):
        pattern = rf"<!-- {name} -->\n.*?<!-- /{name} -->"
        whole = f"<!-- {name} -->\n{table}\n<!-- /{name} -->"
        text = re.sub(pattern, lambda _, whole=whole: whole, text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
