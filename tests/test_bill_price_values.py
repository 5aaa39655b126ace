"""Figures and sizes of prices are ones that a bill can count with: what would divide by nothing is refused."""

import datetime as dt
from decimal import Decimal

import pytest

from ragopt.bill.price_book import PriceBook
from ragopt.bill.price_values import SIZES, as_size, as_usd
from ragopt.errors import PriceError
from tests.cli import ragopt

BOOK = PriceBook.packaged()
ENTRY = """schema = 1
[[price]]
group = "vms"
provider = "aws"
region = "us-east-1"
item = "r7g.large"
unit = "hour"
usd = "{usd}"
as_of = 2026-11-01
source = "contract 17"
attributes = {{ {attributes} }}
"""
DIVIDE = ("bytes_per_unit", "documents_per_search", "iops_per_unit", "mb_per_s_per_unit", "ram_gib",
          "tokens_per_document", "vcpu")  # fmt: skip
MAY_BE_ZERO = ("gpus", "included_iops", "included_mb_per_s", "interruption_percent_high", "interruption_percent_low",
               "min_days", "min_object_bytes", "nvme_gb", "overhead_bytes", "overhead_standard_bytes",
               "retrieval_hours", "savings_percent")  # fmt: skip


def read(folder, *, usd="0.08", attributes=""):
    path = folder / "ours.toml"
    path.write_text(ENTRY.format(usd=usd, attributes=attributes))
    return BOOK.overridden(path, today=dt.date(2026, 11, 26)).price("aws", "us-east-1", "vms", "r7g.large")


def test_the_table_of_sizes_is_that_of_the_packaged_prices():
    """No size of the package is unknown, none in the table is unused, and every packaged one is in its bounds."""
    assert {name for price in BOOK for name in price.attributes} == set(SIZES)
    for price in BOOK:
        assert as_usd(f"{price.usd:f}") == price.usd
        for name, size in price.attributes.items():
            assert as_size(name, f"{size:f}") == size


@pytest.mark.parametrize("name", [*DIVIDE, "usd_per_month"])
@pytest.mark.parametrize("value", ["0", '"0"', '"0.0"', '"1e-400"', "-1", '"1e400"', '"NaN"', '"Infinity"', "1.5"])
def test_a_size_that_divides_is_above_zero(tmp_path, name, value):
    """Nothing, next to nothing, less than nothing, a billion of billions and a binary float are each one error."""
    with pytest.raises(PriceError, match=rf"Price 1 \(r7g\.large\) in ours\.toml has attributes\.{name} .*from 0?\d"):
        read(tmp_path, attributes=f"{name} = {value}")


@pytest.mark.parametrize("name", MAY_BE_ZERO)
def test_a_size_that_is_only_added_may_be_zero(tmp_path, name):
    """A VM without a disk, a volume without included reads, a tier without a least size."""
    assert read(tmp_path, attributes=f"{name} = 0").attributes[name] == 0
    assert {*DIVIDE, *MAY_BE_ZERO, "usd_per_month"} == set(SIZES)


def test_a_share_is_at_most_100_percent(tmp_path):
    """101 % of the VMs cannot be interrupted."""
    with pytest.raises(PriceError, match=r"interruption_percent_low 101. Allowed: .* from 0 to 100\."):
        read(tmp_path, attributes="interruption_percent_low = 101")


def test_an_unknown_size_is_refused_with_what_was_meant(tmp_path):
    """A misspelt size would leave the old one standing in silence."""
    with pytest.raises(PriceError, match=r"unknown size 'vcpus'.*did you mean 'vcpu'\? bytes_per_unit, "):
        read(tmp_path, attributes="vcpus = 4")
    with pytest.raises(PriceError, match=r"unknown size 'qqq'. Allowed: bytes_per_unit, "):
        read(tmp_path, attributes="qqq = 4")


@pytest.mark.parametrize("usd", ["0", "1e400", "1000000000.01", "1e-13", "0." + "1" * 29, "NaN", "-1", "1e99999999999"])
def test_a_price_has_a_size_that_prices_have(tmp_path, usd):
    """From a millionth of a millionth to a billion USD, in 28 digits at most."""
    with pytest.raises(PriceError, match=r"r7g\.large\) in ours\.toml has usd .*Allowed: a number from 1E-12 to"):
        read(tmp_path, usd=usd)


def test_the_largest_and_the_least_price_are_taken(tmp_path):
    """10^9 and 10^-12 USD are the ends."""
    assert read(tmp_path, usd="1000000000").usd == 10**9
    assert read(tmp_path, usd="0.000000000001").usd == Decimal("1E-12")


def test_an_integer_of_5000_digits_is_one_clear_error(tmp_path):
    """Python reads no such integer, which is not the user's concern."""
    with pytest.raises(PriceError, match=r"ours\.toml is not valid TOML"):
        read(tmp_path, attributes=f"vcpu = {'9' * 5000}")
    with pytest.raises(PriceError, match=r"attributes\.vcpu 9{40}\.\.\. Allowed"):
        read(tmp_path, attributes=f"vcpu = {'9' * 4000}")


@pytest.mark.parametrize("size", ['vcpu = "0"', "ram_gib = 0"])
def test_the_command_says_what_to_correct(tmp_path, size):
    """One message and exit code 1 where a bill used to divide by nothing."""
    path = tmp_path / "ours.toml"
    path.write_text(ENTRY.format(usd="0.08", attributes=size))
    done = ragopt("bill", "--vectors", "1M", "--dim", "64", "--prices", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"has attributes.{size.split()[0]}" in done.stderr
    assert "Traceback" not in done.stderr
