"""Codecs that do not suit a corpus are named with the reason, worked out on made-up estimates and on real collapse."""

from types import SimpleNamespace

import numpy as np
import pytest

from ragopt.records import Trial
from ragopt.sweep.estimate_stage import Estimate
from ragopt.sweep.race import Costs
from ragopt.sweep.suitability import not_worth_training, unsuitable_groups

N = 200


class Rows:
    """Stored vectors that all lie near one point, or around the origin."""

    n = 5000

    def __init__(self, mean):
        self.mean = mean

    def rows(self, rows):
        """Noise around the mean."""
        noise = np.random.default_rng(0).normal(size=(len(rows), 8))
        return (noise + self.mean).astype(np.float32)


def estimate(factory, recall, *, seconds=0.1, by_code=None, search=""):
    scores = np.full(N, recall, dtype=np.float32)
    code = scores if by_code is None else np.full(N, by_code, dtype=np.float32)
    places = np.zeros((N, 10), dtype=np.int16)
    trial = Trial.parse(f"m@64:none | {factory}" + (f" | {search}" if search else ""))
    return Estimate(trial, np.zeros((N, 10)), scores, code, 0.0, 500, seconds, None, (places,))


def data(mean=0.0):
    return SimpleNamespace(vectors=Rows(mean))


def test_a_codec_far_below_its_size_is_named():
    """RaBitQ of 16 bytes at .31 where PQ16np has .73 is unsuitable; 7 points below are not."""
    found = unsuitable_groups([estimate("RaBitQ", 0.31), estimate("PQ16np", 0.73)], data(), k=10)
    assert [trial.factory for trial in found] == ["RaBitQ"]
    assert next(iter(found.values())) == (
        "not suited to this corpus: recall_vs_exact@10 by code is 0.3100, PQ16np with 16 bytes has 0.7300"
    )
    assert unsuitable_groups([estimate("RaBitQ", 0.66), estimate("PQ16np", 0.73)], data(), k=10) == {}


def test_the_reason_is_given_where_it_is_known():
    """Vectors whose mean holds most of their length explain why RaBitQ fails."""
    found = unsuitable_groups([estimate("RaBitQ", 0.31), estimate("PQ16np", 0.73)], data(3.0), k=10)
    assert "RaBitQ needs centred vectors, here the mean holds 9" in next(iter(found.values()))


def test_larger_quantizers_are_no_measure():
    """A product quantizer of more bytes rules nobody out, nor does one behind another transform."""
    assert unsuitable_groups([estimate("RaBitQ", 0.31), estimate("PQ32np", 0.9)], data(), k=10) == {}
    assert unsuitable_groups([estimate("RaBitQ", 0.31), estimate("PCAR32,PQ16np", 0.9)], data(), k=10) == {}


def test_rescored_trials_are_left_alone():
    """Under a rescoring tier a codec that finds little by itself may be the cheapest that holds."""
    bad = estimate("RaBitQ,Refine(SQ8)", 0.95, by_code=0.2, search="k_factor_rf=40")
    good = estimate("PQ16np,Refine(SQ8)", 0.99, by_code=0.7, search="k_factor_rf=40")
    assert unsuitable_groups([bad, good], data(), k=10) == {}


@pytest.mark.parametrize(
    ("seconds", "recall", "named"),
    [(120.0, 0.735, True), (120.0, 0.745, False), (90.0, 0.735, False), (9.0, 0.735, False)],
)
def test_training_must_pay(seconds, recall, named):
    """100 times the training for less than a point is not worth it; for a point, or for less time, it is."""
    slow, quick = estimate("OPQ16,PQ16np", recall, seconds=seconds), estimate("PQ16np", 0.73, seconds=1.0)
    costs = {slow.trial: Costs(16.0, 2e6, 0.0, 1.0, 0), quick.trial: Costs(16.0, 1e6, 0.0, 0.9, 0)}
    found = not_worth_training([slow, quick], costs)
    assert list(found) == ([slow.trial] if named else [])


def test_training_pays_for_fewer_bytes():
    """A codec that is slow to train and cheaper on any axis is not ruled out."""
    slow, quick = estimate("RQ8x8", 0.73, seconds=500.0), estimate("PQ16np", 0.73, seconds=1.0)
    costs = {slow.trial: Costs(8.0, 2e6, 0.0, 1.0, 0), quick.trial: Costs(16.0, 1e6, 0.0, 0.9, 0)}
    assert not_worth_training([slow, quick], costs) == {}
