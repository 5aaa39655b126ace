"""`ragopt prices` lists, searches and refreshes, in a process of its own."""

import datetime as dt
import json
from dataclasses import replace

import pytest

from ragopt.bill.price_book import PriceBook
from ragopt.bill.refresh.refreshing import APIS
from ragopt.cli.prices import API_NAMES
from tests.cli import ragopt
from tests.price_server import Answer, PriceServer, aws_routes

OVERRIDE = """schema = 1

[[price]]
group = "object_storage"
provider = "aws"
region = "us-east-1"
item = "s3-standard-storage"
unit = "GB-month"
usd = "0.0207"
as_of = 2026-11-01
source = "contract 17"
attributes = { bytes_per_unit = 1073741824 }
"""


@pytest.fixture
def home(tmp_path):
    """Variables that keep the user's data folder inside the test's."""
    return {"XDG_DATA_HOME": str(tmp_path / "home")}


def listed(home, *arguments):
    answer = ragopt("prices", *arguments, "--json", **home)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)["prices"]


def refresh(home, server, *arguments):
    today = dt.datetime.now(tz=dt.UTC).date()
    for path, answer in list(server.routes.items()):
        server.routes[path] = replace(answer, body=answer.body.replace(b"2026-11-20T", f"{today}T".encode()))
    return ragopt("prices", "refresh", "--only", "aws-storage", "--base-url", f"aws-storage={server.url}", *arguments,
                  **home)  # fmt: skip


def test_without_a_command_everything_is_listed(home):
    """`ragopt prices` is `ragopt prices list`: every price of the book once, as a table with its columns."""
    bare, named = ragopt("prices", **home), ragopt("prices", "list", **home)
    assert (bare.returncode, bare.stderr) == (0, "")
    assert bare.stdout == named.stdout
    lines = bare.stdout.splitlines()
    assert lines[0].split() == ["provider", "region", "group", "item", "unit", "usd", "as_of", "age", "source"]
    n_prices = len(list(PriceBook.packaged()))
    assert len([line for line in lines if "https://" in line]) == n_prices


def test_words_search_every_field_in_any_case(home):
    """Both words must be in one price; a word may stand in the unit, and `r7g` is not `r7gd`'s only hit."""
    assert [one["item"] for one in listed(home, "S3-STANDARD", "storage", "gb-MONTH", "us-east-1", "aws")][:1] == [
        "s3-standard-storage"
    ]
    items = [one["item"] for one in listed(home, "list", "r7g", "--group", "vms", "--provider", "aws")]
    assert {"r7g.large", "r7gd.2xlarge"} <= set(items)
    assert all("r7g" in item for item in items)


def test_options_alone_search_too(home):
    """An option before any word belongs to the list."""
    groups = {one["group"] for one in listed(home, "--group", "block_storage", "--region", "us-east-1")}
    assert groups == {"block_storage"}


def test_json_has_exact_money_and_age(home):
    """Figures are decimal strings, and stale is said of what is older than 90 days."""
    one = next(one for one in listed(home, "gp3-iops") if one["item"] == "gp3-iops")
    today = dt.datetime.now(tz=dt.UTC).date()
    assert (one["provider"], one["usd"], one["unit"]) == ("aws", "0.005", "IOPS-month")
    assert one["age_days"] == (today - dt.date.fromisoformat(one["as_of"])).days
    assert one["stale"] is (one["age_days"] > 90)


def test_stale_prices_are_marked(home):
    """gp3's prices are of 2024-07-01: each is marked, and the line below says how to renew them."""
    text = ragopt("prices", "gp3-iops", "aws", **home).stdout
    assert " d !  https://" in text
    assert "! 1 of 1 are older than 90 days. Renew them with `ragopt prices refresh`" in text


@pytest.mark.parametrize(
    "arguments", [["no-such-thing"], ["--provider", "oracle"], ["--region", "mars"], ["--group", "x"]]
)
def test_nothing_found_says_what_there_is(home, arguments):
    """Exit code 1, nothing on standard output, and the groups, providers and regions to choose from."""
    answer = ragopt("prices", *arguments, **home)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert f"{arguments[-1]!r}" in answer.stderr
    assert "Allowed: groups " in answer.stderr
    assert "object_storage" in answer.stderr
    assert "providers aws" in answer.stderr


def test_a_model_shows_its_token_prices(home):
    """By PROVIDER:NAME or by name: input, output and their batch prices, each with the library as its source."""
    by_ref, by_name = listed(home, "openai:gpt-4o-mini"), listed(home, "gpt-4o-mini")
    assert by_ref == by_name
    assert [(one["item"], one["unit"]) for one in by_ref] == [
        ("gpt-4o-mini", "1M input tokens"), ("gpt-4o-mini:batch", "1M input tokens"),
        ("gpt-4o-mini:output", "1M output tokens"), ("gpt-4o-mini:output:batch", "1M output tokens"),
    ]  # fmt: skip
    assert all("genai-prices" in one["source"] for one in by_ref)


def test_undated_prices_are_marked(home):
    """A price whose page carries no date has `?` at its age, a line below that says what it means, a flag as JSON."""
    text = ragopt("prices", "rerank-v3.5", **home).stdout
    assert " d ?  https://" in text
    assert "? 1 of 1 bear no date of their own: as_of is the day of reading them." in text
    assert [one["undated"] for one in listed(home, "rerank-v3.5")] == [True]
    assert not any(one["undated"] for one in listed(home, "--group", "vms"))


def test_an_unknown_word_says_where_token_prices_are(home):
    """They are in no list; an unknown model of a known vendor is named with what is near."""
    assert "`ragopt prices PROVIDER:NAME` shows those of one" in ragopt("prices", "no-such-thing", **home).stderr
    assert "No token price is known of 'gpt-4o-mono' at openai" in ragopt("prices", "openai:gpt-4o-mono", **home).stderr


def test_the_list_tells_what_a_file_did(home, tmp_path):
    """On standard error, beside the table."""
    mine = tmp_path / "mine.toml"
    mine.write_text(OVERRIDE)
    answer = ragopt("prices", "s3-standard-storage", "--prices", mine, **home)
    assert (answer.returncode, answer.stderr) == (0, "ragopt: mine.toml: 1 price replaced\n")


def test_a_refresh_reaches_the_list(home):
    """End to end: the page's figure is in the user's folder and from then on in the book, with its date and source."""
    with PriceServer(aws_routes(('"0.0230000000"', '"0.0245000000"'))) as server:
        answer = refresh(home, server)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    (one,) = (one for one in listed(home, "s3-standard-storage") if one["region"] == "us-east-1")
    assert (one["usd"], one["age_days"]) == ("0.0245", 0)
    assert one["source"].startswith(server.url)
    assert one["attributes"] == {"bytes_per_unit": "1073741824"}
    assert "0.023 -> 0.0245 USD per GB-month" in answer.stdout
    assert "object_storage.toml: written" in answer.stdout
    n_prices = len(list(PriceBook.packaged()))
    assert f"of the book's {n_prices} prices are on no page that was read" in answer.stdout


def test_a_file_of_prices_wins_over_a_refresh(home, tmp_path):
    """Three layers: --prices over the user's folder over the package."""
    mine = tmp_path / "mine.toml"
    mine.write_text(OVERRIDE)
    with PriceServer(aws_routes(('"0.0230000000"', '"0.0245000000"'))) as server:
        assert refresh(home, server).returncode == 0
    (one,) = listed(home, "s3-standard-storage", "us-east-1", "--prices", str(mine))
    assert (one["usd"], one["source"]) == ("0.0207", "contract 17")
    assert [one["usd"] for one in listed(home, "s3-standard-storage", "us-east-1")] == ["0.0245"]


def test_a_refused_price_is_exit_code_one(home):
    """2.5 times the book's price is told with page and bounds; with --json, standard output is JSON alone."""
    with PriceServer(aws_routes(('"0.0230000000"', '"0.0575000000"'))) as server:
        answer = refresh(home, server, "--json")
    assert (answer.returncode, answer.stderr) == (1, "ragopt: 1 refused, which stay as they were.\n")
    outcomes = json.loads(answer.stdout)["apis"]["aws-storage"]["prices"]
    (refused,) = (one for one in outcomes if one["status"] == "refused")
    assert (refused["item"], refused["found"]) == ("s3-standard-storage", "0.0575 USD per GB-month")
    assert refused["allowed"].startswith("0.0115 to 0.046 USD")
    assert [one["usd"] for one in listed(home, "s3-standard-storage", "us-east-1")] == ["0.023"]


def test_a_server_that_says_nothing_is_exit_code_one(home, tmp_path):
    """The time-out of the command line counts; no folder is made."""
    with PriceServer({path: Answer(b"{}", wait_s=0.6) for path in aws_routes()}) as server:
        answer = refresh(home, server, "--timeout", "0.1")
    assert answer.returncode == 1
    assert "ragopt: aws-storage: Cannot read the price page" in answer.stderr
    assert not (tmp_path / "home" / "ragopt" / "prices").exists()


def test_a_dry_run_makes_no_folder(home, tmp_path):
    """It tells what would be written."""
    with PriceServer(aws_routes()) as server:
        answer = refresh(home, server, "--dry-run")
    assert (answer.returncode, "object_storage.toml: would be written" in answer.stdout) == (0, True)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    "arguments",
    [["--only", "oracle"], ["--base-url", "azure"], ["--base-url", "oracle=http://x"], ["--base-url", "azure="],
     ["--timeout", "0"], ["s3"]],
)  # fmt: skip
def test_refresh_refuses_what_it_does_not_know(home, arguments):
    """A usage error, exit code 2, before anything is asked."""
    answer = ragopt("prices", "refresh", *arguments, **home)
    assert (answer.returncode, answer.stdout) == (2, "")


def test_the_command_line_names_every_api():
    """--only offers the APIs that there are, in their order."""
    assert tuple(APIS) == API_NAMES


def test_help_shows_both_commands(home):
    """The group's help explains the default and names list and refresh."""
    text = ragopt("prices", "--help", **home).stdout
    assert "Without a command name, `list` is meant" in text
    assert "refresh" in text
    assert "--base-url" in ragopt("prices", "refresh", "-h", **home).stdout
