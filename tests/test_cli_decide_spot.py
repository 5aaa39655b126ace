"""`ragopt decide spot` as its users run it."""

import json

import pytest

from tests.cli import ragopt

ARGUMENTS = ("decide", "spot", "--vm", "r7g.4xlarge", "--hours", "10", "--checkpoint-seconds", "30",
             "--restart-seconds", "180")  # fmt: skip


def test_json_alone_with_money_as_text():
    """--json prints one object: on demand 10.05 h x 0.8568 = 8.61 USD; a discount of 60 % is asked for."""
    done = ragopt(*ARGUMENTS, "--discount", "0.6", "--interruptions-per-hour", "0.01", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    decision = json.loads(done.stdout)
    assert (decision["on_demand_usd"], decision["on_demand_hours"]) == ("8.61", "10.05")
    assert decision["choice"] == "spot"
    [case] = decision["cases"]
    assert (case["discount"], case["line"]["usd_per_unit"]) == ("0.6", "0.34272")
    assert case["usd"] == case["line"]["usd"]
    assert decision["sentence"].startswith("10 hours of work on r7g.4xlarge in aws us-east-1 cost USD ")


def test_the_table_ends_with_the_sentence():
    """Without --json: the cases, where the rate comes from, the notes, the prices' sources, then the sentence."""
    done = ragopt(*ARGUMENTS, "--interruptions-per-hour", "0.01", "--discount", "-0.62")
    assert done.returncode == 0, done.stderr
    assert "Interruptions: 0.01 an hour (given)." in done.stdout
    assert "Price: r7g.4xlarge on demand, USD 0.8568 an hour, 2026-07-20, https://github.com/aws/" in done.stdout
    assert "spot loses USD 5." in done.stdout.splitlines()[-1]


def test_an_unknown_type_is_one_clear_error():
    """A type that the book lacks: exit code 1 and one line that names the file."""
    done = ragopt("decide", "spot", "--vm", "r99.huge", "--hours", "1", "--checkpoint-seconds", "1",
                  "--restart-seconds", "1")  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("ragopt: No price for r99.huge at aws us-east-1 in ragopt/bill/prices/vms.toml")


def test_a_job_that_never_finishes_is_an_answer():
    """An interruption a minute and starts of an hour: a table and JSON that say so, on demand for 101 hours."""
    slow = ("decide", "spot", "--vm", "r7g.4xlarge", "--hours", "100", "--checkpoint-seconds", "3600",
            "--restart-seconds", "3600", "--interruptions-per-hour", "60")  # fmt: skip
    table, as_json = ragopt(*slow), ragopt(*slow, "--json")
    assert (table.returncode, table.stderr, as_json.returncode) == (0, "", 0)
    [row] = [line.split() for line in table.stdout.splitlines() if line.startswith("spot (")]
    assert row[-4:-1] == ["never", "none", "none"]
    assert "Checkpoints:" not in table.stdout
    assert "Break-even discount: none, the job never finishes on spot." in table.stdout
    assert "never finish on spot with 60 interruptions an hour" in table.stdout.splitlines()[-1]
    decision = json.loads(as_json.stdout)
    assert (decision["choice"], decision["spot"]["hours"], decision["cases"][0]["usd"]) == ("on demand", None, None)


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--hours", "1e19", "0.001 to 1,000,000 hours"),
        ("--checkpoint-seconds", "1e9", "0.001 to 10,000,000 seconds"),
        ("--restart-seconds", "1e19", "0 to 10,000,000 seconds"),
        ("--discount", "-1e19", "-10 to below 1"),
        ("--interruptions-per-hour", "1e19", "0, or 1E-9 to 3600"),
    ],
)
def test_a_figure_out_of_its_bounds_is_one_clear_error(option, value, allowed):
    """Exit code 1 and one line with the option, what was given and what is allowed."""
    done = ragopt(*ARGUMENTS, option, value)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"ragopt: {option} is ")
    assert f"Allowed: {allowed}" in done.stderr
