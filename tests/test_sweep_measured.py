"""What was measured of a trial survives its artifact, and lost results are seen."""

import numpy as np
import pytest

from ragopt.errors import IndexFormatError
from ragopt.measure.latency import SearchTiming
from ragopt.records import IndexBytes, LatencyMs, Space, Trial
from ragopt.sweep.measured import Measured, check_found, read_measured, write_measured

SPACE = Space("m", 8, "none")


def test_written_is_read_back(tmp_path):
    """Rows, scores, bytes and times of several trials come back as they were written, in their order."""
    timing = SearchTiming(LatencyMs(1.0, 2.0, 3.0, 7), 500.0, 1.5, 1.25, 1.75)
    sizes = IndexBytes(8.0, 100, 0.0, 900)
    found = np.arange(6).reshape(2, 3)
    trials = [Trial(SPACE, "SQ8"), Trial(SPACE, "SQ4,Refine(SQ8)", "k_factor_rf=2")]
    written = [
        Measured(trial, found, found.astype(np.float32), sizes, timing, 1700.0, 0.5, 0.25, found) for trial in trials
    ]
    write_measured(tmp_path, written)
    for before, after in zip(written, read_measured(tmp_path), strict=True):
        assert (before.trial, before.index_bytes, before.timing) == (after.trial, after.index_bytes, after.timing)
        assert np.array_equal(before.found, after.found)
        assert np.array_equal(before.scores, after.scores)
        assert np.array_equal(before.select_found, after.select_found)
        assert (before.qps_all_cores, before.build_seconds) == (after.qps_all_cores, after.build_seconds)


def test_a_full_scan_that_loses_results_is_refused():
    """A -1 among the results of a full scan is an error that says how many queries it struck, never a lower recall."""
    found = np.array([[0, 1], [-1, -1], [2, -1]])
    with pytest.raises(IndexFormatError, match="too few results for 2 of 3 queries"):
        check_found(Trial(SPACE, "PQ4x4fs"), found, 10)


def test_short_lists_and_small_corpora_may_give_fewer():
    """Inverted lists may run out of vectors, and no index can give more than it holds."""
    check_found(Trial(SPACE, "IVF4,SQ8", "nprobe=1"), np.array([[0, -1]]), 10)
    check_found(Trial(SPACE, "SQ8"), np.array([[0, 1, -1]]), 2)
