"""A run keeps the prices that are not the package's own, and is billed with them again."""

import dataclasses
import json
from decimal import Decimal

import pytest

from ragopt.bill.kept_prices import book_with, own_prices
from ragopt.bill.price_book import PriceBook
from tests.cli import ragopt, small_sweep
from tests.resealed import reseal

BOOK = PriceBook.packaged()


def test_own_prices_survive_json():
    """One price changed, one added: both come back equal over the packaged book, and nothing else is kept."""
    vm = BOOK.price("aws", "us-east-1", "vms", "r7g.large")
    cheap = dataclasses.replace(vm, usd=Decimal("0.0500"), source="contract", caution="until 2027")
    new = dataclasses.replace(vm, item="x9.large", usd=Decimal("0.07"))
    book = BOOK.over([cheap, new])
    kept = json.loads(json.dumps(own_prices(book)))
    assert [one["item"] for one in kept] == ["r7g.large", "x9.large"]
    again = book_with(kept)
    assert set(again) == set(book)
    assert again.price("aws", "us-east-1", "vms", "r7g.large") == cheap
    assert own_prices(BOOK) == []


@pytest.fixture(scope="module")
def negotiated(tmp_path_factory):
    """A run swept with a VM at a tenth of its price, and the folder of its price file."""
    folder = tmp_path_factory.mktemp("negotiated")
    (folder / "ours.toml").write_text(
        'schema = 1\n[[price]]\ngroup = "vms"\nprovider = "aws"\nregion = "us-east-1"\nitem = "c7g.medium"\n'
        'unit = "hour"\nusd = "0.0036"\nas_of = 2026-11-01\nsource = "contract"\n'
        "attributes = { vcpu = 1, ram_gib = 2, nvme_gb = 0 }\n"
    )
    done = ragopt(*small_sweep(folder), "--prices", "ours.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_run_is_billed_with_its_own_prices_wherever_one_stands(negotiated, tmp_path):
    """From another folder, without the file: the bill is recommendation.json's, and `recommend` works too."""
    decided = json.loads((negotiated / "run" / "recommendation.json").read_text())
    assert Decimal(decided["bill"]["usd_per_month"]) < 10
    done = ragopt("bill", negotiated / "run", "--target", decided["target"], "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    [target] = json.loads(done.stdout)["targets"]
    assert {name: target[name] for name in decided["bill"]} == decided["bill"]
    done = ragopt("recommend", negotiated / "run", "--min-recall", "0.6", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert Decimal(json.loads(done.stdout)["bill"]["usd_per_month"]) < 10


def test_todays_prices_are_taken_when_asked_for(negotiated):
    """--current-prices bills the run with the book as it is: the list price of the VM again."""
    done = ragopt("bill", negotiated / "run", "--target", "faiss-ram", "--current-prices", "--json")
    assert done.returncode == 0, done.stderr
    assert Decimal(json.loads(done.stdout)["targets"][0]["usd_per_month"]) > 25


def test_a_bill_that_is_no_longer_the_decisions_is_told(negotiated, tmp_path):
    """Where formulas or packaged prices have changed since, the difference is a warning."""
    folder = tmp_path / "older"
    folder.mkdir()
    for file in (negotiated / "run").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    decided = json.loads((folder / "recommendation.json").read_text())
    decided["bill"]["usd_per_month"] = "1.23"
    (folder / "recommendation.json").write_text(json.dumps(decided))
    reseal(folder)
    done = ragopt("bill", folder, "--json")
    assert done.returncode == 0, done.stderr
    assert "recommendation.json bills faiss-ram at USD 1.23" in json.loads(done.stdout)["warnings"][0]
