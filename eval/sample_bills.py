"""Write docs/sample-bills.md: three workloads, the bill of every target, and one line of reasoning for each.

    python eval/sample_bills.py                     # prints the page for today's date
    python eval/sample_bills.py --write             # writes docs/sample-bills.md

The workloads lie in eval/plans/bill-*.toml; `ragopt bill --workload` takes them too. The date decides how old prices
are, and so how wide the ranges are; everything else is the same on every day.
"""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path
from typing import NamedTuple

from ragopt.bill.described import describe_by_factory
from ragopt.bill.price_book import PriceBook
from ragopt.bill.reasoning import reason_of
from ragopt.bill.whole_bill import WholeBill, bill_everywhere
from ragopt.bill.workload import Workload
from ragopt.bill.workload_file import read_workload_file
from ragopt.report.bill_text import marks_of

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "sample-bills.md"


class Sample(NamedTuple):
    """A workload file and the index that FAISS would serve it with."""

    title: str
    plan: str
    dim: int
    factory: str
    search: str


SAMPLES = (
    Sample("100 thousand vectors", "bill-100k.toml", 384, "PQ64x4fs,Refine(SQ8)", "k_factor_rf=10"),
    Sample("10 million vectors", "bill-10m.toml", 1024, "IVF4096,PQ64np,Refine(SQfp16)", "nprobe=32,k_factor_rf=10"),
    Sample("1 billion vectors", "bill-1b.toml", 1024, "IVF65536,PQ64np,Refine(SQ8)", "nprobe=64,k_factor_rf=10"),
)

HEAD = """# Sample bills

Written by `python eval/sample_bills.py --write` on {today} with the prices inside the package; do not edit by hand.

Three workloads at every target that can be billed, cheapest first. **in use** is a month before a minimum is filled up
and without the share of what is paid once; the range is the middle 95 % of 256 draws ([method](method-range.md)).
° marks a vendor that builds an index of its own: its recall was not measured, so its bill alone chooses nothing.
† marks a bill that needs the vendor's consent: the workload exceeds a limit that the vendor lifts on request.
FAISS targets serve the index named above each table; its size and scan time are by formula
([method](method-bill.md)), not by a sweep of your corpus.
"""


def sample_bill(sample: Sample, today: dt.date) -> WholeBill:
    """Bill one sample everywhere."""
    given = read_workload_file(ROOT / "eval" / "plans" / sample.plan)
    workload = Workload(**given)
    footprint = describe_by_factory(sample.factory, sample.dim, sample.search, workload.n_vectors, k=workload.k)
    return bill_everywhere(footprint, workload, PriceBook.packaged(), given=frozenset(given), today=today)


def section(sample: Sample, whole: WholeBill) -> str:
    """One workload as a section of the page."""
    told = "; ".join(text.partition(" (")[0] for text in whole.workload.describe())
    rows = [
        f"| {bill.target}{marks_of(bill)} | {bill.usd_per_month:,} | "
        f"{bill.low:,} to {bill.high:,} | {bill.usd_before_minimum:,} | {reason_of(bill)} |"
        for bill in whole.targets
    ]
    served = (
        f"FAISS index: `{sample.factory}`, `{sample.search}`. Besides, at every target: USD "
        f"{whole.shared_usd_per_month:,} a month for the chunk text."
    )
    missing = [f"- {name}: {reason.partition('. ')[0].rstrip('.')}." for name, reason in whole.not_billed.items()]
    return "\n".join([
        f"## {sample.title}", "",
        f"{sample.dim} dimensions; {told}.", "",
        served, "",
        "| target | USD a month | 95 % range | in use | why |", "|---|---:|---:|---:|---|", *rows, "",
        "Not billed:", "", *missing, "",
    ])  # fmt: skip


def page(today: dt.date) -> str:
    """The whole page."""
    return HEAD.format(today=today) + "".join("\n" + section(one, sample_bill(one, today)) for one in SAMPLES)


def main() -> None:
    """Print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--date", type=dt.date.fromisoformat, default=dt.datetime.now(tz=dt.UTC).date())
    told = parser.parse_args()
    text = page(told.date)
    if told.write:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
