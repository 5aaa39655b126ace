"""`ragopt bill` and `ragopt workload init` as their users run them."""

import json
from decimal import Decimal

import faiss
import numpy as np
import pytest

import ragopt
from ragopt.bill.targets import TARGETS
from tests.cli import ragopt as run_ragopt
from tests.cli import small_sweep

BARE = ("bill", "--vectors", "10M", "--dim", "1024", "--metadata-bytes", "1024", "--queries-per-month", "1M")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """One small finished run."""
    folder = tmp_path_factory.mktemp("swept")
    done = run_ragopt(*small_sweep(folder))
    assert done.returncode == 0, done.stderr
    return folder / "run"


def told(*arguments, **more):
    done = run_ragopt(*arguments, "--json", **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_without_a_run_every_target_has_its_bill():
    """The command of the documentation: S3 Vectors 99.4 USD before minimums, lines that sum to each total."""
    found = {target["name"]: target for target in told(*BARE, "--bytes", "4096", "--target", "all")["targets"]}
    assert abs(Decimal(found["s3-vectors"]["usd_before_minimum"]) - Decimal("99.4")) < Decimal("0.1")
    for target in found.values():
        assert Decimal(target["usd_per_month"]) == sum(Decimal(line["usd"]) for line in target["lines"])


def test_the_table_fits_80_columns():
    """On a plain terminal no target's row is folded and the mark of an own index is explained."""
    done = run_ragopt(*BARE, COLUMNS="80")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("opensearch-serverless° ") for line in lines)
    assert "builds an index of its own: its recall was not measured" in done.stdout


def test_the_bill_of_a_run_is_that_of_its_recommendation(run_folder):
    """recommendation.json and the command tell the same bill: total, range, every line, every note."""
    decided = json.loads((run_folder / "recommendation.json").read_text(encoding="utf-8"))
    found = {target["name"]: target for target in told("bill", run_folder)["targets"]}
    ours = found[decided["target"]]
    assert {name: ours[name] for name in decided["bill"]} == decided["bill"]


def test_the_api_and_the_command_agree(run_folder):
    """`ragopt.bill` gives the targets of the command in the same order at the same price."""
    whole = ragopt.bill(run_folder, workload={"queries_per_month": 2_000_000})
    found = told("bill", run_folder, "--queries-per-month", "2M")
    assert [(bill.target, str(bill.usd_per_month)) for bill in whole.targets] == [
        (target["name"], target["usd_per_month"]) for target in found["targets"]
    ]


def test_the_reasons_of_a_recommendation_speak_of_the_bill(run_folder):
    """They say whether the decision flips inside the range, and name a vendor that bills less."""
    why = " ".join(json.loads((run_folder / "recommendation.json").read_text(encoding="utf-8"))["why"])
    assert "within 1 % of the least bill" in why
    assert "it builds an index of its own, whose recall and latency were not measured here" in why


def test_a_workload_file_goes_under_the_options(tmp_path):
    """The file's figures are taken, --set goes over them, an option of its own over both."""
    file = tmp_path / "w.toml"
    assert run_ragopt("workload", "init", file).returncode == 0
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("# n_vectors = 10_000_000", 'n_vectors = "2M"').replace("# k = 10", "k = 5"))
    found = told("bill", "--workload", file, "--dim", "64", "--set", "k=7", "--set", "horizon_months=6",
                 "--vectors", "3M")["workload"]  # fmt: skip
    assert (found["n_vectors"], found["k"], found["horizon_months"]) == (3_000_000, 7, 6)


def test_an_existing_workload_file_is_kept(tmp_path):
    """`init` does not write over a file that somebody filled in; --force does."""
    file = tmp_path / "w.toml"
    file.write_text("[corpus]\nn_vectors = 5\n")
    done = run_ragopt("workload", "init", file)
    assert done.returncode == 1
    assert "exists already" in done.stderr
    assert file.read_text() == "[corpus]\nn_vectors = 5\n"
    assert run_ragopt("workload", "init", file, "--force").returncode == 0


def test_lines_months_and_tornado_are_printed():
    """Every line with formula, source and date; a row a month; what moves the bill, at both ends."""
    done = run_ragopt(*BARE, "--target", "weaviate", "--by-month", "--tornado", "--set",
                      "growth_vectors_per_month=1M", "--set", "horizon_months=3", COLUMNS="200")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "= " in done.stdout
    assert "as of 2026-10-07" in done.stdout
    assert [line.split()[:2] for line in done.stdout.splitlines() if line.split()[1:2] == ["12,000,000"]] == [
        ["3", "12,000,000"]
    ]
    assert "What moves weaviate" in done.stdout
    assert "prices of weaviate" in done.stdout


def test_negotiated_prices_go_over_the_book(tmp_path):
    """Half of the list price of a dimension halves that line; another unit is refused, and so is another currency."""
    before = told(*BARE, "--target", "weaviate")["targets"][0]
    line = next(one for one in before["lines"] if one["part"] == "memory")
    usd = str(Decimal(line["usd_per_unit"]) / 2)
    entry = (
        'schema = 1\n[[price]]\ngroup = "weaviate"\nprovider = "weaviate"\nregion = "{region}"\nitem = "dimensions"\n'
        'unit = "{unit}"\nusd = "{usd}"\nas_of = 2026-11-26\nsource = "our contract"\n'
    )
    file = tmp_path / "ours.toml"
    price = next(one for one in json.loads(run_ragopt("prices", "--group", "weaviate", "--json").stdout)["prices"]
                 if one["item"] == "dimensions")  # fmt: skip
    file.write_text(entry.format(region=price["region"], unit=price["unit"], usd=usd))
    after = told(*BARE, "--target", "weaviate", "--prices", file)["targets"][0]
    halved = next(one for one in after["lines"] if one["part"] == "memory")
    assert abs(Decimal(halved["usd"]) * 2 - Decimal(line["usd"])) <= Decimal("0.01")
    assert halved["source"] == "our contract"
    file.write_text(entry.format(region=price["region"], unit="month", usd=usd))
    done = run_ragopt(*BARE, "--prices", file)
    assert done.returncode == 1
    assert "per 'month'. Allowed: per " in done.stderr
    file.write_text(entry.format(region=price["region"], unit=price["unit"], usd=usd) + 'currency = "EUR"\n')
    done = run_ragopt(*BARE, "--prices", file)
    assert (done.returncode, "unknown field 'currency'" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("bill", "--dim", "8"), "The number of vectors is not known. Give --vectors"),
        (("bill", "--vectors", "10"), "The dimension of the vectors is not known. Give --dim"),
        (("bill", "--vectors", "10", "--dim", "8", "--bytes", "-4"), "--bytes is -4.0 bytes per vector"),
        (("bill", "--vectors", "10", "--dim", "8", "--region", "mars-1"), "No price for"),
        (("bill", "--vectors", "10", "--dim", "8", "--queries-per-month", "-1"), "--queries-per-month is -1."),
        (("bill", "--vectors", "10", "--dim", "8", "--set", "k=0"), "--set k is 0. Allowed: a whole number from 1"),
        (("bill", "--vectors", "10", "--dim", "8", "--set", "kk=1"), "names no field of a workload"),
        (
            ("bill", "--vectors", "10", "--dim", "8", "--target", "pinecon"),
            "Unknown target 'pinecon'. Allowed: faiss-ram",
        ),
        (("bill", "--vectors", "10", "--dim", "8", "--bytes", "nan"), "--bytes is nan bytes per vector"),
        (("bill", "--vectors", "10", "--dim", "8", "--disk-bytes", "inf"), "--disk-bytes is inf bytes per vector"),
        (("bill", "--vectors", "10", "--dim", "999999999"), "--dim is 999999999. Allowed: a whole number from 1"),
        (("bill", "--vectors", "10", "--dim", "8", "--set", "growth_vectors_per_month=1e5000"), "'1e5000'. Allowed: a"),
        (("bill", "--vectors", "10", "--dim", "8", "--set", "k"), "--set 'k' gives no value"),
        (("bill", "--vectors", "10", "--dim", "8", "--search", "nprobe=4"), "says nothing without --factory"),
        (("bill", "--vectors", "10", "--dim", "8", "--factory", "IVF16,PQ4np"), "How many of the 16 lists"),
        (("bill", "--vectors", "10", "--dim", "8", "--factory", "IVF16,PQ4np", "--search", "nprobe=17"), "more lists"),
        (("bill", "--vectors", "10", "--dim", "8", "--seed", "-1"), "--seed is -1"),
        (("bill", "nowhere"), "nowhere holds neither a finished run"),
        (("bill", "--vectors", "10", "--dim", "8", "--prices", "none.toml"), "Cannot read prices from none.toml"),
        (("bill", "--vectors", "10", "--dim", "8", "--trial", "x"), "names a trial of no run"),
    ],
)
def test_a_slip_is_one_clear_error(arguments, said):
    """One message, exit code 1, no traceback, nothing on standard output."""
    done = run_ragopt(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plain_faiss_file_is_billed_by_its_size(tmp_path):
    """1,000 x 16 float32 values are 64 bytes a vector and a header; its dimension is read from it."""
    index = faiss.IndexFlatL2(16)
    index.add(np.zeros((1000, 16), dtype=np.float32))
    faiss.write_index(index, str(tmp_path / "plain.faiss"))
    found = told("bill", tmp_path / "plain.faiss", "--target", "faiss-ram")
    assert found["index"]["dim"] == 16
    assert 64 <= found["index"]["ram_bytes_per_vector"] < 65
    assert found["n_vectors_billed"] == 1000


def test_targets_are_named_in_one_place():
    """Every target has a name of its own that its bill carries, and a sentence."""
    assert all(name == target.name and target.summary for name, target in TARGETS.items())


@pytest.mark.parametrize("name", ["moves.png", "moves.svg"])
def test_the_chart_draws_what_moves_the_cheapest_bill(tmp_path, name):
    """--chart writes a picture of that suffix, whose bars are the inputs that --tornado prints."""
    done = run_ragopt(*BARE, "--tornado", "--chart", tmp_path / name)
    assert done.returncode == 0, done.stderr
    assert f"Chart: {tmp_path / name}" in done.stderr
    drawn = (tmp_path / name).read_bytes()
    assert drawn.startswith(b"\x89PNG" if name.endswith(".png") else b"<svg")
    if name.endswith(".svg"):
        told = [line[2:].split(":")[0] for line in done.stdout.splitlines() if line.startswith("- ") and "; " in line]
        assert told
        assert all(words in drawn.decode() for words in told)


def test_a_chart_of_another_suffix_is_refused(tmp_path):
    """The error names the file and the suffixes that can be drawn, and nothing is written."""
    done = run_ragopt(*BARE, "--chart", tmp_path / "moves.gif")
    assert done.returncode == 1
    assert "Cannot draw moves.gif. Allowed: .png or .svg" in done.stderr
    assert not list(tmp_path.iterdir())
