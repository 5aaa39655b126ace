"""`ragopt decide target` as its users run it."""

import json

import pytest

from tests.cli import ragopt, small_sweep

ARGUMENTS = ("decide", "target", "--dim", "256", "--bytes", "64", "--cpu-ms", "0.2", "--target", "faiss-ram",
             "--vectors-from", "1M", "--vectors-to", "100M")  # fmt: skip


def test_json_alone_with_money_as_text():
    """--json prints one object; at 1 M vectors of 64 B one small VM and its volume are billed."""
    done = ragopt(*ARGUMENTS, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    decision = json.loads(done.stdout)
    first = decision["result"]["points"][0]
    assert (first["at"], first["leader"]) == (1_000_000, "faiss-ram")
    assert isinstance(first["usd"]["faiss-ram"], str)
    assert decision["sentence"] == "From 1 M to 100 M vectors the cheapest target is faiss-ram throughout."


def test_the_table_ends_with_the_sentence_and_the_chart_is_drawn(tmp_path):
    """Without --json: bills at both ends, reasons, notes, the sentence; --chart writes a picture of that suffix."""
    for name, start in (("crossover.png", b"\x89PNG"), ("crossover.svg", b"<svg")):
        done = ragopt(*ARGUMENTS, "--target", "faiss-ram-nvme", "--chart", tmp_path / name)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / name).read_bytes().startswith(start)
    lines = done.stdout.splitlines()
    assert "Without a bill: faiss-ram-nvme: the index has no rescoring tier to keep out of RAM" in lines
    assert lines[-1] == "From 1 M to 100 M vectors the cheapest target is faiss-ram throughout."


def test_queries_can_grow_instead():
    """--by queries bills 10 M vectors at a growing number of queries."""
    done = ragopt(*ARGUMENTS[:-4], "--by", "queries", "--queries-from", "100k", "--queries-to", "10M", "--json")
    assert done.returncode == 0, done.stderr
    decision = json.loads(done.stdout)
    assert decision["by"] == "queries"
    assert [decision["result"]["points"][i]["at"] for i in (0, -1)] == [100_000, 10_000_000]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--vectors-to", "1M"), "The range is 1,000,000 to 1,000,000"),
        (("--target", "fais"), "Unknown target 'fais'"),
        (("--dim", "0"), "--dim is 0. Allowed: a whole number from 1 to 65,536"),
        (("--chart", "crossover.gif"), "Cannot draw crossover.gif. Allowed: .png or .svg"),
    ],
)
def test_bad_input_is_one_clear_error(change, message, tmp_path):
    """An empty range, an unknown target, a dimension of 0 and a picture of another kind: exit code 1, one line."""
    done = ragopt(*ARGUMENTS, *change, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_runs_index_and_a_workload_file_are_taken(tmp_path):
    """RUN gives the index, the file the service: three replicas of it at the fewest vectors, by `ragopt bill` too."""
    done = ragopt(*small_sweep(tmp_path))
    assert done.returncode == 0, done.stderr
    (tmp_path / "w.toml").write_text("[service]\nn_replicas = 3\n")
    asked = (tmp_path / "run", "--workload", tmp_path / "w.toml")
    done = ragopt("decide", "target", *asked, "--vectors-from", "1M", "--vectors-to", "2M", "--target", "faiss-ram",
                  "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    point = json.loads(done.stdout)["result"]["points"][0]
    bill = ragopt("bill", *asked, "--vectors", "1M", "--target", "faiss-ram", "--json")
    assert point["at"] == 1_000_000
    assert point["usd"]["faiss-ram"] == json.loads(bill.stdout)["targets"][0]["usd_per_month"]
