"""The bill's documentation is what the program says: tables and sample bills are made again and compared."""

import datetime as dt
import importlib.util
import re
import sys
from pathlib import Path

import pytest

from ragopt.bill.targets import TARGETS

ROOT = Path(__file__).parent.parent


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "eval" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_tables_come_from_the_code():
    """Fields, targets and price groups of docs/method-bill.md are those of the code."""
    page = (ROOT / "docs" / "method-bill.md").read_text(encoding="utf-8")
    assert script("bill_tables").page_with_tables(page) == page


def test_printed_tables_are_those_of_the_program():
    """README's table of `ragopt bill` and the speeds beside the embedding decision are made again and compared."""
    module = script("bill_page")
    for page, (name, part) in module.PAGES.items():
        text = page.read_text(encoding="utf-8")
        assert module.with_part(text, name, part()) == text, page.name


def test_sample_bills_are_those_of_the_program():
    """Three workloads at every target, made again for the day that the page names: nothing changes."""
    page = (ROOT / "docs" / "sample-bills.md").read_text(encoding="utf-8")
    today = dt.date.fromisoformat(re.search(r"on (\d{4}-\d\d-\d\d) with the prices", page)[1])
    assert script("sample_bills").page(today) == page


@pytest.mark.parametrize("plan", ["bill-100k.toml", "bill-10m.toml", "bill-1b.toml"])
def test_every_sample_names_every_target(plan):
    """Each target stands in each section, with a bill or with the reason why it has none."""
    module = script("sample_bills")
    page = (ROOT / "docs" / "sample-bills.md").read_text(encoding="utf-8")
    title = next(one.title for one in module.SAMPLES if one.plan == plan)
    part = page.partition(f"## {title}\n")[2].partition("\n## ")[0]
    for name in TARGETS:
        assert re.search(rf"^(\| {name}°?†? \||- {name}: )", part, flags=re.MULTILINE), (plan, name)
