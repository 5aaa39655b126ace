"""The query batcher, with real threads, a real model and a real index; no test measures time."""

import concurrent.futures
import random
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.errors import InputError, RagoptError, ServiceBusy, ServiceClosed
from ragopt.serve.batcher import QueryBatcher, SystemClock
from tests.serve_searcher import FlatSearcher, GatedSearcher, ManualClock, distinct_questions

QUESTIONS = distinct_questions(780)
FEW = QUESTIONS[:12]
AN_HOUR_MS = 3.6e6


@pytest.fixture(scope="module")
def flat():
    return FlatSearcher(QUESTIONS)


@pytest.fixture
def gated():
    return GatedSearcher(FEW)


def in_threads(function, n_threads):
    """Run function(number) in so many threads that begin together; give back what each returned, or raise."""
    barrier = threading.Barrier(n_threads)

    def run(number):
        barrier.wait(30)
        return function(number)

    with concurrent.futures.ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(run, range(n_threads)))


@pytest.mark.parametrize(("seed", "max_queries", "max_wait_ms"), [(0, 8, 0.0), (1, 32, 0.0), (2, 5, 1.0), (3, 1, 0.0)])
def test_every_caller_gets_the_answer_to_its_own_question(flat, seed, max_queries, max_wait_ms):
    """16 threads ask 50 questions each at three k and two filters: the best passage is the question, k are given."""
    flat.calls.clear()
    rng = random.Random(seed)
    asked = [[(rng.choice(QUESTIONS), rng.choice((1, 3, 7))) for _ in range(50)] for _ in range(16)]

    def ask(number):
        for question, k in asked[number]:
            where = question.split()[0] if number % 2 else None
            hits = batcher.search(question, k=k, where=where)
            assert hits[0][0] == question
            held = sum(where in text for text in QUESTIONS) if where else len(QUESTIONS)
            assert len(hits) == min(k, held)
            assert where is None or all(where in text for text, _ in hits)

    with QueryBatcher(flat, max_queries=max_queries, max_wait_ms=max_wait_ms) as batcher:
        in_threads(ask, 16)
    counts = batcher.counts()
    assert (counts.n_questions, counts.n_calls, counts.n_refused) == (800, len(flat.calls), 0)
    assert sorted(text for texts, _, _ in flat.calls for text in texts) == sorted(q for one in asked for q, _ in one)
    assert max(len(texts) for texts, _, _ in flat.calls) <= max_queries
    assert (counts.n_calls < 800) == (max_queries > 1)


def test_what_gathers_during_a_search_is_one_call(gated):
    """While one question is searched eleven others come: they are one search, in the order in which they came."""
    with QueryBatcher(gated) as batcher:
        first = batcher.submit(FEW[0])
        assert gated.entered.acquire(timeout=30)
        others = [batcher.submit(question) for question in FEW[1:]]
        gated.gate.set()
        answers = [future.result(30) for future in (first, *others)]
    assert [hits[0][0] for hits in answers] == FEW
    assert [texts for texts, _, _ in gated.calls] == [(FEW[0],), tuple(FEW[1:])]
    assert batcher.counts().n_calls == 2


def test_a_batch_holds_max_queries_at_most_the_oldest_first(gated):
    """Eleven waiting questions at max_queries = 4 are searched as 4, 4 and 3, in their order."""
    with QueryBatcher(gated, max_queries=4) as batcher:
        batcher.submit(FEW[0])
        assert gated.entered.acquire(timeout=30)
        for question in FEW[1:]:
            batcher.submit(question)
        gated.gate.set()
    assert [texts for texts, _, _ in gated.calls] == [
        (FEW[0],), tuple(FEW[1:5]), tuple(FEW[5:9]), tuple(FEW[9:12]),
    ]  # fmt: skip


def test_each_k_and_each_filter_has_a_search_of_its_own(gated):
    """One batch with k 2 and 3, with and without a filter, is one search per pair, never one at the largest k."""
    wanted = [(FEW[1], 2, None), (FEW[2], 3, None), (FEW[3], 2, "apple"), (FEW[4], 2, None), (FEW[5], 3, None)]
    with QueryBatcher(gated) as batcher:
        batcher.submit(FEW[0])
        assert gated.entered.acquire(timeout=30)
        futures = [batcher.submit(question, k=k, where=where) for question, k, where in wanted]
        gated.gate.set()
        answers = [future.result(30) for future in futures]
    assert [len(hits) for hits in answers] == [2, 3, 2, 2, 3]
    assert gated.calls[1:] == [
        ((FEW[1], FEW[4]), 2, None), ((FEW[2], FEW[5]), 3, None), ((FEW[3],), 2, "apple"),
    ]  # fmt: skip


def test_a_full_batch_does_not_wait():
    """With an hour to wait, three questions at max_queries = 3 are answered although the clock stands still."""
    searcher, clock = FlatSearcher(FEW), ManualClock()
    with QueryBatcher(searcher, max_queries=3, max_wait_ms=AN_HOUR_MS, clock=clock) as batcher:
        futures = [batcher.submit(question) for question in FEW[:3]]
        assert [future.result(30)[0][0] for future in futures] == FEW[:3]
    assert [texts for texts, _, _ in searcher.calls] == [tuple(FEW[:3])]


def test_the_oldest_question_sets_the_deadline():
    """Asked at 0 and at 6 ms with 10 ms to wait: nothing at 9.5 ms, both in one search at 10 ms."""
    searcher, clock = FlatSearcher(FEW), ManualClock()
    with QueryBatcher(searcher, max_wait_ms=10, clock=clock) as batcher:
        assert clock.sleeping.acquire(timeout=30)
        assert clock.timeouts == [None]
        first = batcher.submit(FEW[0])
        assert clock.sleeping.acquire(timeout=30)
        clock.advance(6)
        assert clock.sleeping.acquire(timeout=30)
        second = batcher.submit(FEW[1])
        clock.advance(3.5)
        assert clock.sleeping.acquire(timeout=30)
        assert clock.timeouts == [None, 10, 4, 0.5]
        assert searcher.calls == []
        assert not first.done()
        clock.advance(0.5)
        assert (first.result(30)[0][0], second.result(30)[0][0]) == (FEW[0], FEW[1])
    assert [texts for texts, _, _ in searcher.calls] == [(FEW[0], FEW[1])]


def test_a_question_that_waited_during_a_search_waits_no_longer():
    """A question whose time ran out while the batch before was searched is searched at once, without a sleep."""
    searcher, clock = GatedSearcher(FEW), ManualClock()
    with QueryBatcher(searcher, max_wait_ms=10, clock=clock) as batcher:
        assert clock.sleeping.acquire(timeout=30)
        first = batcher.submit(FEW[0])
        assert clock.sleeping.acquire(timeout=30)
        clock.advance(10)
        assert searcher.entered.acquire(timeout=30)
        second = batcher.submit(FEW[1])
        clock.ms += 10
        searcher.gate.set()
        assert first.result(30)[0][0] == FEW[0]
        assert second.result(30)[0][0] == FEW[1]
        assert clock.timeouts[:2] == [None, 10]
        # The third sleep, if it began already, is that of an idle batcher.
        assert clock.timeouts[2:] in ([], [None])


def test_without_a_wait_a_lone_question_is_searched_at_once():
    """max_wait_ms = 0: the clock stands still and a lone question is answered all the same."""
    clock = ManualClock()
    with QueryBatcher(FlatSearcher(FEW), clock=clock) as batcher:
        assert batcher.search(FEW[3])[0][0] == FEW[3]
    assert set(clock.timeouts) <= {None}


def test_one_bad_question_leaves_the_others_their_answers(gated):
    """In a batch of five with one bad question only its caller gets the error; the others are searched alone."""
    with QueryBatcher(gated) as batcher:
        batcher.submit(FEW[0])
        assert gated.entered.acquire(timeout=30)
        asked = [FEW[1], FEW[2], "bad question", FEW[3], FEW[4]]
        futures = [batcher.submit(question) for question in asked]
        other_k = batcher.submit(FEW[5], k=2)
        gated.gate.set()
        with pytest.raises(ValueError, match="bad question"):
            futures.pop(2).result(30)
        assert [future.result(30)[0][0] for future in futures] == FEW[1:5]
        assert other_k.result(30)[0][0] == FEW[5]
    # The first, the failed five, each of them alone, the other k: 1 + 1 + 5 + 1.
    assert [len(texts) for texts, _, _ in gated.calls] == [1, 5, 1, 1, 1, 1, 1, 1]
    assert (batcher.counts().n_questions, batcher.counts().n_calls) == (7, 8)


def test_when_all_fail_each_caller_gets_its_own_error(gated):
    """Two bad questions of one batch each raise their own error, and the batcher goes on."""
    with QueryBatcher(gated) as batcher:
        batcher.submit(FEW[0])
        assert gated.entered.acquire(timeout=30)
        futures = [batcher.submit(question) for question in ("bad one", "bad two")]
        gated.gate.set()
        for future, name in zip(futures, ("bad one", "bad two"), strict=True):
            with pytest.raises(ValueError, match=name):
                future.result(30)
        assert batcher.search(FEW[2])[0][0] == FEW[2]


def test_a_panic_of_a_native_library_does_not_stop_the_worker():
    """An error that is no Exception, as a Rust panic is none, reaches its caller, and the next question is answered."""

    class Panic(BaseException):
        pass

    class Panicking(FlatSearcher):
        def search(self, queries, k=5, where=None):
            if queries == ["panic"]:
                raise Panic
            return super().search(queries, k, where)

    with QueryBatcher(Panicking(FEW)) as batcher:
        with pytest.raises(Panic):
            batcher.search("panic")
        assert batcher.search(FEW[2])[0][0] == FEW[2]


def test_a_searcher_that_loses_answers_is_found_out():
    """Fewer answers than questions are an error with both numbers, never an answer to another's question."""

    class Losing(FlatSearcher):
        def search(self, queries, k=5, where=None):
            return super().search(queries, k, where)[1:]

    with QueryBatcher(Losing(FEW)) as batcher, pytest.raises(RagoptError, match="0 answers to 1 questions"):
        batcher.search(FEW[0])


def test_closing_answers_what_was_accepted_and_refuses_the_rest(gated):
    """close() waits for the running search and for what gathered, without waiting for more; later calls are refused."""
    batcher = QueryBatcher(gated, max_wait_ms=AN_HOUR_MS, max_queries=3)
    futures = [batcher.submit(question) for question in FEW[:3]]
    assert gated.entered.acquire(timeout=30)
    futures += [batcher.submit(question) for question in FEW[3:5]]
    closer = threading.Thread(target=batcher.close)
    closer.start()
    with batcher._changed:
        assert batcher._changed.wait_for(lambda: batcher._closed, 30)
    with pytest.raises(ServiceClosed, match=r"apple lemon.*after the batcher was closed"):
        batcher.submit("apple lemon")
    assert not any(future.done() for future in futures)
    gated.gate.set()
    closer.join(30)
    assert not closer.is_alive()
    assert all(future.done() for future in futures)
    assert [future.result()[0][0] for future in futures] == FEW[:5]
    batcher.close()
    with pytest.raises(ServiceClosed):
        batcher.search(FEW[0])


def test_an_idle_batcher_closes():
    """Closing a batcher that was never asked ends its thread."""
    with QueryBatcher(FlatSearcher(FEW)) as batcher:
        pass
    assert not batcher._worker.is_alive()


def test_a_full_queue_refuses_at_once(gated):
    """With max_pending = 4 the fifth waiting question is refused; the one that is being searched does not count."""
    with QueryBatcher(gated, max_queries=2, max_pending=4) as batcher:
        batcher.submit(FEW[0])
        assert gated.entered.acquire(timeout=30)
        futures = [batcher.submit(question) for question in FEW[1:5]]
        with pytest.raises(ServiceBusy, match=r"4 questions wait .* max_pending = 4"):
            batcher.search(FEW[5])
        gated.gate.set()
        assert [future.result(30)[0][0] for future in futures] == FEW[1:5]
        assert batcher.search(FEW[5])[0][0] == FEW[5]
    assert batcher.counts().n_refused == 1


def test_a_cancelled_question_is_not_searched(gated):
    """A future that was cancelled while it waited costs no search, and the others are answered."""
    with QueryBatcher(gated) as batcher:
        batcher.submit(FEW[0])
        assert gated.entered.acquire(timeout=30)
        cancelled, kept = batcher.submit(FEW[1]), batcher.submit(FEW[2])
        assert cancelled.cancel()
        gated.gate.set()
        assert kept.result(30)[0][0] == FEW[2]
    assert [texts for texts, _, _ in gated.calls] == [(FEW[0],), (FEW[2],)]


def test_a_callback_that_would_wait_for_itself_is_refused(gated):
    """search() on the batcher's own thread is an error, where it would hang; close() there is allowed."""
    batcher, caught = QueryBatcher(gated), []

    def callback(_future):
        try:
            batcher.search(FEW[1])
        except InputError as error:
            caught.append(str(error))
        batcher.close()

    future = batcher.submit(FEW[0])
    future.add_done_callback(callback)
    gated.gate.set()
    assert future.result(30)[0][0] == FEW[0]
    batcher.close()
    assert len(caught) == 1
    assert "can never come" in caught[0]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_queries": 0}, "max_queries is 0"),
        ({"max_wait_ms": -1}, "max_wait_ms is -1"),
        ({"max_wait_ms": float("nan")}, "max_wait_ms is nan"),
        ({"max_wait_ms": float("inf")}, "max_wait_ms is inf"),
        ({"max_queries": 8, "max_pending": 7}, "max_pending is 7"),
    ],
)
def test_limits_that_cannot_work_are_refused(limits, words):
    """A batch of none, a wait of no length and a queue shorter than a batch are errors that name the value."""
    with pytest.raises(InputError, match=words):
        QueryBatcher(FlatSearcher(FEW), **limits)


@pytest.mark.parametrize(
    ("question", "more", "words"),
    [
        (["a", "b"], {}, "The question is a list"),
        ("a\ud83d", {}, "holds half of a surrogate pair at character 1"),
        ("a", {"k": 2.0}, r"k is 2\.0"),
        ("a", {"k": True}, "k is True"),
        ("a", {"where": ["x"]}, r"where is \['x'\]"),
    ],
)
def test_what_is_no_question_is_refused_before_it_joins_a_batch(flat, question, more, words):
    """A list, half a surrogate pair, a k that is no whole number, a filter that is no text: errors of their caller."""
    with QueryBatcher(flat) as batcher, pytest.raises(InputError, match=words):
        batcher.submit(question, **more)
    assert batcher.counts().n_calls == 0


def test_k_may_be_an_integer_of_numpy(flat):
    """As for the index itself; it shares a search with the same number as a Python int."""
    with QueryBatcher(flat) as batcher:
        assert batcher.search(FEW[0], k=np.int64(3)) == batcher.search(FEW[0], k=3) == flat.search([FEW[0]], k=3)[0]
    assert all(type(k) is int for _, k, _ in flat.calls)


def test_a_wait_longer_than_the_system_allows_is_a_wait():
    """Ten thousand years are cut to what a lock can wait for; an open condition is noticed at once."""
    condition = threading.Condition()
    with condition:
        threading.Thread(target=notify, args=(condition,)).start()
        SystemClock().wait(condition, 3e14)


def notify(condition):
    with condition:
        condition.notify_all()


@settings(max_examples=25, deadline=None)
@given(
    asked=st.lists(
        st.tuples(st.sampled_from([*FEW, "bad 1", "bad 2"]), st.sampled_from([1, 2, 3])), min_size=1, max_size=40
    ),
    max_queries=st.integers(1, 9),
    n_threads=st.integers(1, 4),
)
def test_any_order_of_any_questions(asked, max_queries, n_threads):
    """Whatever is asked by however many threads: a good question gets itself and k answers, a bad one its own error."""
    searcher = any_searcher()
    searcher.calls.clear()

    def ask(number):
        for question, k in asked[number::n_threads]:
            if question.startswith("bad"):
                with pytest.raises(ValueError, match=question):
                    batcher.search(question, k=k)
            else:
                hits = batcher.search(question, k=k)
                assert (hits[0][0], len(hits)) == (question, k)

    with QueryBatcher(searcher, max_queries=max_queries) as batcher:
        in_threads(ask, n_threads)
    assert batcher.counts().n_questions == len(asked)
    assert all(len(texts) <= max_queries for texts, _, _ in searcher.calls)


def any_searcher(kept=[]):  # noqa: B006 - made once for all examples
    if not kept:
        kept.append(FlatSearcher(FEW))
    return kept[0]
