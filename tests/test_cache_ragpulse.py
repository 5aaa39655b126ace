"""The advice on the only public trace of a real RAG service."""

import os
from decimal import Decimal
from pathlib import Path

import pytest

import ragopt
from ragopt.cache.advise import Choices
from ragopt.cache.records import Share
from ragopt.report.cache_ranking import ranked_sentence

SHARED = os.environ.get("RAGOPT_SHARED")
pytestmark = pytest.mark.skipif(not SHARED, reason="RAGOPT_SHARED names no folder with data/ragpulse")
FOLDER = Path(SHARED or ".") / "data" / "ragpulse"
KINDS = {"input": "3", "output": "15", "cache_read": "0.30", "cache_write": "3"}
FIELDS = {
    "time": "t", "query": "q", "chunks": "passages", "tokens_in": "input_length", "tokens_out": "output_length",
    "prompt": ("sys_prompt", "passages", "history", "web_search", "q"), "empty_history": ([15200],),
}  # fmt: skip


@pytest.fixture(scope="module")
def advice(tmp_path_factory):
    """3, 0.30 and 15 USD per million tokens in, cached and out; what is written costs what is read."""
    file = tmp_path_factory.mktemp("prices") / "prices.toml"
    entries = [
        f'[[price]]\nprovider = "facts"\nregion = "global"\ngroup = "token_prices"\n'
        f'item = "{"model" if kind == "input" else f"model:{kind}"}"\nunit = "1M {kind.replace("_", " ")} tokens"\n'
        f'usd = "{usd}"\nas_of = 2026-11-01\nsource = "https://example.org/prices"\n'
        for kind, usd in KINDS.items()
    ]
    file.write_text("schema = 1\n" + "".join(entries), encoding="utf-8")
    return ragopt.cache(
        FOLDER / "log.jsonl",
        fields=ragopt.LogFields(**FIELDS, block_tokens=512),
        chunks=FOLDER / "2_passages.jsonl",
        workload={"generator": "facts:model", "embedding_model": "openai:text-embedding-3-small"},
        prices=file,
        choices=Choices(answer_ttl_s=7 * 86_400.0),
    )


def test_money_is_in_prompts_and_answers(advice):
    """By saved USD: prefix, exact answers, then chunks and query vectors with cents, which are for latency."""
    money = [plan.name for plan in advice.ranked if plan.buys == "money"]
    assert money == ["prefix", "answer"]
    assert Decimal(40) < advice.plan("prefix").saved.value < Decimal(60)
    assert Decimal(18) < advice.plan("answer").saved.value < Decimal(30)
    for name in ("chunk", "embedding", "result"):
        plan = advice.plan(name)
        assert (plan.buys, plan.on) == ("latency", True)
        assert plan.saved.value < Decimal("0.10")
        assert "not for money" in plan.reason
    assert "buy latency, not money" in ranked_sentence(advice)


def test_the_month_costs_what_the_tokens_do(advice):
    """30,887 requests a month, USD 403 of tokens over the whole trace; the counted half is within 3 % of that."""
    assert advice.log.requests_per_month == 30_887
    assert float(advice.usd_before) == pytest.approx(403, rel=0.03)


def test_without_labels_the_semantic_cache_is_off(advice):
    """It names the labels that are missing and how many are needed."""
    assert advice.plan("semantic").on is False
    assert "149 labelled hits" in advice.plan("semantic").reason


def test_savings_in_series_are_less_than_those_of_each_cache_alone(advice):
    """The prefix cache saves less behind the answer cache than alone: its share of tokens is that of fewer prompts."""
    prefix = advice.plan("prefix")
    assert isinstance(prefix.alone, Share)
    assert prefix.hits.value < prefix.alone.value
    assert sum(plan.net.value for plan in advice.recommended) == advice.saved_usd_per_month


def test_one_off_instructions_are_flagged(advice):
    """The third block of the system prompt is another one in most requests; moving it last would read more."""
    notes = " ".join(advice.plan("prefix").notes)
    assert "Block 3 of sys_prompt" in notes
    assert "may change the answers" in notes
    as_sent, *others = advice.prompt_orders
    assert max(one.hits.value for one in others) > as_sent.hits.value
