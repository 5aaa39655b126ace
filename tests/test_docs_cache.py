"""The figures of docs/method-cache.md and of README's section on caches are those that were measured."""

import json
import re

import pytest

from tests.helpers import ROOT

PAGE = (ROOT / "docs" / "method-cache.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = " ".join(README.partition("## Which cache")[2].partition("\n## ")[0].split())


def result(name):
    """A file of eval/results/."""
    return json.loads((ROOT / "eval" / "results" / f"2026-11-26-{name}.json").read_text(encoding="utf-8"))


def percent(share):
    """A share in percent with one decimal."""
    return f"{100 * share:.1f} %"


def usd(saved):
    """A saving with its interval."""
    return "{value:.2f} [{low:.2f}, {high:.2f}]".format(**saved)


def plans(number):
    """The plans of one of the two advices by the name of the cache."""
    return {plan["cache"]: plan for plan in result("cache-advice")["advice"][number]["caches"]}


def test_hits_on_ragpulse_are_those_of_the_results():
    """Five policies at 5 % of the corpus, the cache of 1,000 passages and the repeated texts."""
    hits = result("cache-advice")["hits"]
    for one in hits["five_percent_of_the_corpus"]:
        row = f"| {one['policy']} | {percent(one['reads']['value'])} | {percent(one['all_chunks']['value'])} |"
        assert row in PAGE
    assert f"{percent(hits['lru_of_1000_passages']['reads']['value'])} cold in an LRU of 1,000" in PAGE
    for low, high in hits["lru_at_five_percent_of"].values():
        assert f"{100 * low:.0f} to {100 * high:.0f} %" in PAGE
    lru = hits["five_percent_of_the_corpus"][0]
    for share in (hits["exact_texts_unlimited"], hits["lru_of_1000_passages"]["reads"]["value"],
                  lru["reads"]["value"], lru["all_chunks"]["value"]):  # fmt: skip
        assert percent(share) in SECTION


def test_savings_on_ragpulse_are_those_of_the_results():
    """The ranking with 512 tokens a block and with an even spread, and what planning alone would count twice."""
    advice = result("cache-advice")["advice"]
    wide, even = plans(0), plans(1)
    prefix = wide["prefix"]
    assert f"| prefix | {usd(prefix['saved_usd_per_month'])}, {percent(prefix['hits']['value'])} of" in PAGE
    spread = even["prefix"]
    assert f"off: {usd(spread['saved_usd_per_month'])}, {percent(spread['hits']['value'])} |" in PAGE
    answers = usd(wide["answer"]["saved_usd_per_month"])
    assert f"| answer | {answers} | {usd(even['answer']['saved_usd_per_month'])} |" in PAGE
    assert f"planned each alone would seem to save {advice[0]['overcount_percent']} % more" in PAGE
    assert advice[0]["ranking"][:2] == ["prefix", "answer"]
    assert advice[1]["ranking"][0] == "answer"
    assert f"answers save USD {answers} of {advice[0]['usd_before']:.0f} a month" in SECTION
    ends = [one["saved_usd_per_month"]["value"] for one in (spread, prefix)]
    assert f"saves between {ends[0]:.2f} and {ends[1]:.2f}, a guess either way" in SECTION
    latency = [wide[name] for name in ("chunk", "embedding", "result")]
    cents = 100 * sum(one["saved_usd_per_month"]["value"] for one in latency)
    memory = 100 * sum(one["memory_usd_per_month"] for one in latency)
    assert f"caches save {cents:.0f} cents, and their memory costs {memory:.0f}" in SECTION


def test_coverage_is_that_of_the_results():
    """Every cell under 93 % stands in the page, and the range of the others."""
    rows = result("bootstrap-coverage")["rows"]
    shown = {
        "share .5, hours 4, daily cycle": ".5, 4 h",
        "share .06, hours 2, daily cycle": ".06, 2 h",
        "share .5, hours 1, daily cycle": ".5, 1 h",
    }
    for process, name in shown.items():
        cells = [f"{100 * row['t']:.1f}" for row in rows if row["process"] == process]
        assert f"| {name} | {' | '.join(cells)} |" in PAGE
    low = [row for row in rows if row["t"] < 0.93]
    assert {row["process"] for row in low} < set(shown)
    rest = [100 * row["t"] for row in rows if row["t"] >= 0.93]
    assert f"{min(rest):.1f} to {max(rest):.1f} % in {len(rest)} of {len(rows)} cells" in PAGE


@pytest.mark.parametrize("text", [PAGE, SECTION])
def test_speed_is_that_of_the_results(text):
    """Seconds of a million requests, and how many times as long cachebox takes."""
    zipf = result("cache-replay")["speed"][0]
    assert zipf["requests"] == 1_000_000
    assert f"{zipf['seconds']:.2f} s" in text
    assert f"{zipf['cachebox_ratio']:.0f} times" in text


def test_every_option_of_the_page_exists():
    """Options that docs/method-cache.md names are those of `ragopt cache`, `open` and `build`."""
    from ragopt.cli.cache import command  # noqa: PLC0415 - loads click

    known = {option for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE)) - {"--"} <= known
