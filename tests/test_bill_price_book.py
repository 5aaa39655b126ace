"""The price book holds dated prices and never invents one."""

import datetime as dt
from decimal import Decimal

import pytest

from ragopt.bill.price_book import Price, PriceBook, renews, user_prices_folder
from ragopt.errors import PriceError

GOOD = """schema = 1
group = "vms"

[[price]]
provider = "acme"
region = "moon"
item = "big"
unit = "hour"
usd = "0.1071"
as_of = 2026-07-20
source = "https://acme.example/prices"
attributes = { vcpu = 2, ram_gib = 16 }
"""


def book_of(folder, text, name="vms.toml"):
    (folder / name).write_text(text, encoding="utf-8")
    return PriceBook.load(folder)


def price(**changes):
    fields = {
        "provider": "acme", "region": "moon", "group": "vms", "item": "big", "unit": "hour", "usd": Decimal("0.5"),
        "as_of": "2026-07-20", "source": "s",
    }  # fmt: skip
    return Price(**{**fields, **changes})


def test_known_prices_are_exact():
    """Figures are the published ones, as exact decimals."""
    book = PriceBook.packaged()
    assert book.price("aws", "us-east-1", "vms", "r7g.large").usd == Decimal("0.1071")
    assert book.price("aws", "us-east-1", "block_storage", "gp3-storage").usd == Decimal("0.08")
    assert book.price("aws", "us-east-1", "object_storage", "s3-standard-storage").usd == Decimal("0.023")
    biggest = max(book.instances("aws", "us-east-1"), key=lambda one: one.attribute("ram_gib"))
    assert (biggest.item, biggest.attribute("ram_gib")) == ("x2idn.16xlarge", 1024)


def test_a_missing_price_names_the_file_and_the_entry_to_fill():
    """No price is an error with the file, the fields to fill and what there is; never 0."""
    book = PriceBook([price(group="object_storage", item="standard-storage")])
    with pytest.raises(PriceError) as caught:
        book.price("acme", "moon", "object_storage", "glacier")
    assert str(caught.value) == (
        "No price for glacier at acme moon in ragopt/bill/prices/object_storage.toml. "
        "Allowed: items standard-storage. Choose one of these with --provider and --region, or give the price with "
        "--prices FILE: a [[price]] entry with group = 'object_storage', provider = 'acme', region = 'moon', "
        "item = 'glacier' and its unit, usd, as_of and source; for everybody, propose it in "
        "ragopt/bill/prices/object_storage.toml by a pull request."
    )


def test_an_unknown_region_says_which_there_are():
    """Asking for the VMs of a region that is not in the book names the regions that are."""
    with pytest.raises(PriceError, match=r"at aws eu-west-9 in .*vms\.toml\. Allowed: provider and region aws us-east"):
        PriceBook.packaged().instances("aws", "eu-west-9")


def test_stale_warns_once_for_each_file_and_date():
    """91 days are too old and 90 are not; two prices of one date are one warning."""
    book = PriceBook(
        [price(item="a"), price(item="b"), price(item="c", as_of="2026-10-19"), price(item="d", as_of="2026-10-18")]
    )
    assert book.stale(dt.date(2026, 10, 18)) == ()
    (warning,) = book.stale(dt.date(2026, 10, 19))
    assert warning == (
        "2 prices (a to b) of acme moon in ragopt/bill/prices/vms.toml: 91 days old (as of 2026-07-20, over 90). "
        "Renew them with `ragopt prices refresh` where a public price page has them, give your own with --prices FILE, "
        "or correct that file by a pull request."
    )
    assert [warning[:2] for warning in book.stale(dt.date(2027, 1, 17))] == ["2 ", "d "]


def test_a_file_reads_back_as_written(tmp_path):
    """Each field of a [[price]] entry arrives in the record, money as an exact decimal."""
    only = next(iter(book_of(tmp_path, GOOD)))
    assert only == price(usd=Decimal("0.1071"), source="https://acme.example/prices", attributes=only.attributes)
    assert dict(only.attributes) == {"vcpu": 2, "ram_gib": 16}
    with pytest.raises(PriceError, match=r"has no attribute 'gpu'\. Fill attributes\.gpu of item 'big' in .*vms\.toml"):
        only.attribute("gpu")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('usd = "0.1071"', "usd = 0.1071", r"Price 1 \(big\) in vms.toml has usd 0.1071"),
        ('usd = "0.1071"', 'usd = "0"', "has usd '0'"),
        ('usd = "0.1071"', 'usd = "-1"', "has usd '-1'"),
        ('usd = "0.1071"', 'usd = "free"', "has usd 'free'"),
        ('usd = "0.1071"', 'usd = "NaN"', "has usd 'NaN'"),
        ('usd = "0.1071"\n', "", "has no usd. Fill the field usd in"),
        ("as_of = 2026-07-20", 'as_of = "July"', "has as_of 'July'"),
        ("as_of = 2026-07-20\n", "", "has no as_of"),
        ('source = "https://acme.example/prices"', 'source = " "', "has source ' '"),
        ('unit = "hour"', "unit = 1", "has unit 1"),
        ('unit = "hour"', 'unit = "hour"\nurl = "x"', "has an unknown field 'url'"),
        ('unit = "hour"', 'unit = "hour"\nundated = "yes"', "has undated 'yes'. Allowed: true or false"),
        ("vcpu = 2", 'vcpu = "two"', "has attributes.vcpu 'two'"),
        ("vcpu = 2", "vcpu = true", "has attributes.vcpu True"),
        ("{ vcpu = 2, ram_gib = 16 }", "7", "has attributes 7"),
        ("schema = 1", "schema = 2", "vms.toml has schema 2"),
        ('group = "vms"', 'group = "disks"', "and group 'disks'"),
        ("[[price]]", "[price]", "no list of tables"),
        ("[[price]]", "[[price", "vms.toml is not valid TOML"),
    ],
)
def test_a_broken_file_is_one_clear_error(tmp_path, old, new, message):
    """Whatever is wrong in a price file is named with its entry and field."""
    assert old in GOOD
    with pytest.raises(PriceError, match=message):
        book_of(tmp_path, GOOD.replace(old, new))


def test_two_prices_for_one_thing_are_refused():
    """A book that disagrees with itself is an error that shows both figures."""
    with pytest.raises(PriceError, match=r"prices acme moon big twice: 0\.5 and 0\.6 USD"):
        PriceBook([price(), price(usd=Decimal("0.6"))])


def test_an_empty_folder_is_refused(tmp_path):
    """A folder without price files is no price book."""
    with pytest.raises(PriceError, match="There is no price file"):
        PriceBook.load(tmp_path)


@pytest.mark.parametrize(
    ("as_of", "caution", "known_as_of", "known_caution", "expected"),
    [
        ("2026-11-20", "", "2026-11-19", "", True),
        ("2026-11-20", "", "2026-11-20", "", True),
        ("2026-11-20", "", "2026-11-21", "", False),
        ("2026-11-20", "", "2026-11-21", "an undated copy", True),
        ("2026-11-20", "an estimate", "2026-11-21", "an undated copy", False),
        ("2026-11-20", "an estimate", "2026-11-21", "", False),
        ("2026-11-20", "an estimate", "2026-11-19", "", True),
    ],
)
def test_a_page_replaces_what_is_not_later(as_of, caution, known_as_of, known_caution, expected):
    """The later day wins, the page at a tie; an undated copy gives way to a page without caution at any date."""
    known = price(as_of=known_as_of, caution=known_caution)
    assert renews(price(as_of=as_of, caution=caution), known) is expected


def test_an_undated_price_gives_way_to_a_dated_page():
    """At any date, even where both have a caution; it does not replace a later reading of its own kind."""
    known = price(as_of="2026-11-26", caution="an undated copy", undated=True)
    assert renews(price(as_of="2026-11-20", caution="an estimate"), known)
    assert not renews(price(as_of="2026-11-20", caution="an undated copy", undated=True), known)


def test_the_user_folder_lies_over_the_package(tmp_path, monkeypatch):
    """A refreshed price of a later day replaces the package's; an older one and other prices do not; --prices wins."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    package = PriceBook.packaged().price("aws", "us-east-1", "vms", "r7g.large")
    folder = user_prices_folder()
    assert folder == tmp_path / "ragopt" / "prices"
    folder.mkdir(parents=True)

    def refreshed(usd, as_of):
        text = GOOD.replace("acme", "aws").replace("moon", "us-east-1").replace('"big"', '"r7g.large"')
        (folder / "vms.toml").write_text(text.replace("0.1071", usd).replace("2026-07-20", as_of))
        return PriceBook.load()

    assert package.usd == Decimal("0.1071")
    later = refreshed("0.12", "2026-11-20")
    assert later.price("aws", "us-east-1", "vms", "r7g.large").usd == Decimal("0.12")
    assert refreshed("0.12", "2020-01-01").price("aws", "us-east-1", "vms", "r7g.large") == package
    mine = tmp_path / "mine.toml"
    mine.write_text((folder / "vms.toml").read_text().replace('group = "vms"\n', "").replace(
        "[[price]]", '[[price]]\ngroup = "vms"').replace("0.12", "0.09"))  # fmt: skip
    refreshed("0.12", "2026-11-20")
    book = PriceBook.load(overrides=mine)
    assert book.price("aws", "us-east-1", "vms", "r7g.large").usd == Decimal("0.09")


@pytest.mark.parametrize(
    ("group", "advice"),
    [
        ("rerankers", "Name one of these as PROVIDER:NAME in reranking.reranker, or give"),
        ("token_prices", "Name one of these as PROVIDER:NAME, or give"),
    ],
)
def test_a_model_is_chosen_by_its_name(group, advice):
    """The region of a model is global: the names are listed with their providers, and where they are written."""
    known = [price(group=group, provider="acme", region="global", item=item) for item in ("two", "one")]
    with pytest.raises(PriceError) as caught:
        PriceBook([*known, price()]).price("nobody", "global", group, "three")
    assert caught.value.allowed == "acme:one, acme:two"
    assert caught.value.next_step.startswith(advice)
    with pytest.raises(PriceError, match="none yet"):
        PriceBook([price()]).price("nobody", "global", group, "three")
