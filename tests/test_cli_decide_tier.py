"""`ragopt decide tier` as its users run it, at prices of their own."""

import json

import pytest

from tests.cli import ragopt
from tests.storage_prices import storage_prices


@pytest.fixture(scope="module")
def prices(tmp_path_factory):
    """Every AWS price of the tests' book as a file of overrides."""
    file = tmp_path_factory.mktemp("prices") / "mine.toml"
    entries = ["schema = 1"]
    for price in storage_prices():
        if price.provider != "aws":
            continue
        attributes = ", ".join(f"{name} = {value}" for name, value in price.attributes.items())
        entries.append(
            f'[[price]]\nprovider = "{price.provider}"\nregion = "{price.region}"\ngroup = "{price.group}"\n'
            f'item = "{price.item}"\nunit = "{price.unit}"\nusd = "{price.usd}"\nas_of = {price.as_of}\n'
            f'source = "{price.source}"\nattributes = {{ {attributes} }}'
        )
    file.write_text("\n\n".join(entries))
    return file


def test_json_alone_with_money_as_text(prices):
    """1T is 10^12 bytes: 931.32 GB in Glacier Instant x 0.004 = 3.73, 93.13 x 0.03 = 2.79, gets 100 k x 0.01 = 1.00."""
    done = ragopt("decide", "tier", "--document-bytes", "1T", "--reads-per-month", "0.1", "--prices", prices, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    decision = json.loads(done.stdout)
    assert (decision["tier"], decision["usd_per_month"]) == ("s3-glacier-instant", "7.52")
    assert decision["document_bytes"] == 10**12
    assert [line["usd"] for line in decision["bills"][0]["lines"]] == ["3.73", "1.00", "2.79"]
    assert decision["break_evens"][0]["hotter"] == "s3-standard-ia"


def test_the_table_ends_with_the_sentence(prices):
    """Without --json: every tier, break-evens, what answers too late, lines with sources, then the sentence."""
    done = ragopt("decide", "tier", "--document-bytes", "1T", "--reads-per-month", "0.1", "--prices", prices)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split("  ")[0] == "tier"
    assert "s3-deep-archive: its first byte takes up to 12 hours, more than 0" in lines
    assert any(line.startswith("Break-even: 0.") and "between s3-glacier-instant and s3-standard-ia" in line
               for line in lines)  # fmt: skip
    assert lines[-1].startswith("1.0 TB read 0.1 times a month are cheapest in s3-glacier-instant for aws us-east-1")


def test_an_unknown_provider_is_one_clear_error():
    """A provider without tiers: exit code 1 and those that there are."""
    done = ragopt("decide", "tier", "--document-bytes", "1G", "--reads-per-month", "1")
    assert done.returncode == 2
    assert "'1G' is not a number" in done.stderr
    done = ragopt("decide", "tier", "--document-bytes", "1B", "--reads-per-month", "1", "--provider", "oracle")
    assert (done.returncode, done.stdout) == (1, "")
    assert "No storage tiers are known for provider 'oracle'. Allowed: aws, azure, cloudflare, gcp" in done.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [("--document-bytes", "9" * 20), ("--reads-per-month", "9" * 20), ("--writes-per-month", "1e19")],
)
def test_a_figure_out_of_its_bounds_is_one_clear_error(option, value):
    """Exit code 1 and one line with the option, what was given and what is allowed."""
    done = ragopt("decide", "tier", "--document-bytes", "1T", "--reads-per-month", "1", option, value)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"ragopt: {option} is ")
    assert "Allowed: " in done.stderr
