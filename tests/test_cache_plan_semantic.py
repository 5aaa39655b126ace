"""The semantic cache's plan: whom it serves, what a hit spares, and what is said of its risk, worked out by hand."""

from decimal import Decimal

import numpy as np
import pytest
from scipy.stats import binom

from ragopt.bill.described import describe_by_bytes
from ragopt.bill.price_book import PriceBook
from ragopt.bill.workload import Workload
from ragopt.cache.advise import Choices, Service, advise
from ragopt.cache.coded_log import Prompts
from ragopt.cache.plan_semantic import Semantic
from ragopt.cache.search_bill import SearchBill
from tests.test_cache_plans import HOUR, PER_REQUEST, log_of, service

N = 200
MONTH = Decimal(1_000_000)
EMBEDDED, READ = Decimal("4E-7"), Decimal("4E-7")
PAIRS = np.arange(N) // 2
"""Requests 2n and 2n + 1 ask like each other in other words; no question comes twice."""


def pairs_of(n=N, *, serves="answer", n_labelled=400, n_wrong=2):
    """Vectors at right angles but for those of a pair, which are equal; labels that certify 2 %."""
    wrong = np.arange(n_labelled) < n_wrong
    vectors = np.repeat(np.eye(n // 2, dtype=np.float32), 2, axis=0)
    return Semantic(np.full(n_labelled, 0.99), wrong, serves, vectors, f"{n_labelled} pairs")


def advised(semantic=None, choices=None, **fields):
    """Advice on N questions, one an hour unless told otherwise, each of which reads two chunks."""
    log = log_of(range(N), chunks=[[0, 1]] * N, **fields)
    return advise(log, service(), choices or Choices(), semantic or pairs_of())


def test_every_second_question_is_answered_from_its_like():
    """Half of the requests hit, and save their tokens and two reads; their vectors are needed all the same."""
    similar = advised().plan("semantic")
    assert similar.hits.value == 0.5
    assert (similar.on, similar.buys) == (True, "money")
    assert float(similar.saved.value) == pytest.approx(float(MONTH / 2 * (PER_REQUEST + 2 * READ)), rel=1e-9)


@pytest.mark.parametrize("field", ["tenants", "filters", "ks", "versions"])
@pytest.mark.parametrize("serves", ["answer", "result"])
def test_nobody_is_served_from_another_context(field, serves):
    """The two of a pair have other tenants, filters, k or index versions: no hit; where they share it, each second."""
    apart = advised(pairs_of(serves=serves), **{field: np.arange(N, dtype=np.int32) % 2})
    assert apart.plan("semantic").hits.value == 0.0
    together = advised(pairs_of(serves=serves), **{field: (PAIRS % 2).astype(np.int32)})
    assert together.plan("semantic").hits.value == 0.5


@pytest.mark.parametrize(("ttl_h", "share"), [(2, 0.0), (4, 0.5)])
@pytest.mark.parametrize("serves", ["answer", "result"])
def test_an_entry_lives_no_longer_than_an_answer(ttl_h, share, serves):
    """Two hours lie between the two of a pair: a life of two hours ends before the second comes, one of four after."""
    found = advised(pairs_of(serves=serves), Choices(answer_ttl_s=ttl_h * HOUR), step_s=2 * HOUR)
    assert found.plan("semantic").hits.value == share
    assert found.plan("semantic").ttl_s == ttl_h * HOUR


def test_the_risk_that_is_told_is_the_upper_bound():
    """2 of 400 labelled hits are wrong: 0.5 % of them, up to 1.57 % of all with 95 %; both sentences say the latter."""
    similar = advised().plan("semantic")
    assert "at most 1.57 % of its answers are wrong (95 %, 2 of 400 labelled hits)" in similar.reason
    # Clopper and Pearson's bound: the rate at which so few wrong ones have a chance of 5 %.
    low, high = 0.005, 0.05
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if binom.cdf(2, 400, middle) > 0.05 else (low, middle)
    assert round(100 * low, 2) == 1.57
    per_wrong = float(PER_REQUEST + 2 * READ) / low
    assert f"It saves USD {per_wrong:.4f} for each wrong one of its answers" in similar.notes[0]


def prompted(**fields):
    """A log with two minutes between requests: prompts of 2,000 shared tokens and 100 of their own, alive for five."""
    prompts = Prompts(
        starts=np.arange(N + 1, dtype=np.int64) * 2,
        codes=np.stack([np.zeros(N), np.arange(1, N + 1)], axis=1).reshape(-1).astype(np.int32),
        tokens=np.tile([2000, 100], N).astype(np.int32),
        parts=np.tile([0, 1], N).astype(np.int32),
        part_names=("system", "query"),
        shared_out=0.0,
    )
    return log_of(range(N), step_s=120.0, prompts=prompts, tokens_in=np.full(N, 2100, np.int32), **fields)


def test_an_answer_that_is_served_sends_no_prompt():
    """Half the prompts go out: each reads 2,000 tokens at a tenth and writes 100 at 1.25 times the price."""
    found = advise(prompted(chunks=[[0, 1]] * N), service(), Choices(), pairs_of())
    each = Decimal(2000) * Decimal("2.7E-6") - Decimal(100) * Decimal("0.75E-6")
    assert float(found.plan("prefix").saved.value) == pytest.approx(float(MONTH / 2 * each), rel=1e-9)
    assert found.plan("result").hits.n == N // 4


def test_a_prompt_goes_out_with_the_results_of_a_similar_question():
    """Two in a hundred of a small model's bill are reads: half are spared by results, and no prompt is."""
    log = prompted(chunks=[list(range(20))] * N)
    found = advise(log, service(generator="openai:gpt-4o-mini"), Choices(), pairs_of(serves="result"))
    assert (found.plan("semantic").on, found.plan("result").hits.n) == (True, N // 4)
    # 0.15 USD per million tokens, 0.075 from the cache, nothing for writing it.
    assert float(found.plan("prefix").saved.value) == pytest.approx(float(MONTH * 2000 * Decimal("0.075E-6")), rel=1e-9)


def test_a_saving_that_may_be_nothing_is_no_reason_to_serve_wrong_answers():
    """Ten pairs within twenty minutes of a week save a tenth of the bill, with an interval that reaches below 0."""
    times = np.concatenate([np.arange(150) * HOUR, 150 * HOUR + 60.0 * np.arange(20), (151 + np.arange(30)) * HOUR])
    queries = np.concatenate([np.arange(150) * 2, 300 + np.arange(20), 320 + 2 * np.arange(30)])
    found = advise(log_of(queries, chunks=[[0]] * N, times_s=times), service(), Choices(), pairs_of(380))
    similar = found.plan("semantic")
    assert similar.hits.value == 10 / 100
    assert float(similar.saved.value) == pytest.approx(float(MONTH / 10 * (PER_REQUEST + READ)), rel=1e-9)
    assert similar.saved.low < 0
    assert (similar.on, similar.buys) == (False, "nothing")


@pytest.mark.parametrize("serves", ["answer", "result"])
def test_a_similar_question_is_not_searched(serves):
    """S3 Vectors bills by the query: what half of them cost is saved beside the reads."""
    workload = Workload(1_000_000, queries_per_month=10_000_000, peak_qps=Decimal(100))
    bill = SearchBill(describe_by_bytes(1536.0, 0.0, 384, 1_000_000), workload, PriceBook.packaged(), "s3-vectors")
    searched = Service(workload, bill.book, frozenset({"queries_per_month"}), search=bill)
    found = advise(log_of(range(N), chunks=[[0, 1]] * N), searched, Choices(), pairs_of(serves=serves))
    spared = bill.usd(1.0, 1.0) - bill.usd(0.5, 0.5)
    assert spared > 10
    assert float(found.plan("semantic").saved.value) == pytest.approx(float(spared + 5_000_000 * 2 * READ))


def test_results_of_a_similar_question_save_no_tokens():
    """Half of the requests are spared two reads, 0.09 % of a bill with a language model: off, with that figure."""
    log, ten_millions = log_of(range(N), chunks=[[0, 1]] * N), service(queries_per_month=10**7)
    found = advise(log, ten_millions, Choices(), pairs_of(serves="result"))
    similar = found.plan("semantic")
    assert similar.hits.value == 0.5
    assert float(similar.saved.value) == pytest.approx(float(10 * MONTH / 2 * 2 * READ), rel=1e-9)
    assert (similar.on, found.plan("result").hits.n) == (False, N // 2)
    assert "which saves USD 4.00 [" in similar.reason


@pytest.mark.parametrize(("millions", "on"), [(2, False), (3, True)])
def test_results_are_served_where_they_are_a_part_of_the_bill(millions, on):
    """Without a language model a request costs a vector and two reads: half of the reads, a third of it, are 4E-7 USD.

    Two million of them are USD 0.80, which nobody would ask about; three million are USD 1.20.
    """
    log = log_of(range(N), chunks=[[0, 1]] * N)
    found = advise(log, service(generator="", queries_per_month=millions * 10**6), Choices(), pairs_of(serves="result"))
    similar = found.plan("semantic")
    assert (similar.on, found.plan("result").hits.n) == (on, N // 4 if on else N // 2)
    assert float(similar.saved.value) == pytest.approx(0.4 * millions)
    assert float(found.usd_before) == pytest.approx(float(millions * MONTH * (EMBEDDED + 2 * READ)))
