"""From hand-made figures to the word: every rule on both of its sides."""

import pytest

from ragopt.measure.intervals import Interval
from ragopt.serve.check_records import EXIT_CODES, CodingDrift, EmbedderReplay, Reason, RecallNow
from ragopt.serve.verdict import (
    few_queries_notes,
    reason_of_drift,
    reason_of_embedder,
    reason_of_recall,
    recall_floor,
    verdict,
)


def recall(value, low, high, n=256, change=(-0.04, -0.06, 0.0)):
    """Recall of canaries at the build and now, 0.97 at the build."""
    return RecallNow(Interval(value, low, high, n), 0, Interval(0.97, 0.96, 0.98, 256), Interval(*change, n),
                     "the neighbours kept")  # fmt: skip


def drift(ratio, low, high, n=100):
    """A drift with a given ratio."""
    return CodingDrift("rows added", n, 0.2 * ratio, 2048, 0.2, Interval(ratio, low, high, n))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "keep"),
        (("keep", "keep"), "keep"),
        (("keep", "re-tune"), "re-tune"),
        (("re-tune", "re-train"), "re-train"),
        (("re-train", "re-tune", "broken", "keep"), "broken"),
    ],
)
def test_the_gravest_reason_is_the_word_and_comes_first(words, said):
    """Broken before re-train before re-tune before keep; no reason is left out."""
    word, reasons = verdict([Reason(word, str(number)) for number, word in enumerate(words)])
    assert word == said
    assert len(reasons) == len(words)
    assert not reasons or reasons[0].word == said


def test_exit_codes():
    """0 keep, 4 re-tune, 5 re-train, 1 broken: a change here breaks other people's CI."""
    assert EXIT_CODES == {"keep": 0, "re-tune": 4, "re-train": 5, "broken": 1}


@pytest.mark.parametrize(
    ("figures", "word"),
    [((0.93, 0.91, 0.9499), "re-tune"), ((0.94, 0.92, 0.95), "keep"), ((0.97, 0.96, 0.98), "keep")],
)
def test_recall_is_held_against_the_floor_by_its_upper_end(figures, word):
    """At a floor of 0.95 an upper end of 0.9499 says re-tune, one of 0.95 does not."""
    assert reason_of_recall("the canaries", recall(*figures), 10, 0.95).word == word


def test_a_reason_holds_its_figures():
    """Name of the measure, value, interval, number, the build's, the paired change, and the floor."""
    text = reason_of_recall("the canaries", recall(0.93, 0.91, 0.94, change=(-0.005, -0.006, -0.003)), 10, 0.95).text
    assert text == (
        "recall_vs_exact@10 of the canaries is 0.9300 [0.9100, 0.9400], n = 256; 0.9700 [0.9600, 0.9800] at the build, "
        "change -0.0050 [-0.0060, -0.0030] on the same queries: all of the interval lies below 0.9500"
    )


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ((-0.0101, -0.02, -0.0001), "re-tune"),
        ((-0.0100, -0.02, -0.0001), "keep"),
        ((-0.0101, -0.02, 0.0), "keep"),
        ((0.02, 0.01, 0.03), "keep"),
    ],
)
@pytest.mark.parametrize("floor", [0.9, None])
def test_a_paired_loss_retunes_above_the_floor_too(change, word, floor):
    """More than one point below the build on the same canaries, all of the interval below 0."""
    assert reason_of_recall("the canaries", recall(0.96, 0.95, 0.97, change=change), 10, floor).word == word


def test_fewer_than_a_hundred_say_nothing_but_keep():
    """Ninety-nine queries or rows far beyond the limits keep, in words; one hundred do not."""
    for n, recall_word, drift_word in ((99, "keep", "keep"), (100, "re-tune", "re-train")):
        of_recall = reason_of_recall("new", recall(0.5, 0.4, 0.6, n), 10, 0.95)
        of_drift = reason_of_drift(drift(1.75, 1.73, 1.77, n))
        assert (of_recall.word, of_drift.word) == (recall_word, drift_word)
        assert ("fewer than 100 queries" in of_recall.text) == ("fewer than 100 rows" in of_drift.text) == (n == 99)


def test_recall_without_a_floor_keeps():
    """Where neither a limit nor a measurement is known, recall is told and decides nothing."""
    reason = reason_of_recall("the canaries", recall(0.1, 0.05, 0.2), 10, None)
    assert reason.word == "keep"
    assert reason.text.endswith("no limit is known")


@pytest.mark.parametrize(
    ("figures", "word"),
    [
        ((1.2, 1.151, 1.3), "re-train"),
        ((1.2, 1.15, 1.3), "keep"),
        ((1.1, 1.05, 1.14), "keep"),
        ((0.8, 0.7, 0.9), "keep"),
    ],
)
def test_drift_is_held_against_the_ratio_by_its_lower_end(figures, word):
    """Above 1.15 the lower end says re-train; at 1.15 it does not."""
    assert reason_of_drift(drift(*figures)).word == word


def test_one_moved_question_is_broken():
    """One question beyond the tolerance is enough; none is not."""
    assert reason_of_embedder(EmbedderReplay(256, 1, 0.02, 0.01)).word == "broken"
    reason = reason_of_embedder(EmbedderReplay(256, 0, 7e-7, 0.01))
    assert (reason.word, "largest move 7.0e-07" in reason.text) == ("keep", True)


@pytest.mark.parametrize(
    ("low", "min_recall", "floor"),
    [(0.96, 0.95, 0.95), (0.90, 0.95, 0.90), (0.96, None, 0.96), (None, 0.95, 0.95), (None, None, None)],
)
def test_the_floor(low, min_recall, floor):
    """The run's limit; of a trial below it, or without one, the lower end of what was measured."""
    quality = {} if low is None else {"recall_vs_exact@10": {"value": 0.97, "low": low, "high": 0.98}}
    assert recall_floor(quality, min_recall, 10) == floor


def test_few_queries_are_told():
    """Ninety-nine queries are few, one hundred are not."""
    notes = few_queries_notes((("the canaries", recall(0.9, 0.8, 1.0, 99)), ("new", recall(0.9, 0.8, 1.0, 100))))
    assert [note.split(":")[0] for note in notes] == ["the canaries"]
    assert "99 queries" in notes[0]
