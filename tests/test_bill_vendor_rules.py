"""Vendor files: complete, dated, and refused with file, table and key where they are not right."""

import datetime as dt

import pytest

from ragopt.bill.price_file import read_prices
from ragopt.bill.targets import TARGETS
from ragopt.bill.vendor_formulas import _COUNTED, _EACH
from ragopt.bill.vendor_quantities import COUNTED, EACH
from ragopt.bill.vendor_rules import read_rules, rules_files, used_items
from ragopt.bill.vendor_target import load_vendors
from ragopt.errors import PriceError

FILES = {file.name.removesuffix(".toml"): file for file in rules_files()}


@pytest.mark.parametrize("name", FILES)
def test_every_price_of_a_vendor_is_used_and_dated(name):
    """A vendor's prices are those that its rules use, under its own name, each with a page and a day."""
    prices, rules = read_prices(FILES[name]), read_rules(FILES[name])
    assert {price.item for price in prices} | set(rules.user_supplied) == set(used_items(rules))
    for price in prices:
        assert price.provider == price.group == name
        assert price.region == rules.region
        assert price.source.startswith("https://")
        assert dt.date(2024, 1, 1) < dt.date.fromisoformat(price.as_of) <= dt.date(2026, 11, 23)


@pytest.mark.parametrize("name", FILES)
def test_every_limit_names_a_page(name):
    """What is refused is refused with the page that says so."""
    for limit in read_rules(FILES[name]).limits:
        assert limit.source.startswith("https://")
        assert dt.date.fromisoformat(limit.as_of) <= dt.date(2026, 11, 26)


def test_vendors_are_read_once_and_are_the_targets():
    """The files are read once a process; each vendor is a target under its file's name."""
    assert load_vendors() is load_vendors()
    assert [target.name for target in load_vendors()] == list(FILES)
    assert all(TARGETS[target.name] is target for target in load_vendors())


def test_everything_counted_has_its_formula():
    """What a file may count can be written out beside its line."""
    assert list(_COUNTED) == list(COUNTED)
    assert list(_EACH) == list(EACH)


def changed(folder, name, old, new):
    """A vendor's file with something in it changed."""
    text = FILES[name].read_text(encoding="utf-8")
    assert old in text
    file = folder / f"{name}.toml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("turbopuffer", "[latency]", "[speed]\nx = 1\n[latency]",
         r"turbopuffer\.toml has an unknown key 'speed'\. Allowed: vendor, memory, latency, user_supplied, capacity"),
        ("turbopuffer", "minimum = ", "minimun = ", r"vendor of .*turbopuffer\.toml has an unknown key 'minimun'"),
        ("turbopuffer", "stored = 4", "stored = 4\nbits = 8", r"\[\[scalar\]\] 1 of .* has an unknown key 'bits'"),
        ("turbopuffer", "most = 10752", "most = 10752\nper = 1", r"\[\[limit\]\] 1 of .* has an unknown key 'per'"),
        ("turbopuffer", 'counts = "indexed_bytes"', 'counts = "indexed_bytes"\ntier = 1',
         r"\[\[charge\]\] 1 of .* unknown key 'tier'\. Allowed: each, item, part, what, counts, per, included, hours"),
        ("turbopuffer", "floor = 1_280_000_000", "least = 1", r"\[\[charge\]\] 3 each of .* unknown key 'least'"),
        ("turbopuffer", "up_to = 32_000_000_000", "to = 3", r"tiers\]\] 1 of .* unknown key 'to'"),
        ("turbopuffer", "least_bytes = 10_000", "floor = 1", r"\[\[write\]\] 1 \[\[charge\]\] 1 of .* key 'floor'"),
        ("azure-ai-search", "sizes = [1, 2, 3]", "size = 1", r"\[\[option\]\] 1 of .* unknown key 'size'"),
        ("azure-ai-search", "memory_bytes = 5_368_709_120", "ram = 1", r"option\]\] 1 holds of .* unknown key 'ram'"),
        ("azure-ai-search", "sizes = [1, 2, 3]", "sizes = [1, 3, 2]", "Allowed: ascending numbers"),
        ("turbopuffer", 'counts = "indexed_bytes"', 'counts = "bytes"', "has counts 'bytes'. Allowed: stored_bytes, "),
        ("turbopuffer", 'part = "storage"', 'part = "minimum"', "has part 'minimum'. Allowed: compute, memory, "),
        ("turbopuffer", "stored = 4", "stored = 4.0", r"has stored 4\.0\. Allowed: a whole number, or a decimal in"),
        ("turbopuffer", "stored = 4", "stored = 0", "has stored 0. Allowed: .* above 0"),
        ("turbopuffer", "stored = 4\n", "", "has no stored. Fill stored in ragopt/bill/vendors/turbopuffer.toml"),
        ("turbopuffer", "up_to = 128_000_000_000", "up_to = 5", "Allowed: ascending up_to, none on the last tier"),
        ("zilliz", "[768_000_000, 15]", "[768_000_000, 35]", "Allowed: at least two pairs, ascending"),
        ("zilliz", "[768_000_000, 15]", "[768_000_000]", "Allowed: a list of pairs"),
        ("zilliz", "free = true", "", r"\[\[write\]\] 2 of .* has 0 charges and free = false"),
        ("zilliz", 'path = "upsert"', 'path = "bulk"', "has the write paths bulk, bulk"),
        ("zilliz", 'name = "float32"', 'name = "int8"', "stores int8. Allowed: .*finest first, float32 among them"),
        ("zilliz", "as_of = 2026-11-26", 'as_of = "today"', "has as_of 'today'. Allowed: a date like"),
        ("topk", 'item = "storage"\npart', 'item = "stored"\npart',
         r"\[\[charge\]\] of .*topk\.toml uses the price 'stored', which is not in the file\. Allowed: queries, st"),
        ("pinecone", 'minimum = "minimum"', 'minimum = "floor"', r"\[vendor\] minimum of .* uses the price 'floor'"),
        ("pinecone", "replaced_again = true", "replaced_again = 1", "has replaced_again 1. Allowed: true, false"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_one_clear_error(tmp_path, name, old, new, message):
    """An unknown key, a wrong figure or a missing price names file, table, key and what is allowed."""
    with pytest.raises(PriceError, match=message):
        read_rules(changed(tmp_path, name, old, new))
