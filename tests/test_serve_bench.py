"""Measuring batch sizes: what is asked, what counts, and how wide the intervals must be; real searches, no timing."""

import collections
import dataclasses
import itertools
import json
import random
import threading
import time

import numpy as np
import pytest

from ragopt.errors import InputError
from ragopt.measure.quantiles import quantile_interval
from ragopt.serve import timed_blocks
from ragopt.serve.bench import bench_serve
from ragopt.serve.timed_blocks import Block, Questions, time_callers, time_calls
from tests.serve_searcher import FlatSearcher, distinct_questions

QUESTIONS = distinct_questions(50)


def round_and_round(texts, n):
    return list(itertools.islice(itertools.cycle(texts), n))


def test_calls_ask_every_question_before_any_again():
    """Batches of 7 of 50 questions walk round the list; the first batch warms up and is not counted."""
    searcher = FlatSearcher(QUESTIONS)
    block = time_calls(searcher.search, Questions(QUESTIONS), 7, 0.02)
    asked = [text for texts, _, _ in searcher.calls for text in texts]
    assert asked == round_and_round(QUESTIONS, len(asked))
    assert {len(texts) for texts, _, _ in searcher.calls} == {7}
    n_timed = len(searcher.calls) - 1
    assert (len(block.latencies_ms), block.n_answered) == (n_timed, 7 * n_timed)
    assert (block.n_asked, block.n_calls) == (7 * n_timed + 7, n_timed + 1)
    assert block.seconds == pytest.approx(sum(block.latencies_ms) / 1e3)
    assert sum(block.latencies_ms[:-1]) < 20 <= sum(block.latencies_ms)


def test_callers_share_one_walk_through_the_questions():
    """Five callers at once take each next question once; the first of each is not counted, every later one is."""
    searcher = FlatSearcher(QUESTIONS)
    block = time_callers(lambda text: searcher.search([text]), Questions(QUESTIONS), 5, 0.2)
    asked = [texts[0] for texts, _, _ in searcher.calls]
    assert collections.Counter(asked) == collections.Counter(round_and_round(QUESTIONS, len(asked)))
    assert len(block.latencies_ms) == len(asked) - 5
    assert block.n_asked == block.n_calls == len(asked)
    assert len(asked) - 10 <= block.n_answered <= len(asked) - 5
    assert block.seconds == 0.2


def test_a_slow_answer_counts_for_latency_though_it_comes_too_late():
    """Every sixth question sleeps 60 ms, longer than the block: its latency is kept, its answer is not in the rate."""
    texts = ["slow", *QUESTIONS[:5]]

    def ask(text):
        time.sleep(0.06 if text == "slow" else 0.001)

    supply = Questions(texts)
    supply.many(1)
    block = time_callers(ask, supply, 1, 0.03)
    # One caller: five quick questions of which one warms up, then the slow one over the end of the block.
    assert len(block.latencies_ms) <= 5
    if len(block.latencies_ms) == 5:
        assert block.latencies_ms[4] >= 60
        assert block.n_answered == 4


def test_no_answer_in_time_is_an_error():
    """Answers that take 50 ms cannot be counted in a block of 1 ms."""
    with pytest.raises(InputError, match=r"No answer came within 0\.001 s to 2 callers"):
        time_callers(lambda _: time.sleep(0.05), Questions(QUESTIONS), 2, 0.001)


@pytest.mark.parametrize("at", [2, 40])
def test_an_error_of_a_search_ends_the_block(at):
    """The search's own error is raised, whether a caller's first question failed or a later one."""
    numbers = itertools.count()

    def ask(_text):
        if next(numbers) == at:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        time_callers(ask, Questions(QUESTIONS), 4, 0.2)


def test_a_caller_without_a_first_answer_is_an_error(monkeypatch):
    """When one of two callers has no answer while the other waits for it, both end and it is said."""
    monkeypatch.setattr(timed_blocks, "ANSWER_SECONDS", 0.05)
    held = threading.Event()
    with pytest.raises(InputError, match=r"Not all of 2 callers had an answer within 0\.05 s"):
        time_callers(lambda text: held.wait(1) if text == QUESTIONS[0] else None, Questions(QUESTIONS), 2, 0.1)


def test_a_measurement_from_end_to_end():
    """Three sizes alone, the two that eight callers can fill, and no batcher: six blocks each, the same questions."""
    searcher, told = FlatSearcher(QUESTIONS), []
    bench = bench_serve(
        searcher, [*QUESTIONS, *QUESTIONS[:9]], k=3, batch_sizes=(16, 1, 4, 4), concurrency=8, seconds=0.6, seed=5,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == [(done, 36) for done in range(1, 37)]
    assert [row.batch_size for row in bench.calls] == [1, 4, 16]
    assert [row.batch_size for row in bench.callers] == [1, 4]
    assert bench.unbatched.batch_size is None
    assert [row.questions_per_call for row in bench.calls] == [1, 4, 16]
    assert bench.unbatched.questions_per_call == bench.callers[0].questions_per_call == 1
    assert 1 < bench.callers[1].questions_per_call <= 4
    assert {k for _, k, _ in searcher.calls} == {3}
    for row in (*bench.calls, *bench.callers, bench.unbatched):
        assert (row.questions_per_second.n, row.questions_per_second.low is None) == (6, False)
        assert row.p50_ms.value <= row.p95_ms.value <= row.p99_ms.value
    assert all(row.p99_ms.n_independent == row.p99_ms.n for row in bench.calls)
    assert all(row.p99_ms.n_independent == row.p99_ms.n // 8 for row in (*bench.callers, bench.unbatched))
    texts = list(QUESTIONS)
    random.Random(5).shuffle(texts)
    of_sixteen = [text for asked, _, _ in searcher.calls if len(asked) == 16 for text in asked]
    assert of_sixteen == round_and_round(texts, len(of_sixteen))
    assert (bench.n_distinct, bench.k, bench.concurrency, bench.seed) == (50, 3, 8, 5)
    assert bench.most_repeats > 1
    assert len(bench.warnings) == 1
    assert f"The 50 questions were asked up to {bench.most_repeats:,} times at one batch size" in bench.warnings[0]
    assert bench.recommended_row in bench.callers
    assert all(row.seconds == pytest.approx(0.6) for row in bench.callers)
    again = json.loads(json.dumps(dataclasses.asdict(bench), allow_nan=False))
    assert again["callers"][1]["p99_ms"]["n"] == bench.callers[1].p99_ms.n


def made_blocks(monkeypatch, n_answers):
    """Blocks of 1 second in which callers get so many answers by size, each after 2 ms; None without a batcher."""

    def block(_self, job, _supply):
        n = n_answers[job[1]] if job[0] == "callers" else 1
        return Block([2.0] * n, n, 1.0, n, n)

    monkeypatch.setattr("ragopt.serve.bench._Bench._block", block)


def test_sizes_with_too_few_answers_are_measured_on(monkeypatch):
    """Two callers need 736 answers: 100 a block become nine blocks, 2 a block are told how long they need.

    736 / 600 x 1.2 of six blocks are 8.8, so nine; 736 / 12 is more than ten times the seconds, x 1.2 x 6 s = 442 s.
    """
    told = []
    made_blocks(monkeypatch, {1: 200, 2: 100, None: 200})
    bench = bench_serve(FlatSearcher(QUESTIONS), QUESTIONS, batch_sizes=(1, 2), concurrency=2, seconds=6,
                        p99_limit_ms=5, progress=lambda *done: told.append(done))  # fmt: skip
    assert [(row.batch_size, row.seconds, row.p99_ms.n, row.p99_ms.high) for row in bench.callers] == [
        (1, 6.0, 1200, 2.0), (2, 9.0, 900, 2.0)
    ]  # fmt: skip
    assert told == [(done, 30) for done in range(1, 31)] + [(done, 33) for done in range(31, 34)]
    made_blocks(monkeypatch, {1: 2, 2: 2, None: 200})
    bench = bench_serve(FlatSearcher(QUESTIONS), QUESTIONS, batch_sizes=(1, 2), concurrency=2, seconds=6,
                        p99_limit_ms=5)  # fmt: skip
    assert [row.seconds for row in bench.callers] == [6.0, 6.0]
    assert bench.recommended is None
    assert "upper end of p99 at 1, 2 (368 of every caller are needed): measure each size for 442 sec" in bench.reason


def test_nothing_is_measured_on_where_it_tells_nothing(monkeypatch):
    """Without a limit, and with one that the lower end of p99 is beyond, six blocks are all."""
    made_blocks(monkeypatch, {1: 100, 2: 100, None: 100})
    for limit in (None, 1.9):
        bench = bench_serve(FlatSearcher(QUESTIONS), QUESTIONS, batch_sizes=(1, 2), concurrency=2, seconds=6,
                            p99_limit_ms=limit)  # fmt: skip
        assert [row.seconds for row in bench.callers] == [6.0, 6.0]


def test_few_questions_and_few_callers():
    """Batches of 8 from 3 questions are told; with all sizes above the callers, the callers' number is the size."""
    bench = bench_serve(FlatSearcher(QUESTIONS), QUESTIONS[:3], batch_sizes=(8,), concurrency=2, seconds=0.6)
    assert [row.batch_size for row in bench.callers] == [2]
    assert bench.warnings[1] == "Batches of more than 3 held the same question more than once."


@pytest.mark.parametrize(
    ("questions", "more", "words"),
    [
        ([], {}, "no question to ask"),
        (["a"], {"batch_sizes": ()}, r"batch sizes are \[\]"),
        (["a"], {"batch_sizes": (0, 2)}, r"batch sizes are \[0, 2\]"),
        (["a"], {"concurrency": 0}, "concurrency is 0"),
        (["a"], {"seconds": 0}, "time to measure is 0 s"),
        (["a"], {"seconds": float("nan")}, "time to measure is nan s"),
        (["a"], {"p99_limit_ms": 0}, "limit of p99 is 0 ms"),
    ],
)
def test_what_cannot_be_measured_is_refused(questions, more, words):
    """Every impossible setting is an error with its value, before anything is searched."""
    with pytest.raises(InputError, match=words):
        bench_serve(FlatSearcher(QUESTIONS[:2]), questions, **more)


def test_intervals_of_a_closed_loop_count_rounds_not_questions():
    """32 callers, batches of 8, heavy-tailed searches: 400 rounds cover p99 in 95 %, 12,800 "independent" ones do not.

    With no pause between answer and next question a latency is the sum of the last 32 / 8 search times, equal for the
    8 questions of a batch.
    """
    rng, n_calls, window = np.random.default_rng(7), 1600, 4

    def latencies(n):
        times = rng.lognormal(sigma=1.5, size=n + window - 1)
        return np.convolve(times, np.ones(window), mode="valid")

    true = np.percentile(latencies(4_000_000), 99)
    rounds = questions = 0
    for _ in range(400):
        values = np.repeat(latencies(n_calls), 8)
        wide = quantile_interval(values, 0.99, n_independent=len(values) // 32)
        narrow = quantile_interval(values, 0.99)
        rounds += wide.low <= true <= wide.high
        questions += narrow.low <= true <= narrow.high
    assert rounds >= 380
    assert questions < 260
