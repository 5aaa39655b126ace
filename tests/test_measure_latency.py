import gc
import time

import faiss
import numpy as np
import pytest

from ragopt.errors import InputError
from ragopt.measure.latency import batch_means_interval, one_thread, time_searches
from ragopt.measure.memory import PeakMemory, anonymous_bytes, release_free_memory


def test_every_query_is_searched_once_on_one_thread():
    """Warm-up rows come first, no row comes twice, FAISS has one thread inside and its own number after."""
    before, queries, seen = faiss.omp_get_max_threads(), np.arange(30, dtype=np.float32).reshape(15, 2), []

    def search_one(query):
        seen.append((query.shape, query.dtype, query[0, 0], faiss.omp_get_max_threads()))

    timing = time_searches(search_one, queries, warmup=5)
    assert seen == [((1, 2), np.float32, row[0], 1) for row in queries]
    assert timing.latency.n_queries == 10
    assert faiss.omp_get_max_threads() == before


def test_sleep_costs_wall_time_and_no_processor_time():
    """Sleeping 3 ms shows in the latency and the QPS, and hardly in the CPU time."""
    timing = time_searches(lambda _: time.sleep(0.003), np.zeros((12, 1), np.float32), warmup=2)
    assert 3 <= timing.latency.p50 <= timing.latency.p95 <= timing.latency.p99
    assert timing.qps <= 334
    assert 0 <= timing.cpu_ms_low <= timing.cpu_ms_per_query <= timing.cpu_ms_high < 1.5


def test_threads_come_back_after_an_error():
    """A search that fails leaves FAISS with the number of threads it had."""
    before = faiss.omp_get_max_threads()
    with pytest.raises(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert faiss.omp_get_max_threads() == before


def test_batch_means_by_hand():
    """Two values make two batches: t(1 df, .975) = 12.7062 times 1/sqrt(2) over sqrt(2)."""
    low, high = batch_means_interval(np.array([10.0, 11.0]))
    assert (low, high) == (pytest.approx(10.5 - 12.7062 / 2, abs=1e-4), pytest.approx(10.5 + 12.7062 / 2, abs=1e-4))
    assert batch_means_interval(np.full(45, 2.0)) == (2.0, 2.0)


def test_batch_means_cover_a_series_with_memory():
    """On autocorrelated times the interval holds the true mean in 90-98 % of 1,000 series, where plain t holds 75 %."""
    rng, hits, n = np.random.default_rng(4), 0, 1000
    noise = rng.normal(size=(1000, n + 50))
    series = np.zeros(1000)
    values = np.empty((1000, n))
    for i in range(n + 50):
        series = 0.5 * series + noise[:, i]
        if i >= 50:
            values[:, i - 50] = series
    for row in values:
        low, high = batch_means_interval(row + 100)
        hits += low <= 100 <= high
    assert 900 <= hits <= 980


@pytest.mark.parametrize(("n", "warmup"), [(5, 4), (5, 9), (0, 0), (5, -1)])
def test_too_few_queries_to_time(n, warmup):
    """Fewer than two timed rows are an error with both numbers."""
    with pytest.raises(InputError, match=f"{n} queries of which {warmup}"):
        time_searches(lambda _: None, np.zeros((n, 2), np.float32), warmup=warmup)


def test_peak_sees_memory_that_is_gone_again():
    """40 MB touched and freed inside the block are in the peak."""
    # What other tests have left over must not go away meanwhile.
    gc.collect()
    release_free_memory()
    start = anonymous_bytes()
    with PeakMemory() as peak:
        block = np.ones(5_000_000)
        time.sleep(0.2)
        del block
    assert peak.anonymous_bytes - start > 35e6


def test_mapped_files_do_not_count(tmp_path):
    """Reading a mapped file of 40 MB leaves anonymous memory as it was."""
    np.save(tmp_path / "a.npy", np.ones(5_000_000))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    before = anonymous_bytes()
    assert mapped.sum() == 5_000_000
    assert anonymous_bytes() - before < 10e6


def test_peak_survives_an_error():
    """The thread ends when the block fails."""
    peak = PeakMemory()
    with pytest.raises(ZeroDivisionError), peak:
        raise ZeroDivisionError
    assert peak._thread is not None
    assert not peak._thread.is_alive()


def test_timing_may_end_early_but_not_before_enough():
    """With no time allowed a hundred searches are timed, and their number is told; without a bound all are."""
    rows = np.zeros((300, 2), dtype=np.float32)
    assert time_searches(lambda _row: None, rows, warmup=10, most_seconds=0.0).latency.n_queries == 100
    assert time_searches(lambda _row: None, rows, warmup=10).latency.n_queries == 290
