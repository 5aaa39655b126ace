from dataclasses import replace

import numpy as np
import pytest

from ragopt.bill.price_book import PriceBook
from ragopt.bill.scan_cost import scan_cpu_ms
from ragopt.index.factory import parse_factory
from ragopt.index.size import index_bytes
from ragopt.measure.intervals import mean_interval
from ragopt.measure.judged import Judge
from ragopt.measure.latency import SearchTiming
from ragopt.measure.neighbours import Neighbours
from ragopt.records import IndexBytes, LatencyMs, Quality, Trial
from ragopt.sweep.codec_scoring import CodecTiming
from ragopt.sweep.estimate_stage import Estimate
from ragopt.sweep.judging import Judging
from ragopt.sweep.measured import Measured
from ragopt.sweep.pricing import Pricing, workload_of
from ragopt.sweep.results import confirmed_result, estimated_result, measured_result

N = 20
EXACT = Neighbours(np.tile([0, 1, 2], (N, 1)), np.tile([0.9, 0.8, 0.7], (N, 1)))
JUDGING = Judging(
    [f"q{row}" for row in range(N)], ["a", "b", "c", "d"], {}, Judge({"q0": {"a": 1}, "q1": {"d": 1}}, k=2), 2
)
PRICING = Pricing(workload_of({}, 4), PriceBook.packaged(), "measured", 4, 2)


def measured(text, found):
    timing = SearchTiming(LatencyMs(1.0, 2.0, 3.0, 64), 900.0, 1.1, 1.0, 1.25)
    scores = np.tile(np.array([0.9, 0.8], dtype=np.float32), (N, 1))
    return Measured(Trial.parse(text), found, scores, IndexBytes(8.0, 100, 0.0, 132), timing, 1700.0, 0.5, 0.25, found)


ALL = np.tile([0, 1], (N, 1))


def test_exact_search_has_no_spread_in_recall():
    """Flat at full dimension finds its own neighbours by definition: its bound is 1, so that it meets every limit."""
    result = measured_result(measured("m@2:none | Flat", ALL), EXACT, JUDGING, PRICING)
    assert result.quality["recall_vs_exact@2"] == Quality(1.0, 1.0, 1.0, N)
    ndcg = result.quality["ndcg@10"]
    assert (ndcg.value, ndcg.n_queries) == (0.5, 2)
    assert ndcg.low < 0.5 < ndcg.high


@pytest.mark.parametrize("text", ["m@2:none | SQ8", "m@1:pca | Flat"])
def test_other_perfect_samples_keep_their_spread(text):
    """A compressed or reduced index that lost nothing on 20 queries may lose on the next: its bound is below 1."""
    quality = measured_result(measured(text, ALL), EXACT, JUDGING, PRICING).quality["recall_vs_exact@2"]
    expected = mean_interval(np.ones(N))
    assert (quality.value, quality.low, quality.high) == (1.0, expected.low, 1.0)
    assert quality.low < 0.9


def test_exact_search_that_missed_is_not_whitewashed():
    """If Flat misses a neighbour, its interval is that of any other sample."""
    found = ALL.copy()
    found[0] = [0, 3]
    quality = measured_result(measured("m@2:none | Flat", found), EXACT, JUDGING, PRICING).quality["recall_vs_exact@2"]
    assert quality.value == pytest.approx(1 - 0.5 / N)
    assert quality.low < quality.value < quality.high


def test_figures_are_carried_over():
    """Sizes, times, CPU time and bills arrive as they were measured."""
    one = measured("m@2:none | SQ8", ALL)
    result = measured_result(one, EXACT, JUDGING, PRICING)
    assert (result.status, result.confirmed, result.reason) == ("finalist", True, "")
    assert result.qps_all_cores == 1700.0
    assert (result.index_bytes, result.latency, result.qps) == (one.index_bytes, one.timing.latency, 900.0)
    assert (result.cpu_ms_per_query, result.cpu_ms_low, result.cpu_ms_high) == (1.1, 1.0, 1.25)
    assert (result.train_seconds, result.build_seconds) == (0.5, 0.25)
    assert set(result.bills) == {"faiss-ram"}
    assert result.per_query["recall_vs_exact@2"].tolist() == [1.0] * N


def estimate(text, found, *, moved=0.0, timing=None):
    recall = np.full(N, 0.5, dtype=np.float32)
    return Estimate(Trial.parse(text), found, recall, recall, moved, 100, 0.5, timing)


def test_an_estimate_was_not_built():
    """An estimated trial has bytes by formula and a bill, and no latency, QPS or build time: nothing was built."""
    result = estimated_result(estimate("m@2:none | SQ8", ALL), EXACT, JUDGING, PRICING)
    assert (result.status, result.confirmed, result.upper_bound) == ("estimated", False, False)
    assert (result.latency, result.qps, result.build_seconds) == (None, None, None)
    assert result.index_bytes == index_bytes(parse_factory("SQ8", 2), 4)
    assert result.quality["recall_vs_exact@2"].value == 1.0
    assert set(result.bills) == {"faiss-ram"}


@pytest.mark.parametrize(("moved", "is_bound"), [(None, False), (0.0009, False), (0.0011, True)])
def test_an_estimate_that_moved_is_an_upper_bound(moved, is_bound):
    """An estimate that fell by a tenth of a point when its candidates were doubled is marked as an upper bound."""
    result = estimated_result(estimate("m@2:none | SQ8", ALL, moved=moved), EXACT, JUDGING, PRICING)
    assert result.upper_bound is is_bound


def test_a_timed_codec_scales_the_table():
    """Codes timed at 3 times the table's figure for their block are billed at 3 times the table's figure for all."""
    trial = Trial.parse("m@2:none | SQ8")
    by_table = scan_cpu_ms("SQ8", 2, "", 3, code_bytes=2.0, k=2)
    timing = CodecTiming(3 * by_table, 2 * by_table, 4 * by_table, 3, 1)
    result = estimated_result(estimate(str(trial), ALL, timing=timing), EXACT, JUDGING, PRICING)
    whole = scan_cpu_ms("SQ8", 2, "", 4, code_bytes=2.0, k=2)
    figures = (result.cpu_ms_low, result.cpu_ms_per_query, result.cpu_ms_high)
    assert figures == pytest.approx((2 * whole, 3 * whole, 4 * whole))


def test_confirmation_keeps_what_the_estimate_said():
    """A confirmed trial has the measured figures, beside each the estimate, the gap on the same queries, all scores."""
    found = ALL.copy()
    found[:10] = [0, 3]
    estimated = estimated_result(estimate("m@2:none | SQ8", ALL), EXACT, JUDGING, PRICING)
    built = measured_result(replace(measured("m@2:none | SQ8", found), build_seconds=9.0), EXACT, JUDGING, PRICING)
    joined = confirmed_result(estimated, built, estimate_gap=0.04)
    assert (joined.status, joined.confirmed, joined.build_seconds) == ("finalist", True, 9.0)
    assert joined.quality["recall_vs_exact@2"] == replace(built.quality["recall_vs_exact@2"], estimated=1.0)
    assert joined.quality["recall_vs_exact@2"].value == 0.75
    assert joined.estimate_gap == 0.04
    assert joined.per_query["recall_vs_exact@2"].sum() == 15
    assert joined.per_query["selection/recall_vs_exact@2"].sum() == 20
    assert set(joined.per_query) == {*built.per_query, *(f"selection/{name}" for name in estimated.per_query)}
