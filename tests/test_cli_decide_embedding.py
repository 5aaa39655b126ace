"""`ragopt decide embedding` as a user runs it."""

import json
from decimal import Decimal

from tests.cli import ragopt

SMALL = ("--model", "openai:text-embedding-3-small")
VM = ("--vm", "r7g.xlarge", "--tokens-per-second", "2000")


def test_json_is_all_that_is_printed():
    """Figures come as decimal strings, lines with price, source and date, and the sentence stands in the JSON.

    r7g.xlarge costs 0.2142 an hour: 24 x 0.2142 / 0.02 = 257.04 M tokens a day, of which 2,000 a second do 172.8 M.
    """
    done = ragopt("decide", "embedding", *SMALL, *VM, "--tokens-per-day", "10M", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["break_even_tokens_per_day"] is None
    assert Decimal(found["capacity_tokens_per_day"]) == 172_800_000
    assert found["usd_per_day"]["api"] == "0.20"
    assert found["usd_per_day"]["vm always on"] == "5.1408"
    assert found["cheapest"] == "api"
    assert [line["usd"] for line in found["lines"]] == ["6.08", "9.05", "156.37"]
    assert all(line["source"].startswith("https://") and line["as_of"] for line in found["lines"])
    assert "257 million tokens a day" in found["sentence"]


def test_text_has_the_sentence_the_lines_and_the_cautions():
    """The sentence comes first; each way is a line with its source; an undated price says so."""
    done = ragopt("decide", "embedding", *SMALL, *VM, "--tokens-per-day", "10M")
    assert done.returncode == 0
    assert done.stdout.startswith("At 10,000,000 tokens a day the API is cheapest")
    assert "The rule of thumb of 10 million tokens a day does not hold here" in done.stdout
    assert "156.37 USD a month" in done.stdout
    assert "Note: openai text-embedding-3-small: genai-prices 0.2.3 does not say" in done.stdout


def test_a_price_file_replaces_list_prices(tmp_path):
    """A negotiated VM rate moves the break-even: 24 x 0.06 / 0.02 = 72 M tokens a day."""
    file = tmp_path / "mine.toml"
    file.write_text(
        'schema = 1\n[[price]]\ngroup = "vms"\nprovider = "aws"\nregion = "us-east-1"\nitem = "r7g.xlarge"\n'
        'unit = "hour"\nusd = "0.06"\nas_of = 2026-11-01\nsource = "contract"\n'
        "attributes = { vcpu = 4, ram_gib = 32 }\n"
    )
    done = ragopt("decide", "embedding", *SMALL, *VM, "--tokens-per-day", "100M", "--prices", file, "--json")
    assert done.returncode == 0, done.stderr
    assert Decimal(json.loads(done.stdout)["break_even_tokens_per_day"]) == 72_000_000


def test_errors_are_one_message_on_standard_error():
    """An unknown model, a missing speed and a speed of 0 fail without a traceback and print nothing else."""
    done = ragopt("decide", "embedding", "--model", "openai:text-embeding-3-small", *VM, "--tokens-per-day", "1M")
    assert (done.returncode, done.stdout) == (1, "")
    assert "openai:text-embedding-3-small" in done.stderr
    assert "Traceback" not in done.stderr
    assert ragopt("decide", "embedding", *SMALL, "--vm", "x", "--tokens-per-day", "1M").returncode == 2
    done = ragopt(
        "decide", "embedding", *SMALL, "--vm", "r7g.large", "--tokens-per-second", "0", "--tokens-per-day", "1"
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "Measure it on the VM" in done.stderr
