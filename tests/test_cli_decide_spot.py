"""`ragopt decide spot` as its users run it."""

import json

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
