"""What is written reads back equal."""

import string
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.bill.price import Price
from ragopt.bill.price_file import read_prices
from ragopt.bill.refresh.writing import price_file_text, renew_file
from ragopt.errors import PriceError
from tests.price_server import price

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(str.strip)
# As fine and as large as refreshed prices are written, see quoting.FINEST and MOST_USD.
money = st.decimals(min_value=Decimal("1E-12"), max_value=10**6, places=12)
sizes = st.integers(0, 2**80).map(Decimal) | st.decimals(0, 10**6, places=4)
prices = st.builds(
    Price,
    provider=texts,
    region=texts,
    group=st.just("vms"),
    item=texts,
    unit=texts,
    usd=money,
    as_of=st.dates().map(str),
    source=texts,
    attributes=st.dictionaries(texts | st.text(string.ascii_letters, min_size=1), sizes, max_size=3).map(
        MappingProxyType
    ),
    caution=st.just("") | texts,
    undated=st.booleans(),
)


@given(st.lists(prices, max_size=4))
def test_any_prices_read_back_equal(tmp_path_factory, some):
    """Quotes, control characters, backslashes and long figures survive; attributes are compared too."""
    path = tmp_path_factory.mktemp("prices") / "vms.toml"
    path.write_text(price_file_text("vms", some), encoding="utf-8", newline="")
    back = read_prices(path)
    assert back == some
    assert [dict(one.attributes) for one in back] == [dict(one.attributes) for one in some]


def test_a_file_is_as_the_package_writes_it():
    """Money in quotes, dates bare, whole sizes as numbers, others in quotes, no field without content."""
    one = price("big", "1E-7", "hour", group="vms", attributes={"vcpu": Decimal(2), "ram_gib": Decimal("0.50")})
    assert price_file_text("vms", [one]).split('group = "vms"\n')[1] == (
        '\n[[price]]\nprovider = "aws"\nregion = "us-east-1"\nitem = "big"\nunit = "hour"\nusd = "0.0000001"\n'
        'as_of = 2026-07-10\nsource = "https://example.org/old"\nattributes = { vcpu = 2, ram_gib = "0.50" }\n'
    )


def test_renewing_keeps_the_other_prices_of_the_file(tmp_path):
    """One price is replaced, one added, one stays; the order is that of their names, whatever the order of writing."""
    renew_file(tmp_path, "vms", [price("b", "2", "hour", group="vms"), price("a", "1", "hour", group="vms")])
    path = renew_file(tmp_path, "vms", [price("c", "3", "hour", group="vms"), price("b", "5", "hour", group="vms")])
    assert [(one.item, one.usd) for one in read_prices(path)] == [("a", 1), ("b", 5), ("c", 3)]
    assert [file.name for file in tmp_path.iterdir()] == ["vms.toml"]


def test_a_file_that_cannot_be_read_is_left_as_it_is(tmp_path):
    """A broken file of the user is named, not overwritten."""
    path = tmp_path / "vms.toml"
    path.write_text("broken = [")
    with pytest.raises(PriceError, match=r"vms\.toml is not valid TOML"):
        renew_file(tmp_path, "vms", [price("a", "1", "hour", group="vms")])
    assert path.read_text() == "broken = ["
