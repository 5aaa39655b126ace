"""A file of the user's own prices does what it says, or is refused with what to correct; it never does nothing."""

import dataclasses
import datetime as dt
import os
from decimal import Decimal
from types import MappingProxyType

import pytest

from ragopt.bill.lines import make_line
from ragopt.bill.price_book import PriceBook, user_prices_folder
from ragopt.bill.vendor_rules import read_rules, rules_files
from ragopt.errors import PriceError

BOOK = PriceBook.packaged()
TODAY = dt.date(2026, 11, 26)


def entry(**changes):
    """One [[price]] entry: of r7g.large, which the package prices, but for the changes; None leaves a field out."""
    fields = {
        "group": "vms", "provider": "aws", "region": "us-east-1", "item": "r7g.large", "unit": "hour", "usd": "0.08",
        "as_of": dt.date(2026, 11, 1), "source": "contract 17",
    }  # fmt: skip
    lines = [f"{name} = {value}" if not isinstance(value, str) or value.startswith("{") else f'{name} = "{value}"'
             for name, value in {**fields, **changes}.items() if value is not None]  # fmt: skip
    return "\n".join(["[[price]]", *lines, ""])


def own(folder, *entries):
    path = folder / "ours.toml"
    path.write_text("schema = 1\n\n" + "\n".join(entries), encoding="utf-8")
    return path


def overridden(folder, *entries, today=TODAY):
    return BOOK.overridden(own(folder, *entries), today=today)


@pytest.mark.parametrize(
    ("group", "guess"), [("vm", "did you mean 'vms'?"), ("pincone", "did you mean 'pinecone'?"), ("nonsense", "")]
)
def test_an_unknown_group_is_refused_with_all_that_there_are(tmp_path, group, guess):
    """A group that no bill reads would leave the old price standing in silence."""
    with pytest.raises(PriceError) as caught:
        overridden(tmp_path, entry(group=group))
    assert f"ours.toml has the group {group!r}" in caught.value.failed
    assert caught.value.allowed.startswith(guess)
    groups = caught.value.allowed.removeprefix(guess).strip().split(", ")
    vendors = {file.name.removesuffix(".toml") for file in rules_files()}
    assert set(groups) == {price.group for price in BOOK} | vendors
    # Vendors that publish no price have a group all the same: it is the user who fills it.
    assert "qdrant-cloud" in groups


@pytest.mark.parametrize("group", ["vms", "gpu_vms", "spot", "vms_1_year"])
def test_vms_are_priced_by_the_hour(tmp_path, group):
    """A new entry per month would be billed 730 times."""
    with pytest.raises(
        PriceError, match=r"ours\.toml prices aws us-east-1 x9g\.huge per 'month'\. Allowed: per 'hour'"
    ):
        overridden(tmp_path, entry(group=group, item="x9g.huge", unit="month"))
    assert overridden(tmp_path, entry(group=group, item="x9g.huge")).price("aws", "us-east-1", group, "x9g.huge")


@pytest.mark.parametrize(
    ("group", "item", "refused", "taken"),
    [
        ("object_storage", "new-tier-put", "GB-month", "1k requests"),
        ("object_storage", "new-tier-storage", "1k requests", "GiB-month"),
        ("object_storage", "new-tier-retrieval", "GB-month", "GB"),
        ("block_storage", "io9-iops", "hour", "IOPS-month"),
        ("block_storage", "pd-new", "month", "GiB-month"),
        ("network", "other-egress", "TB", "GB"),
        ("rerankers", "rerank-9", "1k searches", "search"),
        ("rerankers", "rerank-9", "1M input tokens", "1M tokens"),
        ("token_prices", "embed-9", "1M tokens", "1M input tokens"),
        ("token_prices", "chat-9:output:batch", "1M input tokens", "1M output tokens"),
        ("token_prices", "chat-9:cache_read", "1M output tokens", "1M cache read tokens"),
    ],
)  # fmt: skip
def test_a_new_price_has_a_unit_that_bills_count_in(tmp_path, group, item, refused, taken):
    """Each group's units are those of its packaged prices; storage items by their last word, tokens by their kind."""
    place = {"provider": "acme", "region": "moon", "group": group, "item": item}
    with pytest.raises(PriceError, match=f"per {refused!r}"):
        overridden(tmp_path, entry(**place, unit=refused))
    assert overridden(tmp_path, entry(**place, unit=taken)).price("acme", "moon", group, item).unit == taken


def test_every_price_of_the_package_would_be_taken_from_a_file(tmp_path):
    """In another region, so as a new price: no unit, item or group of ours is refused to the user."""
    entries = [
        entry(group=one.group, provider=one.provider, region="elsewhere", item=one.item, unit=one.unit) for one in BOOK
    ]
    book = overridden(tmp_path, *entries)
    assert len(list(book)) == 2 * len(list(BOOK))


def test_a_replaced_price_keeps_its_unit(tmp_path):
    """A unit that the group knows elsewhere is not enough."""
    with pytest.raises(PriceError, match=r"per 'disk-month'\. Allowed: per 'GB-month', as the price that it replaces"):
        overridden(tmp_path, entry(group="block_storage", item="gp3-storage", unit="disk-month"))


def test_a_vendor_sells_what_its_rules_count(tmp_path):
    """An item, a provider or a unit that the rules do not have is refused, with the nearest that they have."""
    place = {"group": "pinecone", "provider": "pinecone", "region": "aws-eu-west-1", "unit": "1M read units"}
    with pytest.raises(PriceError, match=r"has the item 'read-unit' of group 'pinecone'.*did you mean 'read-units'"):
        overridden(tmp_path, entry(**place, item="read-unit"))
    with pytest.raises(PriceError, match=r"has the provider 'aws' of group 'pinecone'.*Allowed: pinecone"):
        overridden(tmp_path, entry(**{**place, "provider": "aws"}, item="read-units"))
    with pytest.raises(PriceError, match=r"per '1k read units'\. Allowed: per '1M read units', which bills count in"):
        overridden(tmp_path, entry(**{**place, "unit": "1k read units"}, item="read-units"))
    assert overridden(tmp_path, entry(**place, item="read-units"))


def test_prices_that_a_vendor_leaves_to_the_user_are_taken(tmp_path):
    """Every item of every [user_supplied] table, in its unit."""
    supplied = [(rules.name, item, unit) for rules in map(read_rules, rules_files())
                for item, unit in rules.user_supplied.items()]  # fmt: skip
    assert ("qdrant-cloud", "ram", "GiB-hour") in supplied
    entries = [entry(group=name, provider=name, region="global", item=item, unit=unit) for name, item, unit in supplied]
    assert len(list(overridden(tmp_path, *entries))) == len(list(BOOK)) + len(supplied)


def test_a_price_of_tomorrow_is_refused(tmp_path):
    """As of today is the latest that a price can be known to be true, in a file and in the user's folder."""
    assert overridden(tmp_path, entry(as_of=TODAY))
    with pytest.raises(
        PriceError, match=r"ours\.toml has as_of 2026-11-27 for aws us-east-1 r7g\.large\. Allowed: a day"
    ):
        overridden(tmp_path, entry(as_of=TODAY + dt.timedelta(1)))
    folder = tmp_path / "prices"
    folder.mkdir()
    text = f'schema = 1\ngroup = "vms"\n\n{entry(group=None, as_of=TODAY + dt.timedelta(1))}'
    (folder / "vms.toml").write_text(text)
    with pytest.raises(PriceError, match=r"prices/vms\.toml has as_of 2026-11-27"):
        BOOK.refreshed(folder, today=TODAY)
    assert BOOK.refreshed(folder, today=TODAY + dt.timedelta(1))


def test_without_a_day_the_clock_decides(tmp_path):
    """The default is today, UTC: the year 9999 is refused on any day that this test runs."""
    with pytest.raises(PriceError, match="has as_of 9999-01-01"):
        BOOK.overridden(own(tmp_path, entry(as_of=dt.date(9999, 1, 1))))


def test_a_new_figure_keeps_the_sizes_of_the_price_it_replaces(tmp_path):
    """Usd alone leaves 2 vCPU and 16 GiB; vcpu = 4 replaces that key and leaves the other."""
    plain = overridden(tmp_path, entry()).price("aws", "us-east-1", "vms", "r7g.large")
    assert (plain.usd, dict(plain.attributes)) == (Decimal("0.08"), {"vcpu": 2, "ram_gib": 16, "nvme_gb": 0})
    book = overridden(tmp_path, entry(attributes="{ vcpu = 4 }"))
    assert dict(book.price("aws", "us-east-1", "vms", "r7g.large").attributes) == {
        "vcpu": 4, "ram_gib": 16, "nvme_gb": 0
    }  # fmt: skip
    assert book.instances("aws", "us-east-1")


@pytest.mark.parametrize(("group", "restated"), [("vms_1_year", "usd_per_month"), ("spot", "savings_percent")])
def test_what_restates_the_old_figure_goes_with_it(tmp_path, group, restated):
    """A month of a committed VM and the saving of a spot one were true of the old price; its other sizes stay."""
    there = next(price for price in BOOK if price.group == group and restated in price.attributes)
    place = {"provider": there.provider, "region": there.region, "group": group, "item": there.item}
    found = overridden(tmp_path, entry(**place)).price(*place.values())
    assert set(found.attributes) == set(there.attributes) - {restated}


def test_a_missing_size_names_the_users_own_file(tmp_path):
    """A new VM without RAM is to be completed where it was written, not in the package."""
    path = own(tmp_path, entry(item="r9g.new", attributes="{ vcpu = 2 }"))
    book = BOOK.overridden(path, today=TODAY)
    with pytest.raises(PriceError) as caught:
        book.instances("aws", "us-east-1")
    assert caught.value.next_step == f"Fill attributes.ram_gib of item 'r9g.new' in {path}"
    with pytest.raises(PriceError, match=r"in ragopt/bill/prices/vms\.toml"):
        BOOK.price("aws", "us-east-1", "vms", "r7g.large").attribute("gpus")
    with pytest.raises(PriceError, match=r"ours\.toml prices aws us-east-1 r7g\.large twice"):
        overridden(tmp_path, entry(), entry(usd="0.09"))


def test_where_a_price_stands_does_not_make_it_another(tmp_path):
    """The file is carried, also through a factor, and not compared."""
    price = overridden(tmp_path, entry()).price("aws", "us-east-1", "vms", "r7g.large")
    assert price.file.endswith("ours.toml")
    assert price.times(Decimal(2)).file == price.file
    assert dataclasses.replace(price, file="") == price


def test_undated_goes_with_the_price_and_onto_the_line(tmp_path):
    """Said in an own file it is kept, times a factor too; a line carries it."""
    price = overridden(tmp_path, entry(undated="{").replace("undated = {", "undated = true")).price(
        "aws", "us-east-1", "vms", "r7g.large"
    )
    assert price.undated
    assert price.times(Decimal(2)).undated
    assert make_line("x", Decimal(1), price, part="compute", formula="").undated
    # The package's own price of the same VM is dated.
    assert not BOOK.price("aws", "us-east-1", "vms", "r7g.large").undated


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([entry(), entry(item="r7g.xlarge"), entry(item="r7g.larg")],
         "2 prices replaced, 1 added (aws us-east-1 vms r7g.larg)"),
        ([entry()], "1 price replaced"),
        ([entry(item=f"new{n}") for n in range(5)],
         "5 prices added (aws us-east-1 vms new0, aws us-east-1 vms new1, aws us-east-1 vms new2 and 2 more)"),
        ([], "no prices"),
    ],
)  # fmt: skip
def test_the_book_tells_what_a_file_did(tmp_path, entries, told):
    """A misspelt item is a price added, which its user did not mean to: it is named."""
    assert overridden(tmp_path, *entries).told == (f"ours.toml: {told}",)
    assert BOOK.told == ()


def test_the_book_tells_what_came_from_the_users_folder(tmp_path, monkeypatch):
    """Two of three prices count, one is older than the package's; the day is that of writing the file."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = user_prices_folder()
    folder.mkdir(parents=True)
    entries = [entry(group=None, item="r7g.large"), entry(group=None, item="r7g.xlarge"),
               entry(group=None, item="r7gd.2xlarge", as_of=dt.date(2020, 1, 1))]  # fmt: skip
    file = folder / "vms.toml"
    file.write_text('schema = 1\ngroup = "vms"\n\n' + "\n".join(entries))
    written = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC).timestamp()
    os.utime(file, (written, written))
    assert PriceBook.load(today=TODAY).told == ("2 prices from the user's folder (refreshed 2026-11-20)",)
    both = PriceBook.load(overrides=own(tmp_path, entry()), today=TODAY)
    assert both.told[1:] == ("ours.toml: 1 price replaced",)
    assert both.over([BOOK.price("aws", "us-east-1", "vms", "r7g.large")]).told == both.told
    file.write_text(file.read_text().replace("2026-11-01", "2020-01-01"))
    assert PriceBook.load(today=TODAY).told == ()


def test_a_refreshed_price_keeps_its_sizes_and_names_its_file(tmp_path):
    """A file of the folder that lacks RAM is named with its path."""
    folder = tmp_path / "prices"
    folder.mkdir()
    (folder / "vms.toml").write_text(f'schema = 1\ngroup = "vms"\n\n{entry(group=None, item="r9g.new")}')
    with pytest.raises(PriceError, match=rf"in {folder}/vms\.toml"):
        BOOK.refreshed(folder, today=TODAY).instances("aws", "us-east-1")


def test_attributes_of_a_price_cannot_be_changed(tmp_path):
    """Inherited sizes are as frozen as read ones."""
    price = overridden(tmp_path, entry()).price("aws", "us-east-1", "vms", "r7g.large")
    assert isinstance(price.attributes, MappingProxyType)
