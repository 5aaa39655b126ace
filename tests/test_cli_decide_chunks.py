"""`ragopt decide chunks` as a user runs it."""

import json
from dataclasses import replace

from ragopt.records import Quality
from ragopt.sweep.run_folder import write_decision
from tests.cli import ragopt, small_sweep
from tests.report_example import example_run

HAIKU = ("--generator", "anthropic:claude-haiku-4-5")
FEW, MANY = Quality(0.85, 0.81, 0.89, 300), Quality(0.90, 0.86, 0.93, 300)


def a_run(folder, k, quality, **workload):
    """Write a finished run whose trials all have this recall at k."""
    run = example_run()
    names = {} if quality is None else {f"recall_vs_qrels@{k}": quality}
    trials = tuple(
        replace(one, quality={**{n: q for n, q in one.quality.items() if "qrels" not in n}, **names})
        if one.quality else one
        for one in run.trials
    )  # fmt: skip
    folder.mkdir()
    info = {**run.info, "k": k, "workload": {**run.info["workload"], **workload}}
    write_decision(folder, replace(run, folder=str(folder), info=info, trials=trials))
    return folder


DOCUMENTS = ("--metric", "recall_vs_qrels")


def test_one_run_knows_several_numbers_of_chunks(tmp_path):
    """A judged run of 40 documents, as anyone can repeat: 1, 2, 3, 5 and 10 chunks, quality never falling."""
    done = ragopt(*small_sweep(tmp_path))
    assert done.returncode == 0, done.stderr
    done = ragopt("decide", "chunks", tmp_path / "run", *HAIKU, "--k", "1", "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)["counts"]
    assert [count["k"] for count in counts] == [1, 2, 3, 5, 10]
    values = [count["quality"]["value"] for count in counts]
    assert values == sorted(values)
    assert values[0] < values[-1]
    assert {count["quality"]["n_queries"] for count in counts} == {15}


def test_two_runs_are_compared_on_their_own_workload(tmp_path):
    """K = 5 overlaps k = 10; 2 M queries with 100 tokens a chunk: (520 + 100 k) x 2 + 300 x 2 x 5 USD.

    k = 5: 1,020 x 2 + 3,000 = 5,040; k = 10: 1,520 x 2 + 3,000 = 6,040: 1,000 USD for 5 points, 200 a point.
    """
    used = {"queries_per_month": 2_000_000, "tokens_per_chunk": 100}
    runs = a_run(tmp_path / "five", 5, FEW, **used), a_run(tmp_path / "ten", 10, MANY, **used)
    done = ragopt("decide", "chunks", *runs, *HAIKU, *DOCUMENTS, "--k", "5,10", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert [count["usd_per_month"] for count in found["counts"]] == ["5040.00", "6040.00"]
    assert found["counts"][1]["usd_per_point"] == "200"
    assert (found["best_k"], found["enough_k"]) == (10, 5)
    assert found["counts"][0]["quality"]["n_queries"] == 300
    done = ragopt("decide", "chunks", *runs, *HAIKU, *DOCUMENTS, "--k", "5,10", "--queries-per-month", "1M")
    assert done.stdout.startswith("Send 5 chunks:")
    assert "2,520.00" in done.stdout


def test_one_run_says_that_there_is_nothing_to_compare(tmp_path):
    """A run knows its own k alone; the other k are shown with their money and a note."""
    done = ragopt("decide", "chunks", a_run(tmp_path / "run", 10, MANY), *HAIKU, *DOCUMENTS)
    assert done.returncode == 0, done.stderr
    assert "known with k = 10 alone, 0.900 (0.860 to 0.930, 300 queries)" in done.stdout
    assert "was not measured with k = 1, 3, 5, 20" in done.stdout


def test_a_run_without_judgements_is_an_error(tmp_path):
    """The message names --qrels."""
    done = ragopt("decide", "chunks", a_run(tmp_path / "run", 10, None), *HAIKU)
    assert (done.returncode, done.stdout) == (1, "")
    assert "swept without judgements" in done.stderr
    assert "--qrels FILE" in done.stderr


def test_money_alone_and_figures_from_a_file(tmp_path):
    """Without a run the table has no quality; with --quality it has the file's; both together are a usage error."""
    done = ragopt("decide", "chunks", *HAIKU)
    assert "no quality was given" in done.stdout
    assert "7,140.00" in done.stdout
    file = tmp_path / "quality.json"
    file.write_text(json.dumps({"recall_vs_qrels@5": {"value": 0.85, "low": 0.81, "high": 0.89, "n_queries": 300}}))
    done = ragopt("decide", "chunks", *HAIKU, "--quality", file)
    assert "0.850 (0.810 to 0.890)" in done.stdout
    assert ragopt("decide", "chunks", tmp_path, *HAIKU, "--quality", file).returncode == 2


def test_bad_options_are_one_message():
    """A k that is none, a generator without a vendor and a missing speed."""
    assert ragopt("decide", "chunks", *HAIKU, "--k", "1,0").returncode == 2
    done = ragopt("decide", "chunks", "--generator", "gpt")
    assert (done.returncode, done.stdout) == (1, "")
    assert "PROVIDER:NAME" in done.stderr
    done = ragopt("decide", "chunks", "--generator", "self")
    assert done.returncode == 1
    assert "generator_tokens_per_second" in done.stderr


def test_a_model_of_ones_own_is_billed_by_the_hour():
    """1 M x (776 + 300) tokens at 1,000 a second are 298.888889 h; r7g.large costs 0.1071: 32.01 USD."""
    vm = ("--generator-vm", "r7g.large", "--generator-tokens-per-second", "1000")
    done = ragopt("decide", "chunks", "--generator", "self", *vm, "--k", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"][0]["usd_per_month"] == "32.01"
