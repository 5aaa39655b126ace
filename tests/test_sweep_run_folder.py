import json
import math
import re
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.errors import ArtifactError, InputError, StorageError
from ragopt.records import Bill, BillLine, IndexBytes, LatencyMs, Quality, Space, Trial, TrialResult
from ragopt.sweep.run_folder import (
    RECOMMENDATION_FILE,
    RUN_FILE,
    TRIALS_FILE,
    pretty_json,
    read_run,
    recommendation_json,
    trials_parquet,
    write_decision,
)
from tests.helpers import run_python
from tests.report_example import example_run, nothing_fits_run, two_model_run
from tests.resealed import reseal


def with_scores(run):
    """The example with per-query scores of both stages on its first trial."""
    scores = {
        "recall_vs_exact@10": np.array([1.0, 0.9, 0.7], dtype=np.float32),
        "selection/ndcg@10": np.array([0.1], dtype=np.float32),
    }
    return replace(run, trials=(replace(run.trials[0], per_query=scores), *run.trials[1:]))


def same(one, other):
    """Equal in everything, arrays included, which record equality leaves out."""
    assert one == other
    for mine, theirs in zip(one.trials, other.trials, strict=True):
        assert list(mine.per_query) == list(theirs.per_query)
        for name, scores in mine.per_query.items():
            assert scores.dtype == theirs.per_query[name].dtype == np.float32
            np.testing.assert_array_equal(scores, theirs.per_query[name])


@pytest.mark.parametrize("make", [example_run, two_model_run, nothing_fits_run])
def test_what_is_written_reads_back_equal(tmp_path, make):
    """A run with confirmed, estimated and unsuitable trials is the same after writing and reading."""
    run = replace(with_scores(make()), folder=str(tmp_path))
    write_decision(tmp_path, run)
    same(read_run(tmp_path), run)
    assert sorted(path.name for path in tmp_path.iterdir()) == [RECOMMENDATION_FILE, RUN_FILE, TRIALS_FILE]


FLOATS = st.floats(0, 1e9, allow_nan=False)
MONEY = st.decimals(0, 10**9, places=2)
QUALITIES = st.dictionaries(
    st.sampled_from(["recall_vs_exact@10", "ndcg@10", "mrr@10", "recall_vs_qrels@10"]),
    st.builds(Quality, FLOATS, FLOATS, FLOATS, st.integers(2, 10**6), st.none() | FLOATS),
)
LINES = st.builds(
    BillLine, st.text(max_size=9), MONEY, st.just("GB"), MONEY, MONEY, st.text(max_size=9), st.just("2026")
)
BILLS = st.builds(
    lambda amounts, lines: {
        target: Bill(target, *amounts, tuple(lines)) for target in ("faiss-ram", "faiss-ram-nvme")[: len(lines)]
    },
    st.tuples(MONEY, MONEY, MONEY),
    st.lists(LINES, max_size=2),
)
SCORES = st.dictionaries(
    st.sampled_from(["recall_vs_exact@10", "selection/ndcg@10"]),
    st.lists(st.floats(0, 1, width=32), max_size=4).map(lambda values: np.array(values, dtype=np.float32)),
)
RESULTS = st.lists(
    st.builds(
        TrialResult,
        trial=st.builds(
            Trial, st.just(Space("a|b @c", 8, "pca")), st.sampled_from(["SQ8", "PQ2np"]), st.just("nprobe=2")
        ),
        status=st.sampled_from(["estimated", "dropped", "unsuitable", "finalist", "recommended"]),
        reason=st.text(max_size=20),
        confirmed=st.booleans(),
        quality=QUALITIES,
        index_bytes=st.none() | st.builds(IndexBytes, FLOATS, st.integers(0, 10**12), FLOATS, st.integers(0, 10**15)),
        latency=st.none() | st.builds(LatencyMs, FLOATS, FLOATS, FLOATS, st.integers(1, 10**6)),
        upper_bound=st.booleans(),
        estimate_gap=st.none() | FLOATS,
        qps=st.none() | FLOATS,
        qps_all_cores=st.none() | FLOATS,
        cpu_ms_per_query=st.none() | FLOATS,
        cpu_ms_low=st.none() | FLOATS,
        cpu_ms_high=st.none() | FLOATS,
        train_seconds=st.none() | FLOATS,
        build_seconds=st.none() | FLOATS,
        bills=BILLS,
        per_query=SCORES,
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=40, deadline=None)
@given(results=RESULTS)
def test_any_trials_read_back_equal(tmp_path_factory, results):
    """Whatever was measured of a trial and whatever was not, in any mixture, survives the run folder."""
    folder = tmp_path_factory.mktemp("run")
    run = replace(example_run(), folder=str(folder), trials=tuple(results))
    write_decision(folder, run)
    again = read_run(folder)
    assert again.trials == run.trials
    for mine, theirs in zip(again.trials, run.trials, strict=True):
        assert {name: scores.tolist() for name, scores in mine.per_query.items()} == {
            name: scores.tolist() for name, scores in theirs.per_query.items()
        }


def test_writing_twice_gives_the_same_bytes(tmp_path):
    """The same run gives byte-identical files, and writing what was read changes nothing."""
    run = replace(with_scores(example_run()), folder=str(tmp_path))
    write_decision(tmp_path, run)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_decision(tmp_path, read_run(tmp_path))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def kinds(value, path=""):
    """Every leaf of a JSON value with its path."""
    if isinstance(value, dict):
        return [leaf for name, inner in value.items() for leaf in kinds(inner, f"{path}/{name}")]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in kinds(inner, path)]
    return [(path, value)]


def test_recommendation_json_has_the_promised_keys(tmp_path):
    """recommendation.json is schema 1 with the keys that readers rely on, at every level."""
    write_decision(tmp_path, example_run())
    found = json.loads((tmp_path / RECOMMENDATION_FILE).read_text(encoding="utf-8"))
    assert found["schema"] == 1
    assert set(found) >= {
        "status", "embedding", "index", "target", "cache", "quality", "latency_ms", "bill", "baseline",
        "saving_usd_per_month", "why", "runners_up",
    }  # fmt: skip
    assert found["embedding"] == {"model": "wordllama", "dim": 256, "reduction": "none"}
    assert found["index"]["factory"] == "PCAR128,PQ16np,Refine(SQfp16)"
    assert found["index"]["search"] == "k_factor_rf=25"
    assert set(found["index"]) >= {"ram_bytes_per_vector", "ram_fixed_bytes", "disk_bytes_per_vector"}
    assert set(found["quality"]["recall_vs_exact@10"]) == {"value", "low", "high", "n_queries", "estimated"}
    assert found["quality"]["ndcg@10"]["loss_vs_exact"] == {"value": 0.0011, "low": -0.0032, "high": 0.0054}
    assert set(found["latency_ms"]) >= {"p50", "p95", "p99"}
    assert set(found["bill"]) == {"usd_per_month", "usd_before_minimum", "low", "high", "lines", "notes"}
    line = {
        "part",
        "item",
        "formula",
        "quantity",
        "unit",
        "usd_per_unit",
        "usd",
        "source",
        "as_of",
        "caution",
        "undated",
    }
    assert all(set(one) == line for one in found["bill"]["lines"])
    assert set(found["baseline"]) >= {"label", "usd_per_month", "ram_bytes_per_vector"}
    assert found["cache"] is None


def test_money_is_written_as_decimal_strings(tmp_path):
    """Every amount is a string that is exactly the Decimal, the saving is their difference, no float is money."""
    run = example_run()
    write_decision(tmp_path, run)
    found = json.loads((tmp_path / RECOMMENDATION_FILE).read_text(encoding="utf-8"))
    money = [value for path, value in kinds(found) if path.rsplit("/", 1)[1].startswith(("usd", "saving", "quantity"))]
    assert len(money) > 10
    assert all(value is None or (isinstance(value, str) and str(Decimal(value)) == value) for value in money)
    expected = run.recommendation.baseline_bill.usd_per_month - run.recommendation.bill.usd_per_month
    assert found["saving_usd_per_month"] == str(expected)
    assert sum(Decimal(line["usd"]) for line in found["bill"]["lines"]) == Decimal(found["bill"]["usd_per_month"])


def test_recommendation_without_latency_or_loss():
    """What was not measured is null and absent, not zero."""
    bare = replace(example_run().recommendation, latency=None, loss_vs_exact={})
    found = recommendation_json(bare)
    assert found["latency_ms"] is None
    assert "loss_vs_exact" not in found["quality"]["ndcg@10"]


def test_trials_parquet_has_the_promised_columns(tmp_path):
    """trials.parquet has a row per trial in grid order and the columns that readers rely on."""
    run = with_scores(example_run())
    write_decision(tmp_path, run)
    table = pq.read_table(tmp_path / TRIALS_FILE)
    assert table["trial"].to_pylist() == [str(result.trial) for result in run.trials]
    figures = [
        f"{name}{end}" for name in ("recall_vs_exact@10", "ndcg@10") for end in ("", "_low", "_high", "_estimated")
    ]
    assert set(table.column_names) >= {
        "trial", "model", "dim", "reduction", "factory", "search", "status", "reason", *figures, "n_queries",
        "ram_bytes_per_vector", "ram_fixed_bytes", "disk_bytes_per_vector", "latency_p50_ms", "latency_p95_ms",
        "latency_p99_ms", "qps", "train_seconds", "build_seconds", "usd_per_month", "usd_per_month_faiss-ram",
        "usd_per_month_faiss-ram-nvme", "recall_vs_exact@10_scores",
    }  # fmt: skip
    row = table.to_pylist()[0]
    flat = run.trials[0]
    assert (row["factory"], row["recall_vs_exact@10"], row["n_queries"]) == ("Flat", 1.0, 1000)
    cheapest = min(bill.usd_per_month for bill in flat.bills.values())
    assert row["usd_per_month"] == str(cheapest)
    assert str(table.schema.field("recall_vs_exact@10_scores").type) == "list<element: float>"


def test_an_unfinished_run_is_no_run(tmp_path):
    """A folder without run.json is said to hold no finished run, with the command that makes one."""
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match=r"holds no finished run: run.json is missing.*ragopt sweep CORPUS --out"):
            read_run(folder)


def test_run_json_comes_last(tmp_path):
    """When writing stops in the middle, the folder holds no finished run, although an older one lay there."""
    run = replace(example_run(), folder=str(tmp_path))
    write_decision(tmp_path, run)
    with pytest.raises(ValueError, match="JSON"):
        write_decision(tmp_path, replace(run, info={**run.info, "seconds": {"embed": math.nan}}))
    assert not (tmp_path / RUN_FILE).exists()
    with pytest.raises(InputError, match="holds no finished run"):
        read_run(tmp_path)
    write_decision(tmp_path, run)
    times = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert max(times, key=times.__getitem__) == RUN_FILE


WRITE_ON_A_FULL_DISK = """
    import resource, sys
    from pathlib import Path
    from ragopt.errors import StorageError
    from ragopt.sweep.run_folder import write_decision
    from tests.report_example import example_run

    run = example_run()
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        write_decision(Path(sys.argv[1]), run)
    except StorageError as error:
        print(error)
"""


def test_a_full_disk_leaves_no_run(tmp_path):
    """When the disk is full, one message names the file and the option, and no half-written run is left."""
    answer = run_python(WRITE_ON_A_FULL_DISK, str(tmp_path))
    assert answer.returncode == 0, answer.stderr
    assert TRIALS_FILE in answer.stdout
    assert "--out" in answer.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_a_storage_error(tmp_path):
    """A run folder below a file cannot be written and says so."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Not a directory"):
        write_decision(tmp_path / "file" / "run", example_run())


def test_a_newer_schema_is_refused(tmp_path):
    """A run of a later version names its schema and the one that is read here."""
    write_decision(tmp_path, example_run())
    info = json.loads((tmp_path / RUN_FILE).read_text(encoding="utf-8"))
    (tmp_path / RUN_FILE).write_text(pretty_json({**info, "schema": 2}), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"run.json has schema 2. Allowed: 1. Read it with the version"):
        read_run(tmp_path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scribble(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    path.write_bytes(bytes(data))


def flip_one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(bytes(data))


def change(**values):
    def write(path: Path) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")

    return write


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (RUN_FILE, cut),
        (RUN_FILE, lambda path: path.write_text("[1]")),
        (RUN_FILE, lambda path: path.write_text("{}")),
        (RUN_FILE, lambda path: path.write_bytes(b"\xff")),
        (TRIALS_FILE, cut),
        (TRIALS_FILE, scribble),
        (TRIALS_FILE, flip_one_bit),
        (TRIALS_FILE, Path.unlink),
        (TRIALS_FILE, lambda path: path.write_bytes(b"")),
        (RECOMMENDATION_FILE, cut),
        (RECOMMENDATION_FILE, Path.unlink),
        (RECOMMENDATION_FILE, lambda path: path.write_text("{}")),
        (RECOMMENDATION_FILE, lambda path: path.write_text("null")),
        (RECOMMENDATION_FILE, change(quality=[])),
        (RECOMMENDATION_FILE, change(index={"factory": "SQ8"})),
        (RECOMMENDATION_FILE, change(bill={"usd_per_month": "a lot", "low": "1", "high": "1", "lines": []})),
        (RECOMMENDATION_FILE, change(bill={"usd_per_month": "1", "low": "1", "high": "1", "lines": ["x"]})),
    ],
)
def test_a_damaged_file_is_a_clear_error(tmp_path, name, damage):
    """A file that was cut, emptied, removed or changed gives one message that names the folder and what to do."""
    write_decision(tmp_path, example_run())
    damage(tmp_path / name)
    with pytest.raises(ArtifactError, match=r"The run in .* is damaged: .*Sweep again"):
        read_run(tmp_path)


@pytest.mark.parametrize("damage", [
    change(quality=[]),
    change(index={"factory": "SQ8"}),
    change(bill={"usd_per_month": "a lot", "low": "1", "high": "1", "lines": []}),
    lambda path: path.write_text("null"),
])  # fmt: skip
def test_a_file_that_never_was_a_recommendation_is_a_clear_error(tmp_path, damage):
    """Content that no sweep writes is one message too where its checksum is right."""
    write_decision(tmp_path, example_run())
    damage(tmp_path / RECOMMENDATION_FILE)
    reseal(tmp_path)
    with pytest.raises(ArtifactError, match=r"The run in .* is damaged: .*Sweep again"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        (RUN_FILE, change(k=5), "run.json was changed, it does not match its own SHA-256"),
        (RUN_FILE, change(sha256="0" * 64), "run.json was changed, it does not match its own SHA-256"),
        (RUN_FILE, change(sha256=None), "run.json has no checksums, so an earlier version"),
        (RUN_FILE, change(files=None), "run.json has no checksums"),
        (
            RECOMMENDATION_FILE,
            change(target="elsewhere"),
            "recommendation.json was changed, its SHA-256 is not the one",
        ),
        (RECOMMENDATION_FILE, Path.unlink, "recommendation.json is missing"),
        (TRIALS_FILE, flip_one_bit, "trials.parquet was changed"),
        (TRIALS_FILE, Path.unlink, "trials.parquet is missing"),
    ],
)
def test_a_changed_file_is_told_by_its_checksum(tmp_path, name, damage, said):
    """A single changed figure is noticed, and the message says in which file."""
    write_decision(tmp_path, example_run())
    damage(tmp_path / name)
    with pytest.raises(ArtifactError, match=re.escape(said)):
        read_run(tmp_path)


def test_run_json_may_be_laid_out_anew(tmp_path):
    """The checksum of run.json is of its content: other spaces and another order of keys change nothing."""
    write_decision(tmp_path, example_run())
    info = json.loads((tmp_path / RUN_FILE).read_text(encoding="utf-8"))
    (tmp_path / RUN_FILE).write_text(json.dumps(dict(reversed(info.items()))), encoding="utf-8")
    assert read_run(tmp_path).info == example_run().info


def test_pretty_json_is_for_people():
    """Two spaces, letters kept, a final newline; NaN is refused."""
    assert pretty_json({"a": "é", "b": [1]}) == '{\n  "a": "é",\n  "b": [\n    1\n  ]\n}\n'
    with pytest.raises(ValueError, match="JSON"):
        pretty_json(math.nan)


def test_parquet_of_trials_that_could_not_be_measured(tmp_path):
    """A table in which nothing was measured can be written and keeps the reasons."""
    lone = TrialResult(Trial.parse("m@8:none | PQ4np"), "unsuitable", "too few training rows")
    (tmp_path / TRIALS_FILE).write_bytes(trials_parquet([lone]))
    row = pq.read_table(tmp_path / TRIALS_FILE).to_pylist()[0]
    assert (row["status"], row["reason"], row["usd_per_month"]) == ("unsuitable", "too few training rows", None)
    assert asdict(lone)["index_bytes"] is None
