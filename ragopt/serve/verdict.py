"""From figures to one word: keep, re-tune, re-train or broken. Nothing is measured here.

Every rule asks for the end of an interval, not for its middle, and for a hundred queries or rows: with fewer the word
stays `keep`.
The rules and where their constants come from: docs/method-check.md#the-word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.measure.intervals import FEW_QUERIES, few_queries_warning
from ragopt.serve.check_records import CodingDrift, EmbedderReplay, Reason, RecallNow, Word

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ragopt.measure.intervals import Interval

WORST_RATIO = 1.15
"""Of the coding error of new rows to that of held-out ones. Over ten factories on two sets of vectors, rows of the same
kind gave 1.112 at most (SQ4, whose second quantizer saw half of the rows then; 1.015 without it); above 1.15 a
quantizer trained on all rows found more, 4.3 points of recall_vs_exact@10 at the median, 0.6 at least, but for SQ4
(eval/coding_drift.py, 2026-11-26)."""

LEAST_FOR_A_WORD = FEW_QUERIES
"""Queries or rows from which a figure may say another word than keep: intervals were checked from here on, and a
handful of documents, alike perhaps, says nothing of a corpus."""

WORST_LOSS = 0.01
"""Paired loss of recall_vs_exact@k of the canaries since the build, above the floor too: one point, the step in which
limits on it are named (.95, .96). Without a true loss it was said in none of 4,000 draws
(eval/check_error_rates.py)."""

ORDER: tuple[Word, ...] = ("broken", "re-train", "re-tune", "keep")
"""The first of these that a reason says is the word: what is broken need not be tuned, and what is trained anew is."""


def verdict(reasons: Sequence[Reason]) -> tuple[Word, tuple[Reason, ...]]:
    """The word, and every reason, those that say it first."""
    said = {reason.word for reason in reasons}
    word: Word = next((one for one in ORDER if one in said), "keep")
    return word, tuple(sorted(reasons, key=lambda reason: ORDER.index(reason.word)))


def reason_of_embedder(replay: EmbedderReplay) -> Reason:
    """Broken where a question's vector moved by more than rounding does."""
    figures = (
        f"largest move {replay.largest_move:.1e} of a vector's length, at most {replay.tolerance:.0e} is allowed, "
        f"n = {replay.n:,}"
    )
    if replay.n_moved:
        return Reason("broken", f"The embedder gives other vectors than at the build for {replay.n_moved:,} of the "
                                f"canaries' questions: {figures}")  # fmt: skip
    return Reason("keep", f"The embedder gives the canaries' vectors of the build: {figures}")


def reason_of_recall(what: str, recall: RecallNow, k: int, floor: float | None) -> Reason:
    """Re-tune where all of recall_vs_exact@k's interval lies below the floor, or all of its change below 0."""
    figures = f"recall_vs_exact@{k} of {what} is {interval_text(recall.now)}, n = {recall.now.n:,}"
    if recall.at_build is not None and recall.change is not None:
        figures += (
            f"; {interval_text(recall.at_build)} at the build, change {recall.change.value:+.4f} "
            f"[{recall.change.low:+.4f}, {recall.change.high:+.4f}] on the same queries"
        )
    if recall.now.n < LEAST_FOR_A_WORD:
        return Reason("keep", f"{figures}: fewer than {LEAST_FOR_A_WORD} queries say nothing but keep")
    if recall.change is not None and recall.change.high < 0 and recall.change.value < -WORST_LOSS:
        return Reason("re-tune", f"{figures}: more than {WORST_LOSS:g} is lost, and all of that interval lies below 0")
    if floor is None:
        return Reason("keep", f"{figures}; no limit is known")
    if recall.now.high < floor:
        return Reason("re-tune", f"{figures}: all of the interval lies below {floor:.4f}")
    if recall.now.low < floor:
        return Reason("keep", f"{figures}: the interval holds {floor:.4f}, so that it is not known to be missed")
    return Reason("keep", f"{figures}: not below {floor:.4f}")


def reason_of_drift(drift: CodingDrift) -> Reason:
    """Re-train where even the lower end of the ratio of coding errors lies above `WORST_RATIO`."""
    figures = (
        f"{drift.what}: coding error {drift.error:.4g} (n = {drift.n:,}), {drift.error_held_out:.4g} of rows held out "
        f"at the build (n = {drift.n_held_out:,}), ratio {drift.ratio.value:.3f} "
        f"[{drift.ratio.low:.3f}, {drift.ratio.high:.3f}]"
    )
    if drift.n < LEAST_FOR_A_WORD:
        return Reason("keep", f"{figures}: fewer than {LEAST_FOR_A_WORD} rows say nothing but keep")
    if drift.ratio.low > WORST_RATIO:
        return Reason("re-train", f"{figures}: all of the interval lies above {WORST_RATIO:g}")
    if drift.ratio.high > WORST_RATIO:
        return Reason("keep", f"{figures}: the interval holds {WORST_RATIO:g}, so that a drift is not known")
    return Reason("keep", f"{figures}: not above {WORST_RATIO:g}")


def interval_text(interval: Interval) -> str:
    """Value and interval to four decimals.

    >>> from ragopt.measure.intervals import Interval
    >>> interval_text(Interval(0.95, 0.9, 0.975, 100))
    '0.9500 [0.9000, 0.9750]'
    """
    return f"{interval.value:.4f} [{interval.low:.4f}, {interval.high:.4f}]"


def few_queries_notes(recalls: Iterable[tuple[str, RecallNow | None]]) -> list[str]:
    """Say where a recall rests on few queries."""
    found = []
    for what, recall in recalls:
        warning = None if recall is None else few_queries_warning(recall.now.n)
        if warning:
            found.append(f"{what}: {warning[0].lower()}{warning[1:].removesuffix('.')}")
    return found


def recall_floor(about_quality: dict[str, dict[str, float]], min_recall: float | None, k: int) -> float | None:
    """What recall_vs_exact@k is held against.

    The limit that the run was asked for; for a trial that did not meet it when it was built, or without a limit, the
    lower end of what the run measured of it.

    Args:
        about_quality: of the trial, as the manifest keeps it.
        min_recall: of the run; None for no limit.
        k: results counted.
    """
    figure = about_quality.get(f"recall_vs_exact@{k}")
    measured = None if figure is None else float(figure["low"])
    if min_recall is None or measured is None:
        return measured if min_recall is None else min_recall
    return min(min_recall, measured)
