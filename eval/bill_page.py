"""Write what the program prints into pages: the table of `ragopt bill` in README.md, speeds in method-decisions.md.

Usage: python eval/bill_page.py. The text between `<!-- bill -->` and `<!-- /bill -->`, and between
`<!-- embedding-speed -->` and `<!-- /embedding-speed -->`, is replaced.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import re
from decimal import Decimal
from pathlib import Path

from rich.console import Console

from ragopt.bill.decisions.embedding import SelfHosting, decide_embedding
from ragopt.bill.described import describe_by_bytes
from ragopt.bill.price_book import PriceBook
from ragopt.bill.whole_bill import bill_everywhere
from ragopt.bill.workload import Workload
from ragopt.report.bill_text import print_targets

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "eval" / "results"
BILLED_ON = dt.date(2026, 11, 26)
"""Ranges widen with the age of prices: the page shows those of one day."""


ABOUT_SPEEDS = (
    "Measured (`eval/embedding_speed.py`, all-MiniLM-L6-v2 on SciFact, tokenizing included), against "
    "openai:text-embedding-3-small at its standard price; the VM type is the nearest that the price book has:"
)
SPEED_COLUMNS = ("machine", "VM type billed", "tokens a second", "USD per million tokens, by the hour",
                 "always on breaks even at tokens a day", "one VM embeds a day")  # fmt: skip


def bill_table() -> str:
    """The table that the README's first command prints, on 80 columns."""
    workload = Workload(10_000_000, metadata_bytes=1024, queries_per_month=1_000_000)
    given = frozenset({"n_vectors", "metadata_bytes", "queries_per_month"})
    footprint = describe_by_bytes(4096.0, 0.0, 1024, workload.n_vectors)
    whole = bill_everywhere(footprint, workload, PriceBook.packaged(), given=given, today=BILLED_ON)
    out = io.StringIO()
    print_targets(whole, Console(file=out, width=80, highlight=False))
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    return "\n".join([f"On {BILLED_ON} its table read:", "", "```text", *lines, "```"])


def speed_table() -> str:
    """Measured speeds of all-MiniLM-L6-v2, and the break-even of each machine against an API."""
    rows = [ABOUT_SPEEDS, "", f"| {' | '.join(SPEED_COLUMNS)} |", "|---|---|---:|---:|---:|---:|"]
    book = PriceBook.packaged()
    for path in sorted(RESULTS.glob("*-embedding-speed-*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        best = max(one["tokens_per_second"] for one in result["measured"])
        hosting = SelfHosting(result["billed_vm"], "aws", "us-east-1", Decimal(round(best)))
        found = decide_embedding("openai:text-embedding-3-small", hosting, 10_000_000, book,
                                 when=dt.datetime.combine(BILLED_ON, dt.time(), dt.UTC))  # fmt: skip
        machine = result["machine"]
        name = machine["gpu"] or f"{machine['cpu']}, {machine['n_cores']} cores"
        even = found.break_even_tokens_per_day
        cells = (name, result["billed_vm"], f"{best:,.0f}", f"{found.vm_usd_per_million:.4f}",
                 "never" if even is None else f"{even:,.0f}", f"{found.capacity_tokens_per_day:,.0f}")  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def with_part(text: str, name: str, part: str) -> str:
    """A page with the text between a pair of marks replaced."""
    whole = f"<!-- {name} -->\n{part}\n<!-- /{name} -->"
    return re.sub(rf"<!-- {name} -->\n.*?<!-- /{name} -->", lambda _: whole, text, flags=re.DOTALL)


PAGES = {
    ROOT / "README.md": ("bill", bill_table),
    ROOT / "docs" / "method-decisions.md": ("embedding-speed", speed_table),
}


if __name__ == "__main__":
    for page, (name, part) in PAGES.items():
        page.write_text(with_part(page.read_text(encoding="utf-8"), name, part()), encoding="utf-8")
