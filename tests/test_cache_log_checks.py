"""Logs that are too short, shuffled, sampled or one client's loop."""

import numpy as np
import pytest

from ragopt.cache import column_file
from ragopt.cache.coded_log import MISSING, CodedLog
from ragopt.cache.log_checks import check_gap, check_order, dominant, n_repeated, orphans, too_small
from ragopt.cache.log_fields import LogFields
from ragopt.cache.read_log import read_log
from ragopt.cache.session_gaps import gaps_by_block, session_gaps
from ragopt.errors import InputError

DAY = 86_400.0
SEEDS = range(20)


@pytest.mark.parametrize(
    ("times", "n", "said"),
    [
        ([0.0, 3 * DAY], 5000, ""),
        ([0.0, 3 * DAY], 4999, "The log has 4,999 requests over 3.0 days; a recommendation needs 5,000 over 3 days"),
        ([5.0, 5 + 1.5 * DAY], 9000, "The log has 9,000 requests over 1.5 days"),
        (None, 5000, ""),
        (None, 10, "The log has 10 requests over an unknown time"),
    ],
)
def test_a_short_log_is_insufficient_with_both_figures(times, n, said):
    """Three days and 5,000 requests are enough; without a time only the requests count."""
    found = too_small(None if times is None else np.array(times), n)
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_a_key_dominates_from_over_half_on():
    """Two of three, without what is MISSING; one of two does not."""
    assert dominant(np.array([1, 1, 0], np.int32)) == (1, 2 / 3)
    assert dominant(np.array([1, 0], np.int32)) is None
    assert dominant(np.array([], np.int32)) is None


def test_gaps_count_requests_that_have_a_session(monkeypatch):
    """By hand: 5 . 3 5 5 . 3, where a dot has no session; also when the log is read two rows at a time."""
    sessions = np.array([5, MISSING, 3, 5, 5, MISSING, 3], np.int32)
    monkeypatch.setattr(column_file, "BLOCK_ROWS", 2)
    found = [gap for _, gaps in gaps_by_block(sessions) for gap in gaps.tolist()]
    assert found == [0, 0, 0, 2, 1, 0, 3]


def test_the_distance_is_that_to_every_order_of_a_small_log():
    """Three requests of one session and one of another: of all gaps in the four orders, three in four are 1."""
    found = session_gaps(np.array([0, 0, 0, 1], np.int32))
    # C(4 - g, 3) / C(4, 3) is the share above g: 1/4 above 1, none above 2. As seen, all gaps are 1.
    assert found.n_gaps == 2
    assert found.distance == pytest.approx(0.25)


def conversations(rng, n_sessions, turns=3, first_history=MISSING):
    """Sessions whose turns stand within some 30 requests of each other; every turn but the first has a history."""
    begins = rng.uniform(0, 10 * n_sessions, n_sessions)
    at = (begins[:, None] + np.cumsum(rng.uniform(1, 30, (n_sessions, turns)), axis=1)).ravel()
    order = np.argsort(at)
    sessions = np.repeat(np.arange(n_sessions), turns)[order].astype(np.int32)
    histories = np.arange(n_sessions * turns).reshape(n_sessions, turns)
    histories[:, 0] = first_history
    return sessions, histories.ravel()[order].astype(np.int32)


@pytest.mark.parametrize("seed", SEEDS)
def test_made_conversations_pass_and_their_shuffles_and_samples_do_not(seed):
    """As made and by whole sessions it passes; shuffled or with a third of its requests it is refused."""
    rng = np.random.default_rng(seed)
    sessions, histories = conversations(rng, 1000)
    assert check_order(sessions, histories).refused == ""
    rows = rng.permutation(len(sessions))
    assert "seems shuffled" in check_order(sessions[rows], histories[rows]).refused
    assert "seems shuffled" in check_order(sessions[rows], None).refused
    rows = np.flatnonzero(rng.random(len(sessions)) < 1 / 3)
    assert "seems sampled by request" in check_order(sessions[rows], histories[rows]).refused
    said = check_order(sessions[rows], histories[rows], sampled_by_key=True)
    assert (said.refused, said.warnings[-1][:30]) == ("", "The log was sampled by key, as")
    rows = np.flatnonzero((rng.random(1000) < 0.3)[sessions])
    assert check_order(sessions[rows], histories[rows]).refused == ""


def test_a_log_without_a_second_turn_is_not_refused():
    """One request in each session, none with a history: nothing to test, and that is said."""
    found = check_order(np.arange(9000, dtype=np.int32), np.full(9000, MISSING, np.int32))
    assert found.refused == ""
    assert found.warnings[0].startswith("Only 0 requests follow another of their session")
    assert found.warnings[1].startswith("Only 0 requests of the log's second half have a history")


def test_a_robot_that_asks_at_fixed_intervals_is_no_shuffle():
    """24 clients that take turns: every gap is 24, where a random order would have 1 to hundreds."""
    assert check_order(np.tile(np.arange(24, dtype=np.int32), 300), None).refused == ""


def test_sessions_that_began_before_the_log_are_not_held_against_it():
    """Every first turn of the first half has a history; only the second half is counted."""
    sessions, histories = conversations(np.random.default_rng(1), 1000)
    half = len(sessions) // 2
    histories[:half] = np.arange(half)
    n_turns, n_orphans = orphans(sessions, histories)
    assert n_orphans == 0
    assert n_turns == int((histories[half:] != MISSING).sum())


def test_what_cannot_be_tested_is_said():
    """Without sessions neither test is possible, without histories none for a sample."""
    assert check_order(None, None).warnings == (
        "The log has no sessions: that it is complete and in its real order cannot be tested",
    )
    sessions, _ = conversations(np.random.default_rng(2), 1000)
    assert check_order(sessions, None).warnings == (
        "The log has no histories: that no requests were left out of it cannot be tested",
    )


@pytest.fixture(scope="module")
def ragpulse(shared):
    path = shared / "data" / "ragpulse" / "log.jsonl"
    if not path.is_file():
        pytest.skip("RAGPulse is not there")
    log = read_log(path, LogFields(time="t", query="q", empty_history=([15200],)))
    return log.sessions, log.histories


@pytest.mark.parametrize("seed", SEEDS)
def test_ragpulse_passes_whole_and_by_session_and_is_refused_otherwise(ragpulse, seed):
    """A real log: as logged, a tenth of its sessions; shuffled, half and a tenth of its requests."""
    sessions, histories = ragpulse
    rng = np.random.default_rng(seed)
    assert check_order(sessions, histories).refused == ""
    rows = np.flatnonzero((rng.random(sessions.max() + 1) < 0.1)[sessions])
    assert check_order(sessions[rows], histories[rows]).refused == ""
    rows = rng.permutation(len(sessions))
    assert "seems shuffled" in check_order(sessions[rows], histories[rows]).refused
    for share in (0.5, 0.1):
        rows = np.flatnonzero(rng.random(len(sessions)) < share)
        assert "seems sampled by request" in check_order(sessions[rows], histories[rows]).refused


def spread_log(n=200, days=10.0, **columns):
    """Requests of different queries, evenly spread over some days."""
    times = np.linspace(0, days * 86_400, n)
    return CodedLog("log", times_s=times, queries=np.arange(n, dtype=np.int32), **columns)


@pytest.mark.parametrize(("place", "said"), [(0, "line 7"), (-1, "line 9")])
def test_one_date_far_from_the_others_is_an_error_with_its_place(place, said):
    """A single request decades before or after 199 others within ten days is named; it would spoil every rate."""
    times = spread_log().times_s + 1.7e9
    times[place] += -1.6e9 if place == 0 else 2e9
    with pytest.raises(InputError, match=f"{said}: its time stands"):
        check_gap(times, "line 7", "line 9")


def test_two_seasons_and_short_logs_are_no_wrong_dates():
    """Half of the requests a year after the others, a pause of 29 days, and a log of a few lines pass."""
    times = spread_log().times_s
    pause = np.append(times, times[-1] + 29 * 86_400.0)
    for fine in (np.concatenate([times, times + 3e7]), pause, np.array([0.0, 1e9])):
        assert check_gap(fine, "first", "last") is None


def test_lines_that_stand_twice_are_counted():
    """A log written twice repeats every request; another session at the same time is no repetition."""
    twice = spread_log()
    times, queries = np.repeat(twice.times_s, 2), np.repeat(twice.queries, 2)
    assert n_repeated(CodedLog("log", times_s=times, queries=queries)) == 200
    sessions = np.tile(np.array([0, 1], np.int32), 200)
    assert n_repeated(CodedLog("log", times_s=times, queries=queries, sessions=sessions)) == 0
    assert n_repeated(twice) == 0
