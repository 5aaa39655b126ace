import dataclasses

import pytest

from ragopt.serve.choose_batch import choose_batch_size
from tests.serve_example import ROWS, UNBATCHED, a_row, figure


@pytest.mark.parametrize(("limit", "size"), [(None, 32), (24.0, 32), (23.9, 8), (20.0, 8), (18.0, 8), (17.9, None)])
def test_the_upper_end_of_p99_decides(limit, size):
    """32 answers most but its p99 of 19 ms may be 24: it is chosen from a limit of 24 ms on, and 8 from 18 ms on."""
    assert choose_batch_size(ROWS, UNBATCHED, limit)[0] == size


def test_an_unknown_upper_end_keeps_no_limit():
    """A row with too few answers is not chosen under a limit, however large, and is chosen without one."""
    unknown = a_row(64, (9000, 8900, 9100), (5.0, 4.0, None))
    assert choose_batch_size([*ROWS, unknown], UNBATCHED, 1e9)[0] == 32
    assert choose_batch_size([*ROWS, unknown], UNBATCHED, None)[0] == 64


def test_the_reason_gives_the_figures_and_those_without_a_batcher():
    """Throughput, p99 with its upper end, and the same of the callers without a batcher."""
    assert choose_batch_size(ROWS, UNBATCHED, 20.0)[1] == (
        "Batches of at most 8 answer the most questions with p99 surely within 20 ms: 2,000 questions a second, "
        "p99 16 ms (at most 18 ms). Without a batcher the same callers had 900 questions a second, p99 60 ms "
        "(its upper end unknown)."
    )


def test_no_batch_size_is_said_plainly():
    """Why none, the nearest one, those that were measured too briefly, and that no batcher keeps the limit."""
    # In 6 seconds 100 of every caller: 368 take 22.08, a fifth more 26.5.
    unknown = a_row(64, (9000, 8900, 9100), (5.0, 4.0, None))
    unknown = dataclasses.replace(unknown, p99_ms=figure(5.0, 4.0, None, n=3_200, n_independent=100))
    quick = a_row(None, (700, 650, 750), (3.0, 2.0, 4.0))
    size, reason = choose_batch_size([*ROWS, unknown], quick, 10.0)
    assert size is None
    assert reason == (
        "No batch size is recommended: none has its p99 surely within 10 ms. The nearest is 8: 2,000 questions a "
        "second, p99 16 ms (at most 18 ms). Too few answers for an upper end of p99 at 64 (368 of every caller are "
        "needed): measure each size for 27 seconds (--seconds 27). Without a batcher the limit is kept: 700 questions "
        "a second, p99 3 ms (at most 4 ms)."
    )
    assert "Without a batcher" not in choose_batch_size(ROWS, UNBATCHED, 10.0)[1]


def test_longer_measuring_is_advised_only_where_it_may_help():
    """A p99 surely above 910 ms needs no upper end to be beyond 50 ms; one from 4 ms up may still keep the limit."""
    slow, slower = a_row(4, (98, 19, 174), (1549, 911, None)), a_row(8, (98, 19, 174), (2500, 1200, None))
    assert choose_batch_size([slower, slow], UNBATCHED, 50.0)[1] == (
        "No batch size is recommended: none has its p99 surely within 50 ms. The nearest is 4: 98 questions a second, "
        "p99 1,549 ms (its upper end unknown)."
    )
    open_end = a_row(64, (9000, 8900, 9100), (5.0, 4.0, None))
    assert "Too few answers for an upper end of p99 at 64 (" in choose_batch_size([slow, open_end], UNBATCHED, 50.0)[1]


def test_a_size_measured_too_briefly_is_told_beside_the_recommended_one():
    """32 is recommended; whether 64 keeps the limit too is not known, and how long would tell is said."""
    open_end = dataclasses.replace(ROWS[2], batch_size=64, p99_ms=figure(5.0, None, None, n=320, n_independent=10))
    size, reason = choose_batch_size([*ROWS, open_end], UNBATCHED, 24.0)
    assert size == 32
    # In 6 seconds 10 of every caller: 368 take 220.8, a fifth more 265.
    assert "upper end of p99 at 64 (368 of every caller are needed): measure each size for 265 seconds" in reason
    assert "Too few" not in choose_batch_size([*ROWS, open_end], UNBATCHED, None)[1]


def test_sizes_that_the_measurement_does_not_tell_apart_are_named():
    """16 with 2,750 to 2,950 a second may answer as many as 32 with 2,900 to 3,200; 8 does not."""
    near = a_row(16, (2850, 2750, 2950), (17.0, 16.0, 19.0))
    size, reason = choose_batch_size([*ROWS, near], UNBATCHED, None)
    assert size == 32
    assert "The measurement does not tell 16 from it." in reason
    assert "not tell" not in choose_batch_size(ROWS, UNBATCHED, None)[1]


def test_too_few_repeats_tell_nothing_apart():
    """A throughput without an interval may be any other."""
    row = dataclasses.replace(ROWS[1], questions_per_second=figure(2000, None, None, n=3, n_independent=3))
    assert "does not tell 8 from it" in choose_batch_size([ROWS[2], row], UNBATCHED, None)[1]


@pytest.mark.parametrize(
    ("rate", "p99", "words"),
    [
        ((2050, 1980, 2200), (9.0, 8.0, 10.0), "does not tell the two throughputs apart"),
        ((2400, 2300, 2500), (9.0, 8.0, 10.0), "the batcher gains nothing here, call the index itself"),
        ((2400, 2300, 2500), (90.0, 80.0, 100.0), "more questions, but beyond the limit"),
    ],
)
def test_a_batcher_that_gains_nothing_is_said(rate, p99, words):
    """Callers without a batcher that answer as much, or more within or beyond the limit, are in the reason."""
    size, reason = choose_batch_size(ROWS, a_row(None, rate, p99), 20.0)
    assert size == 8
    assert words in reason
