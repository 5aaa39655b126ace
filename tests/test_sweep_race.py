"""What a race drops, worked out on scores made by hand."""

import numpy as np
import pytest

from ragopt.records import Trial
from ragopt.sweep.race import Costs, Preference, Runner, drops, rounds_of

N = 256
NAME = "recall_vs_exact@10"


def runner(name, mean, *, ram=16.0, scan=1.0, depth=0, disk=0.0, optimism=0.0, ties=False, wobble=0.0, **more):
    """A trial whose scores alternate around a mean."""
    scores = np.full(N, mean, dtype=np.float32)
    scores[::2] += wobble
    scores[1::2] -= wobble
    costs = Costs(ram, ram * 1000, disk, scan, depth)
    return Runner(Trial.parse(f"m@8:none | {name}"), costs, {NAME: scores, **more}, optimism, ties)


def gone(*runners, target=None, recall_only=True, preference=None):
    reasons = drops(runners, target=target, recall_only=recall_only, n_rounds=2, preference=preference)
    return {trial.factory for trial in reasons}


def test_rounds_double_and_end_with_all():
    """Few queries make one round; more make rounds of 100, 200, 400 and so on, the last one with every query."""
    assert rounds_of(2) == (2,)
    assert rounds_of(149) == (149,)
    assert rounds_of(150) == (100, 150)
    assert rounds_of(1000) == (100, 200, 400, 1000)
    assert rounds_of(5000) == (100, 200, 400, 800, 1600, 3200, 5000)


def test_an_upper_bound_below_the_target_ends_the_race():
    """A trial whose corrected upper bound is below the target leaves; one just below the target stays."""
    assert gone(runner("SQ8", 0.5, wobble=0.1), runner("SQ4", 0.948, wobble=0.05), target=0.95) == {"SQ8"}


def test_without_a_target_nothing_is_below_it():
    """With no limit on recall only better trials at no more cost rule others out."""
    assert gone(runner("SQ8", 0.1), runner("SQ4", 0.5, ram=32.0)) == set()


def test_surely_better_at_no_more_cost_rules_out():
    """A trial that another beats on the same queries by more than the corrected interval leaves, at equal cost too."""
    assert gone(runner("SQ8", 0.80), runner("SQ4", 0.90)) == {"SQ8"}


def test_a_small_paired_lead_rules_nobody_out():
    """A lead of half a point that turns with every other query is no proof."""
    assert gone(runner("SQ8", 0.895, wobble=0.1), runner("SQ4", 0.90, wobble=-0.1)) == set()


@pytest.mark.parametrize("axis", [{"ram": 15.0}, {"scan": 0.9}, {"disk": -1.0}, {"depth": -1}])
def test_cheaper_on_any_axis_stays(axis):
    """A worse trial that is cheaper in RAM, scan, disk or reads stays: it may be the cheapest that meets the target."""
    assert gone(runner("SQ8", 0.80, **axis), runner("SQ4", 0.95)) == set()


def test_a_cheaper_trial_that_surely_meets_the_target_rules_dearer_ones_out():
    """When 16 bytes surely meet the target, 32 bytes at no less of any cost cannot be recommended, however good."""
    cheap = runner("SQ8", 0.995)
    assert gone(cheap, runner("SQ4", 1.0, ram=32.0), target=0.9) == {"SQ4"}
    assert gone(cheap, runner("SQ4", 1.0, ram=32.0, scan=0.5), target=0.9) == set()
    assert gone(cheap, runner("SQ4", 1.0), target=0.9) == set(), "equal cost is not cheaper"
    assert gone(cheap, runner("SQ4", 1.0, scan=2.0, depth=50), target=0.9) == set(), "equal bytes go to quality"
    assert gone(cheap, runner("SQ4", 1.0, disk=8.0), target=0.9) == {"SQ4"}


def test_another_limit_on_quality_keeps_the_dearer_one():
    """With a limit on nDCG too, meeting the recall target rules nobody out."""
    assert gone(runner("SQ8", 0.995), runner("SQ4", 1.0, ram=32.0), target=0.9, recall_only=False) == set()


def test_every_quality_must_be_no_worse():
    """A rival ahead in recall but behind in nDCG rules nobody out."""
    low, high = np.full(N, 0.3, np.float32), np.full(N, 0.6, np.float32)
    worse = runner("SQ8", 0.80, **{"ndcg@10": high})
    assert gone(worse, runner("SQ4", 0.90, **{"ndcg@10": low})) == set()
    assert gone(worse, runner("SQ4", 0.90, **{"ndcg@10": high + 0.2})) == {"SQ8"}


def test_what_may_be_too_high_rules_out_by_what_surely_remains():
    """An estimate that has not converged can leave; it sends others away by its lead over what it may lose only."""
    assert gone(runner("SQ8", 0.80), runner("SQ4", 0.90, optimism=0.11)) == set()
    assert gone(runner("SQ8", 0.80), runner("SQ4", 0.90, optimism=0.03)) == {"SQ8"}
    dear = runner("SQ4", 1.0, ram=32.0)
    assert gone(runner("SQ8", 0.995, optimism=0.1), dear, target=0.9) == set()
    assert gone(runner("SQ8", 0.995, optimism=0.02), dear, target=0.9) == {"SQ4"}
    assert gone(runner("SQ8", 0.2, optimism=0.5), target=0.9) == {"SQ8"}


def test_dearer_ones_leave_once_enough_that_are_preferred_hold():
    """By ram, fewer bytes are preferred whatever the scan costs: with three of them to build, the fourth leaves."""
    by_ram = Preference("ram", 3)
    held = [runner(name, 0.995, ram=ram, scan=9.0 - ram / 8, depth=int(ram))
            for name, ram in (("PQ1np", 8.0), ("PQ2np", 16.0), ("PQ4np", 24.0))]  # fmt: skip
    dear = runner("SQ4", 1.0, ram=32.0)
    assert gone(*held, dear, target=0.9) == set(), "it scans faster"
    assert gone(*held, dear, target=0.9, preference=by_ram) == {"SQ4"}
    assert gone(*held[1:], dear, target=0.9, preference=by_ram) == set(), "two are not enough to build three"
    assert gone(*held[1:], dear, target=0.9, preference=Preference("ram", 1)) == set(), "nor ever enough"
    told = drops([*held, dear], target=0.9, recall_only=True, n_rounds=2, preference=Preference("ram", 1))
    assert told[dear.trial] == "3 trials that meet 0.9 are preferred to it by ram", "as many as it took"
    assert gone(*held, runner("SQ4", 1.0, ram=24.0), target=0.9, preference=by_ram) == set(), "as few bytes"
    assert gone(*held, dear, preference=by_ram) == set(), "without a target nothing holds"


def test_depths_of_the_same_codes_are_no_field_of_their_own():
    """Three depths over one codec may all miss together: they end the race for nobody."""
    deep = [runner(f"PQ1np,Refine({tier})", 0.995, ram=8.0 + number, scan=9.0 - number, depth=number)
            for number, tier in enumerate(("SQ8", "SQfp16", "SQ4"))]  # fmt: skip
    dear = runner("SQ4", 1.0, ram=32.0)
    assert gone(*deep, dear, target=0.9, preference=Preference("ram", 3)) == set()


def test_by_usd_only_bills_that_tie_with_the_least_are_preferred_unmeasured():
    """By usd, fewer bytes are preferred only of trials whose bill is in the lowest step, however they are measured."""
    by_usd = Preference("usd", 3)
    dear = runner("SQ4", 1.0, ram=16.0, disk=9.0, scan=0.5)
    for ties, left in ((False, set()), (True, {"SQ4"})):
        held = [runner(f"PQ{number}np", 0.995, ram=8.0 + number, scan=9.0 - number, ties=ties) for number in (1, 2, 4)]
        assert gone(*held, dear, target=0.9, preference=by_usd) == left


def test_a_limit_on_latency_leaves_the_table_out():
    """A better trial that is cheaper by the table of scan costs may be slower by the clock."""
    pair = runner("SQ8", 0.80), runner("SQ4", 0.90)
    assert set(drops(pair, target=None, recall_only=False, n_rounds=2, by_table=False)) == set()


def test_more_trials_ask_for_more_proof():
    """Corrected for many trials, a lead that would do among two is not enough."""
    pair = [runner("SQ8", 0.90, wobble=0.06), runner("SQ4", 0.925, wobble=-0.06)]
    crowd = [runner(f"PQ{number}np", 0.1, ram=1000.0 - number, scan=float(number)) for number in range(400)]
    assert gone(*pair) == {"SQ8"}
    assert "SQ8" not in gone(*pair, *crowd)
