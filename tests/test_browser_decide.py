"""The page's script decides as `ragopt.choose.decide` does, on hand-made runs that have what a small sweep lacks."""

import random
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from ragopt.choose import Limits, decide
from ragopt.records import LatencyMs
from ragopt.report.page import write_page
from ragopt.sweep.recommending import _raced_for
from tests.browser import browser, opened
from tests.report_example import bill, example_run, line, small_run, two_model_run


def mixed(run, seed, **arguments):
    """The run with dropped trials, upper bounds, tied bills, latencies and nDCG of every query, all seeded."""
    dice, rng = random.Random(seed), np.random.default_rng(seed)
    trials = []
    for one in run.trials:
        if not one.quality:
            trials.append(one)
            continue
        status = one.status if one.status == "recommended" else dice.choice(["estimated", "dropped", "finalist"])
        exact = one.trial.factory == "Flat" and one.trial.space.reduction == "none"
        built = exact or status in ("finalist", "recommended")
        usd = dice.choice(["10.00", "10.10", "10.11", "20.00", "20.20", "31.07"])
        scores = {"ndcg@10": rng.choice([0.0, 0.5, 1.0], 50).astype(np.float32)}
        if built:
            scores["selection/ndcg@10"] = rng.choice([0.0, 0.5, 1.0], 50).astype(np.float32)
        p99, billed = dice.choice([0.1, 0.25, 0.5]), exact or dice.random() < 0.95
        trials.append(replace(
            one,
            status="estimated" if exact and status == "dropped" else status,
            confirmed=built,
            upper_bound=not built and dice.random() < 0.4,
            latency=LatencyMs(0.1, 0.2, p99, 100) if built and dice.random() < 0.8 else None,
            bills={"faiss-ram": bill("faiss-ram", line("VM", "1", "month", usd))} if billed else {},
            index_bytes=replace(one.index_bytes, ram_bytes_per_vector=dice.choice([8.0, 16.0, 40.5]),
                                disk_bytes_per_vector=dice.choice([0.0, 256.0])),
            per_query=scores,
        ))  # fmt: skip
    info = {**run.info, "arguments": run.info["arguments"] | arguments}
    chosen = next(one for one in trials if one.trial == run.recommendation.trial)
    decision = run.recommendation if not chosen.bills else replace(run.recommendation, target="faiss-ram")
    return replace(run, trials=tuple(trials), info=info, recommendation=decision)


RUNS = {
    "own limits": mixed(example_run(), 1, max_usd="20", min_ndcg_ratio=0.95),
    "ram": mixed(example_run(), 2, objective="ram", min_recall=0.9, max_p99_ms=0.25),
    "two models": mixed(two_model_run(), 3),
    "no least recall": mixed(small_run(), 11, min_recall=None, max_usd="10.10"),
}


@pytest.fixture(scope="module")
def chromium():
    """One browser for all tests here."""
    with browser() as one:
        yield one


def asked(dice, run, ratios):
    """Limits of the run itself, or near them, or any."""
    told = run.info["arguments"]
    own = {name: told.get(name) for name in ("min_recall", "min_ndcg_ratio", "max_p99_ms", "max_usd", "objective")}
    if dice.random() < 0.3:
        # The same money in another spelling is the same limit.
        return own if own["max_usd"] is None else own | {"max_usd": dice.choice(["", "00"]) + own["max_usd"]}
    other = {
        "min_recall": dice.choice([0.4, 0.7, 0.95, 0.99, own["min_recall"]]),
        "min_ndcg_ratio": dice.choice([None, None, *ratios]),
        "max_p99_ms": dice.choice([None, None, 0.1, 0.25, 0.3]),
        "max_usd": dice.choice([None, None, "10", "10.1", "10.10", "010.10", "20.", "9.99", "1000"]),
        "objective": dice.choice(["usd", "ram"]),
    }
    return {name: other[name] if dice.random() < 0.6 else own[name] for name in own}


@pytest.mark.parametrize("name", RUNS)
def test_the_script_decides_as_the_library_does(chromium, tmp_path, name):
    """For 400 sets of limits, the run's own among them, script and library take the same trial with the same status."""
    run = RUNS[name]
    write_page(run, tmp_path / "report.html")
    dice, k = random.Random(7), int(run.info["k"])
    kinds = set()
    with opened(chromium, tmp_path / "report.html") as found:
        ratios = found.page.evaluate("ragopt.data.ratios")
        for _ in range(400):
            limits = asked(dice, run, ratios)
            told = found.page.evaluate("limits => { const one = ragopt.decide(limits); return [one.status, one.row]; }",
                                       limits)  # fmt: skip
            usd = None if limits["max_usd"] is None else Decimal(limits["max_usd"])
            wanted = Limits(limits["min_recall"], limits["min_ndcg_ratio"], limits["max_p99_ms"], usd)
            raced = _raced_for(run.info, wanted, limits["objective"])
            decision = decide(run.trials, wanted, objective=limits["objective"], k=k, raced=raced)
            trial = decision.fitting[0] if decision.fitting else decision.closest
            status = "ok" if decision.fitting else "nothing_fits"
            assert (told[0], str(run.trials[told[1]].trial)) == (status, trial), limits
            kinds.add((status, raced))
        assert found.complaints == []
    assert {raced for _, raced in kinds} == {True, False}
