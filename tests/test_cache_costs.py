"""What a request costs without caches, and how many a month has."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from ragopt.bill.workload import Workload
from ragopt.cache.coded_log import CodedLog, Lists, Prompts
from ragopt.cache.costs import (
    busiest_minute_qps,
    peak_share,
    prompt_tokens,
    request_costs,
    requests_per_month,
    span_seconds,
)
from ragopt.cache.unit_prices import UnitPrices

PRICES = UnitPrices(
    embedded_query=Decimal("0.01"), chunk_read=Decimal("0.5"), input_token=Decimal("0.002"),
    output_token=Decimal("0.01"), cached_token=Decimal(0), written_token=Decimal(0), least_prefix_tokens=1024, used=(),
    notes=(),
)  # fmt: skip
LOG = CodedLog(
    "log",
    times_s=np.array([0.0, 10.0, 3700.0, 7300.0]),
    queries=np.array([0, 1, 0, 2], np.int32),
    chunks=Lists(np.array([0, 2, 2, 3, 6]), np.zeros(6, np.int32), ("a",)),
    tokens_in=np.array([100, 200, 300, 0], np.int32),
    tokens_out=np.array([10, 0, 30, 0], np.int32),
)


def test_a_request_costs_its_own_chunks_and_tokens():
    """0.01 a question; 2, 0, 1 and 3 chunks at 0.5; tokens at 0.002 in and 0.01 out."""
    found = request_costs(LOG, Workload(1000), PRICES)
    assert found.embedding == pytest.approx([0.01] * 4)
    assert found.reads == pytest.approx([1.0, 0.0, 0.5, 1.5])
    assert found.tokens == pytest.approx([0.3, 0.4, 0.9, 0.0])
    assert found.all == pytest.approx([1.31, 0.41, 1.41, 1.51])
    assert found.notes == ()


def test_what_the_log_lacks_is_the_workloads_and_said():
    """Without chunk ids and tokens a request reads k chunks and has the workload's prompt and answer, with notes."""
    bare = CodedLog("log", times_s=None, queries=np.array([0, 1], np.int32))
    found = request_costs(bare, Workload(1000, k=5), PRICES)
    assert found.reads == pytest.approx([2.5, 2.5])
    assert found.tokens == pytest.approx([(500 + 20 + 5 * 256) * 0.002 + 300 * 0.01] * 2)
    assert len(found.notes) == 2
    half = replace(bare, tokens_out=np.array([10, 20], np.int32))
    told = request_costs(half, Workload(1000, k=5), PRICES).notes[-1]
    assert told == "Tokens that the log does not have are the workload's: 1,800 of the prompt in each request."


def test_a_prompt_without_logged_tokens_costs_its_blocks():
    """Blocks of 7 and 5 tokens and of 9 are prompts of 12 and 9: what is billed is what a prefix cache saves from."""
    prompts = Prompts(np.array([0, 2, 3]), np.array([0, 1, 0], np.int32), np.array([7, 5, 9], np.int32),
                      np.zeros(3, np.int32), ("p",), 0.0)  # fmt: skip
    log = CodedLog("log", times_s=None, queries=np.array([0, 1], np.int32), prompts=prompts)
    assert prompt_tokens(log).tolist() == [12, 9]
    assert request_costs(
        replace(log, tokens_out=np.zeros(2, np.int32)), Workload(1000), PRICES
    ).tokens == pytest.approx([12 * 0.002, 9 * 0.002])


def test_a_month_has_the_logs_rate_unless_another_is_stated():
    """4 requests in 7,300 s are 1,440 in 2,628,000 s; a stated number, or a log without time, takes the workload's."""
    assert requests_per_month(LOG, Workload(1000), stated=False)[0] == 1440
    assert requests_per_month(LOG, Workload(1000, queries_per_month=77), stated=True) == (77, "as stated")
    bare = CodedLog("log", times_s=None, queries=np.array([0, 1], np.int32))
    found, reason = requests_per_month(bare, Workload(1000), stated=False)
    assert (found, span_seconds(bare)) == (1_000_000, 0.0)
    assert "default" in reason


def test_the_busiest_minute_grows_with_the_requests_that_are_stated():
    """Two requests in the first minute are 1/30 a second at the log's own 1,440 a month, ten times that at 14,400."""
    assert busiest_minute_qps(LOG, Decimal(1440)) == Decimal("0.034")
    assert busiest_minute_qps(LOG, Decimal(14_400)) == Decimal("0.334")
    assert busiest_minute_qps(replace(LOG, times_s=None), Decimal(1440)) is None
    spread = replace(LOG, times_s=np.arange(4) * 1e6)
    assert busiest_minute_qps(spread, Decimal(26_280_000)) >= 10  # never below the average


def test_the_peak_is_the_busiest_hour():
    """Hours have 2, 1 and 1 requests; without one of the first hour the busiest has 1 of 2."""
    assert peak_share(LOG.times_s, np.array([True, False, True, True])) == 0.5
    assert peak_share(LOG.times_s, np.array([True, True, False, False])) == 1.0
    assert peak_share(LOG.times_s, np.zeros(4, bool)) == 0.0
