"""Whether a log can be replayed: long enough, in its real order, complete, and not one client's loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.cache.coded_log import MISSING
from ragopt.cache.column_file import blocks
from ragopt.cache.log_fields import option_of
from ragopt.cache.session_gaps import gaps_by_block, session_gaps
from ragopt.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.cache.coded_log import CodedLog

LEAST_DAYS = 3
"""A day has its own rhythm, and the first half of the log only warms the caches: a day and a half is left to count."""

LEAST_REQUESTS = 5_000
"""2,500 are counted, the other half warms: in blocks of an hour, with fewer an interval is wider than most savings."""

SECONDS_PER_DAY = 86_400

MOST_GAP_DAYS = 30
"""A pause of a service is shorter, and a date of another year longer (an assumption)."""

MOST_REPEATED = 0.01
"""Share of requests that repeat the one before in every field, from which a log is said to hold lines twice; one that
was written twice has half."""

LEAST_TO_TELL_A_GAP = 100
"""Requests below which a gap says nothing: such a log recommends nothing anyway."""

MOST_ODD = 0.1
"""Share of the requests that may stand on the short side of a gap that is taken for a wrong date."""

DOMINANT_SHARE = 0.5
"""The most read chunk of RAGPulse has 1.1 % of reads and its most frequent text 0.7 % of requests; a health check or a
crawler that is over half of a log decides every hit ratio alone."""

LEAST_TURNS = 100
"""Turns below which neither test says anything: 100 give a share within 10 points and a shuffled log's distance below
0.136 (95 %, 1.36 / sqrt(n))."""

LEAST_DISTANCE = 0.5
"""At least half of the turns must follow their session's last one sooner than in a random order. On RAGPulse the
distance is 0.945 as logged and at most 0.021 in 20 shuffles; see eval/results/2026-11-26-log-checks.json."""

MOST_ORPHANS = 0.25
"""Turns with a history whose session has no earlier request, as a share of turns with a history. On RAGPulse 8.5 % as
logged, 5 to 13 % in a tenth of its sessions, 37 to 42 % in half of its requests and 76 to 85 % in a tenth of them, 20
seeds each; three quarters of its requests (21 to 24 %) still pass. See eval/results/2026-11-26-log-checks.json."""

MARKER_SHARE = 0.1
"""One history in more than a tenth of the requests is no conversation but a mark of an empty one: RAGPulse's mark is in
52 % of its requests, and the most frequent other history in 1.7 %."""


@dataclass(frozen=True, slots=True)
class OrderCheck:
    """What the sessions of a log say about it.

    Attributes:
        refused: why a replay would mislead; empty where it would not.
        warnings: what could not be tested.
        marker: code of a history that seems to stand for an empty one; MISSING where none does.
    """

    refused: str
    warnings: tuple[str, ...]
    marker: int = MISSING


def too_small(times_s: NDArray[np.float64] | None, n_requests: int) -> str:
    """Say why a log is too small for a recommendation; empty where it is not.

    Args:
        times_s: float64 (n_requests,) in order, or None: only the requests count then.
        n_requests: how many there are.
    """
    days = float(times_s[-1] - times_s[0]) / SECONDS_PER_DAY if times_s is not None and n_requests else None
    if n_requests >= LEAST_REQUESTS and (days is None or days >= LEAST_DAYS):
        return ""
    length = "an unknown time" if days is None else f"{days:,.1f} days"
    return (
        f"The log has {n_requests:,} requests over {length}; a recommendation needs {LEAST_REQUESTS:,} over "
        f"{LEAST_DAYS} days"
    )


def dominant(codes: NDArray[np.int32]) -> tuple[int, float] | None:
    """Find the key that is over half of a column.

    Args:
        codes: int32 (n,) from 0.

    Returns:
        Its code and its share, or None where no key is.
    """
    counts = _counts(codes)
    if not counts.size:
        return None
    most = int(np.argmax(counts))
    share = float(counts[most] / len(codes))
    return (most, share) if share > DOMINANT_SHARE else None


def check_gap(times_s: NDArray[np.float64], first: str, last: str) -> None:
    """Refuse a log that is mostly one gap: a wrong date among right ones spoils every rate and every interval.

    Args:
        times_s: float64 (n_requests,) in order.
        first: place in the log of its earliest request.
        last: of its latest.

    Raises:
        InputError: a gap of over `MOST_GAP_DAYS` that is over half of the span, with few requests on one side.
    """
    span = float(times_s[-1] - times_s[0])
    if span <= MOST_GAP_DAYS * SECONDS_PER_DAY or len(times_s) < LEAST_TO_TELL_A_GAP:
        return
    gaps = np.diff(times_s)
    at = int(np.argmax(gaps))
    if gaps[at] <= max(span / 2, MOST_GAP_DAYS * SECONDS_PER_DAY):
        return
    early = at + 1 <= len(times_s) // 2
    n_odd = at + 1 if early else len(times_s) - at - 1
    if n_odd > MOST_ODD * len(times_s):
        return
    raise InputError(
        f"{first if early else last}: its time stands {gaps[at] / SECONDS_PER_DAY:,.0f} days from those of the other "
        f"requests, with {n_odd - 1:,} more on its side",
        allowed=f"a log whose longest gap is at most {MOST_GAP_DAYS} days, or half of its span",
        next_step="Correct the times, or give the log of one side of the gap",
    )


def n_repeated(log: CodedLog) -> int:
    """How many requests repeat the one before in time, query, session, history and tenant: lines that stand twice."""
    if log.times_s is None or log.n_requests < 2:
        return 0
    columns = (log.times_s, log.queries, log.sessions, log.histories, log.tenants)
    same = np.ones(log.n_requests - 1, dtype=np.bool_)
    for column in columns:
        if column is not None:
            same &= np.asarray(column[1:] == column[:-1])
    return int(same.sum())


def check_order(
    sessions: NDArray[np.int32] | None,
    histories: NDArray[np.int32] | None,
    *,
    sampled_by_key: bool = False,
) -> OrderCheck:
    """Test for shuffled and for sampled logs, both of which show too few hits.

    A log of real sessions has their turns close together; in a shuffled one they are as far apart as any two requests.
    A log without some of its requests has turns with a history whose earlier turns are missing. Whole sessions can be
    left out without harm. What sampling by key leaves (all requests of some queries) looks like a sample of requests:
    only the user can say that it is none.

    Args:
        sessions: int32 (n_requests,) in order of time, or None.
        histories: int32 (n_requests,), or None.
        sampled_by_key: the user says that all requests of some keys were kept.
    """
    if sessions is None:
        return OrderCheck(
            "",
            ("The log has no sessions: that it is complete and in its real order cannot be tested",),
        )
    gaps = session_gaps(sessions)
    warnings = []
    if gaps.n_gaps < LEAST_TURNS:
        warnings.append(
            f"Only {gaps.n_gaps:,} requests follow another of their session: that the log is in its real order cannot "
            f"be tested with fewer than {LEAST_TURNS}"
        )
    elif gaps.distance < LEAST_DISTANCE:
        return OrderCheck(
            f"The log seems shuffled: the requests of a session are as far apart as any two requests (distance "
            f"{gaps.distance:.2f} between the two distributions; {LEAST_DISTANCE} or more in a real log). Replay it in "
            f"its real order; if its sessions are users, not conversations, leave them out: {option_of('session')} ''",
            (),
        )
    return _check_sample(sessions, histories, tuple(warnings), sampled_by_key=sampled_by_key)


def _check_sample(
    sessions: NDArray[np.int32],
    histories: NDArray[np.int32] | None,
    warnings: tuple[str, ...],
    *,
    sampled_by_key: bool,
) -> OrderCheck:
    if histories is None:
        untested = "The log has no histories: that no requests were left out of it cannot be tested"
        return OrderCheck("", (*warnings, untested))
    counts = _counts(histories)
    if counts.size and counts.max() > MARKER_SHARE * len(histories):
        return OrderCheck("", warnings, marker=int(np.argmax(counts)))
    if sampled_by_key:
        said = "The log was sampled by key, as was said: its sessions cannot show whether it is otherwise complete"
        return OrderCheck("", (*warnings, said))
    n_turns, n_orphans = orphans(sessions, histories)
    if n_turns < LEAST_TURNS:
        few = (
            f"Only {n_turns:,} requests of the log's second half have a history and a session: that no requests were "
            f"left out cannot be tested with fewer than {LEAST_TURNS}"
        )
        return OrderCheck("", (*warnings, few))
    if n_orphans > MOST_ORPHANS * n_turns:
        return OrderCheck(
            f"The log seems sampled by request: of {n_turns:,} requests with a history, {n_orphans / n_turns:.0%} are "
            f"the first of their session, at most {MOST_ORPHANS:.0%} in a complete log. Replay the whole log, or all "
            "requests of some sessions; if all requests of some keys were kept, say --sampled-by-key; if its sessions "
            f"are not conversations, leave them out: {option_of('session')} ''",
            warnings,
        )
    return OrderCheck("", warnings)


def orphans(sessions: NDArray[np.int32], histories: NDArray[np.int32]) -> tuple[int, int]:
    """Count requests with a history in the second half of a log, and those that are the first of their session.

    The first half only collects sessions: one that began before the log is not held against it.

    Args:
        sessions: int32 (n_requests,) in order of time.
        histories: int32 (n_requests,).
    """
    n_turns = n_orphans = 0
    half = len(sessions) // 2
    for block, gaps in gaps_by_block(sessions):
        rows = np.arange(block.start, block.stop)
        counted = (rows >= half) & (sessions[block] != MISSING) & (histories[block] != MISSING)
        n_turns += int(counted.sum())
        n_orphans += int((counted & (gaps == 0)).sum())
    return n_turns, n_orphans


def _counts(codes: NDArray[np.int32]) -> NDArray[np.int64]:
    """How often each code comes, MISSING left out."""
    counts = np.zeros(0, dtype=np.int64)
    for block in blocks(len(codes)):
        found = np.asarray(codes[block])
        here = np.bincount(found[found >= 0], minlength=len(counts))
        here[: len(counts)] += counts
        counts = here
    return counts
