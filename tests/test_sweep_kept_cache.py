"""A cache advice kept in a finished run."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ragopt.api import with_recommendation
from ragopt.cache.advice_json import summary_json
from ragopt.sweep import kept_cache
from ragopt.sweep.kept_cache import cache_of, with_cache, write_cache
from ragopt.sweep.run_folder import read_run, write_decision
from tests.cache_example import ADVICE, with_example_cache
from tests.report_example import example_run


@pytest.fixture
def kept(tmp_path):
    """A finished run in a folder, without a cache."""
    write_decision(tmp_path, example_run())
    return read_run(tmp_path)


def test_a_written_advice_is_read_back_with_the_run(kept):
    """After write_cache the folder reads as a whole run with the advice, and recommendation.json names the caches."""
    assert cache_of(kept) is None
    run = with_example_cache(kept)
    write_cache(run)
    again = read_run(kept.path)
    assert cache_of(again) == cache_of(run)
    assert cache_of(again).saved_usd_per_month == ADVICE.saved_usd_per_month
    decided = json.loads((kept.path / "recommendation.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in decided["cache"]["caches"]] == ["answer", "embedding", "result", "chunk", "prefix"]
    assert again.trials == kept.trials


def test_a_second_advice_takes_the_place_of_the_first(kept):
    """Advice is replaced, never added up."""
    write_cache(with_example_cache(kept))
    run = with_cache(read_run(kept.path), replace(ADVICE, insufficient="too short"))
    write_cache(run)
    assert cache_of(read_run(kept.path)).insufficient == "too short"


@pytest.mark.parametrize("n_written", [0, 1, 2])
def test_a_kill_between_the_files_leaves_a_whole_run(kept, monkeypatch, n_written):
    """Whatever number of the three writes was made, the folder reads as a run, with the old advice or the new one."""
    real, done = kept_cache.write_atomically, []

    def write(path: Path, data: str) -> None:
        if len(done) == n_written:
            raise KeyboardInterrupt
        done.append(path)
        real(path, data)

    monkeypatch.setattr(kept_cache, "write_atomically", write)
    with pytest.raises(KeyboardInterrupt):
        write_cache(with_example_cache(kept))
    found = cache_of(read_run(kept.path))
    assert found is None if n_written < 2 else found.log == ADVICE.log
    monkeypatch.undo()
    write_cache(with_example_cache(read_run(kept.path)))
    assert cache_of(read_run(kept.path)).plans == ADVICE.plans


@pytest.mark.parametrize("n_written", [0, 1, 2])
def test_a_kill_in_a_second_advice_never_shows_a_mixture(kept, monkeypatch, n_written):
    """The report has the old advice, the new one or none, never sizes that recommendation.json does not hold."""
    write_cache(with_example_cache(kept))
    real, done = kept_cache.write_atomically, []

    def write(path: Path, data: str) -> None:
        if len(done) == n_written:
            raise KeyboardInterrupt
        done.append(path)
        real(path, data)

    monkeypatch.setattr(kept_cache, "write_atomically", write)
    smaller = tuple(replace(plan, size_bytes=1000) if plan.size_bytes else plan for plan in ADVICE.plans)
    run = read_run(kept.path)
    second = replace(ADVICE, plans=smaller, trial=str(run.recommendation.trial), target=run.recommendation.target)
    with pytest.raises(KeyboardInterrupt):
        write_cache(with_cache(run, second))
    found = read_run(kept.path)
    advice = cache_of(found)
    assert advice is None or summary_json(advice) == found.recommendation.cache


def test_another_trial_or_target_than_the_advised_one_has_no_caches(kept):
    """A cache was billed around one index at one target: deciding for another drops it, the same decision keeps it."""
    run = with_example_cache(kept)
    same = with_recommendation(run, replace(run.recommendation, cache=None))
    assert cache_of(same) == cache_of(run)
    other = replace(run.recommendation, target="another", cache=None)
    assert cache_of(with_recommendation(run, other)) is None
