"""Each cache planned behind the ones before it: figures worked out by hand on small logs."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from ragopt.bill.described import describe_by_bytes
from ragopt.bill.price_book import PriceBook
from ragopt.bill.workload import Workload
from ragopt.cache.advise import Choices, Service, advise
from ragopt.cache.coded_log import CodedLog, Lists, Prompts
from ragopt.cache.plan_semantic import Semantic
from ragopt.cache.search_bill import SearchBill
from ragopt.errors import InputError

HOUR = 3600.0


def log_of(queries, *, chunks=None, step_s=HOUR, **fields):
    """A log with one request every `step_s` seconds; 100 tokens in and 10 out each."""
    n = len(queries)
    lists = None
    if chunks is not None:
        starts = np.concatenate([[0], np.cumsum([len(one) for one in chunks])]).astype(np.int64)
        codes = np.array([code for one in chunks for code in one], np.int32)
        lists = Lists(starts, codes, tuple(f"c{number}" for number in range(int(codes.max(initial=0)) + 1)))
    given = {
        "times_s": np.arange(n) * step_s,
        "chunks": lists,
        "tokens_in": np.full(n, 100, np.int32),
        "tokens_out": np.full(n, 10, np.int32),
        **fields,
    }
    return CodedLog("log", queries=np.array(queries, np.int32), **given)


def service(**workload):
    """Sonnet 4.5 answers at 3 and 15 USD per million tokens, an OpenAI model embeds."""
    given = {"generator": "anthropic:claude-sonnet-4-5", "embedding_model": "openai:text-embedding-3-small",
             "queries_per_month": 1_000_000, **workload}  # fmt: skip
    return Service(Workload(1000, **given), PriceBook.packaged(), frozenset(given))


PER_REQUEST = Decimal(100) * 3 / 10**6 + Decimal(10) * 15 / 10**6


def test_every_second_question_of_a_pair_is_answered_from_the_cache():
    """Questions 0 0 1 1 2 2 ...: half of them hit, and save embedding, chunk reads and tokens of half the requests."""
    queries = [number // 2 for number in range(200)]
    found = advise(log_of(queries, chunks=[[0, 1]] * 200), service(), Choices())
    answer = found.plan("answer")
    assert answer.hits.value == 0.5
    assert (answer.on, answer.buys) == (True, "money")
    month = found.log.requests_per_month
    by_hand = month / 2 * (PER_REQUEST + 2 * Decimal("4E-7") + Decimal("4E-7"))
    assert float(answer.saved.value) == pytest.approx(float(by_hand), rel=1e-9)
    assert float(found.usd_before) == pytest.approx(float(2 * by_hand), rel=1e-9)


def test_what_the_answer_cache_answers_no_other_cache_saves():
    """Behind an answer cache that answers every repeat no question comes twice: embedding and result hit nothing."""
    queries = [number // 2 for number in range(200)]
    found = advise(log_of(queries, chunks=[[0]] * 200), service(), Choices())
    for name in ("embedding", "result"):
        plan = found.plan(name)
        assert plan.alone.value == 0.5
        assert plan.hits.value == 0.0
        assert (plan.on, plan.saved.value) == (False, 0)
    saved = sum(plan.saved.value for plan in found.recommended)
    assert saved <= found.usd_before


def test_an_answer_lives_no_longer_than_its_ttl():
    """A question that comes every two hours never hits with a TTL of one, and always with one of three."""
    queries = [0] * 100
    chunks = [[0]] * 100
    short = advise(log_of(queries, chunks=chunks, step_s=2 * HOUR), service(), Choices(answer_ttl_s=HOUR))
    assert short.plan("answer").hits.value == 0.0
    # Written at 0, hit at 2, expired at 3: written at 4 again.
    longer = advise(log_of(queries, chunks=chunks, step_s=2 * HOUR), service(), Choices(answer_ttl_s=3 * HOUR))
    assert longer.plan("answer").hits.value == 0.5


def test_later_turns_of_a_conversation_are_not_answered_from_the_cache():
    """Of requests that alternate between a first turn and a later one, only first turns are asked for and hit."""
    histories = np.array([-1, 5] * 100, np.int32)
    found = advise(log_of([0] * 200, chunks=[[0]] * 200, histories=histories), service(), Choices())
    assert found.plan("answer").hits.n == 50
    assert found.plan("answer").hits.value > 0.9


def test_tenants_and_index_versions_never_share_an_answer():
    """The same question of 100 tenants, or under 100 index versions, hits nothing."""
    for field in ("tenants", "versions"):
        codes = np.arange(100, dtype=np.int32)
        found = advise(log_of([0] * 100, chunks=[[0]] * 100, **{field: codes}), service(), Choices())
        assert found.plan("answer").hits.value == 0.0
        assert found.plan("result").alone.value == 0.0


def test_how_many_repeats_would_read_the_same_chunks_is_said():
    """Question 0 reads chunk 0 and chunk 1 in turn: behind a TTL of a day an answer was made from the other half."""
    chunks = [[number % 2] for number in range(96)]
    found = advise(log_of([0] * 96, chunks=chunks), service(), Choices())
    # 24 to a day: of each written answer's 23 hits 11 read the same chunk; the second half has two such days.
    assert any("48 % of the 46 repeats" in note for note in found.plan("answer").notes)


def test_chunk_reads_behind_the_result_cache_are_those_of_other_searches():
    """Two questions read chunk 0: the result cache serves their repeats, so the chunk cache hits nothing of them."""
    queries = [number % 2 for number in range(100)]
    log = log_of(queries, chunks=[[0]] * 100, times_s=np.arange(100) * HOUR, histories=np.arange(100, dtype=np.int32))
    found = advise(log, service(), Choices())
    assert found.plan("result").hits.value == 1.0
    chunk = found.plan("chunk")
    assert (chunk.on, chunk.hits) == (False, None)
    assert "leave nothing to do" in chunk.reason


def test_without_prices_by_the_piece_every_cache_buys_latency_and_says_so():
    """No generator and a local embedder: nothing is saved, hits are for latency, a note says what is unbilled."""
    bare = Service(Workload(1000, text_bytes_per_chunk=0), PriceBook.packaged(), frozenset())
    found = advise(log_of([0] * 100, chunks=[[0]] * 100), bare, Choices())
    assert found.usd_before == 0
    assert found.plan("answer").buys == "latency"
    assert found.saved_usd_per_month <= 0
    assert any("No generator is named" in note for note in found.warnings)


def test_a_spared_search_saves_what_the_index_bills_less():
    """S3 Vectors bills by the query: half the searches save what its bill falls by, at the log's own rate."""
    workload = Workload(1_000_000, queries_per_month=10_000_000, peak_qps=Decimal(100))
    book = PriceBook.packaged()
    bill = SearchBill(describe_by_bytes(1536.0, 0.0, 384, 1_000_000), workload, book, "s3-vectors")
    queries = [number // 2 for number in range(200)]
    with_index = Service(workload, book, frozenset({"queries_per_month"}), search=bill)
    found = advise(log_of(queries, chunks=[[0]] * 200), with_index, Choices())
    spared = bill.usd(1.0, 1.0) - bill.usd(0.5, 0.5)
    assert spared > 0
    reads = Decimal(10_000_000) / 2 * Decimal("4E-7")
    assert float(found.plan("answer").saved.value) == pytest.approx(float(spared + reads), rel=1e-3)
    assert found.usd_before > bill.usd(1.0, 1.0)


def test_a_prompt_prefix_saves_its_discount_on_repeated_blocks():
    """2,000 shared tokens of 2,100 a minute: read at a tenth, the rest written at 1.25 times the price."""
    n = 400
    prompts = Prompts(
        starts=np.arange(n + 1, dtype=np.int64) * 2,
        codes=np.stack([np.zeros(n), np.arange(1, n + 1)], axis=1).reshape(-1).astype(np.int32),
        tokens=np.tile([2000, 100], n).astype(np.int32),
        parts=np.tile([0, 1], n).astype(np.int32),
        part_names=("system", "query"),
        shared_out=0.0,
    )
    log = log_of(range(n), chunks=[[0]] * n, step_s=60.0, prompts=prompts, tokens_in=np.full(n, 2100, np.int32))
    found = advise(log, service(), Choices())
    prefix = found.plan("prefix")
    assert prefix.hits.value == pytest.approx(2000 / 2100)
    per_request = Decimal(2000) * Decimal("2.7") / 10**6 - Decimal(100) * Decimal("0.75") / 10**6
    assert float(prefix.saved.value) == pytest.approx(float(per_request * found.log.requests_per_month), rel=1e-9)
    assert (prefix.on, prefix.buys) == (True, "money")


def test_a_prompt_that_its_blocks_do_not_cover_is_read_only_so_far():
    """2,000 tokens in blocks of a prompt of 6,000, sent each minute: a third is read, the rest is written each time."""
    n = 400
    prompts = Prompts(np.arange(n + 1, dtype=np.int64), np.zeros(n, np.int32), np.full(n, 2000, np.int32),
                      np.zeros(n, np.int32), ("system",), 0.0)  # fmt: skip
    log = log_of(range(n), chunks=[[0]] * n, step_s=60.0, prompts=prompts, tokens_in=np.full(n, 6000, np.int32))
    found = advise(log, service(), Choices())
    assert found.plan("prefix").hits.value == pytest.approx(1 / 3)
    per_request = Decimal(2000) * Decimal("2.7") / 10**6 - Decimal(4000) * Decimal("0.75") / 10**6
    assert float(found.plan("prefix").saved.value) == pytest.approx(float(per_request * 1_000_000), rel=1e-9)


def test_a_figure_that_rests_on_unknown_lengths_is_called_a_guess():
    """With 58 % of the tokens shared out the prefix plan says so in `guess`; with none it does not."""
    n = 200
    prompts = Prompts(np.arange(n + 1, dtype=np.int64), np.zeros(n, np.int32), np.full(n, 2000, np.int32),
                      np.zeros(n, np.int32), ("system",), 0.58, 512)  # fmt: skip
    log = log_of(range(n), chunks=[[0]] * n, step_s=60.0, prompts=prompts, tokens_in=np.full(n, 2000, np.int32))
    assert "58 % of the input tokens" in advise(log, service(), Choices()).plan("prefix").guess
    known = replace(log, prompts=replace(prompts, shared_out=0.0))
    assert advise(known, service(), Choices()).plan("prefix").guess == ""


def test_searches_for_other_numbers_of_chunks_are_other_results():
    """One question with k 5 and k 10 in turn: both results repeat; with a new k each time none does."""
    queries = [0] * 100
    histories = np.arange(100, dtype=np.int32)
    turns = log_of(queries, chunks=[[0]] * 100, ks=np.array([5, 10] * 50, np.int32), histories=histories)
    assert advise(turns, service(), Choices()).plan("result").hits.value == 1.0
    new = log_of(queries, chunks=[[0]] * 100, ks=np.arange(100, dtype=np.int32), histories=histories)
    assert advise(new, service(), Choices()).plan("result").hits.value == 0.0


def test_what_vectors_find_behind_results_is_told():
    """Every repeat has its result: the vectors that are asked for behind them are all new, 0 % hit."""
    histories = np.arange(200, dtype=np.int32)
    log = log_of([number // 2 for number in range(200)], chunks=[[0]] * 200, histories=histories)
    plan = advise(log, service(), Choices()).plan("embedding")
    assert plan.hits.value == 0.5
    assert plan.behind_results.value == 0.0


def test_old_and_undated_prices_are_named():
    """The read from S3 is priced as of 2024: over 90 days old on any later day, said with its date."""
    found = advise(log_of([0] * 100, chunks=[[0]] * 100), service(), Choices())
    assert any("over 90 days old" in note and "a chunk's text read (2024-07-01)" in note for note in found.warnings)


def test_an_answer_that_outlives_the_counted_half_is_said_to_be_untested():
    """49 hours are counted: a life of 7 days is no other than one of 3 there, one of a day is."""
    log = log_of([0] * 100, chunks=[[0]] * 100)
    assert any(
        "expires in it" in one
        for one in advise(log, service(), Choices(answer_ttl_s=7 * 86_400.0)).plan("answer").notes
    )
    assert not any("expires in it" in one for one in advise(log, service(), Choices()).plan("answer").notes)


def test_without_times_nothing_that_expires_is_planned():
    """A log without time has no answer cache (no index version either) and no prefix cache, each with its reason."""
    found = advise(log_of([0] * 100, chunks=[[0]] * 100, times_s=None), service(), Choices())
    assert "neither times nor index versions" in found.plan("answer").reason
    assert found.plan("prefix").on is False
    assert found.plan("result").hits.value == 1.0
    assert found.log.days is None


def test_a_log_that_is_too_small_recommends_nothing_but_shows_its_figures():
    """An insufficient log keeps every figure and turns every cache off, with the reason."""
    log = replace(log_of([0] * 100, chunks=[[0]] * 100), insufficient="100 requests are too few")
    found = advise(log, service(), Choices())
    assert found.recommended == ()
    assert found.plan("answer").hits.value > 0.9
    assert found.plan("answer").reason.startswith("not recommended, the log is too small")
    assert found.insufficient == "100 requests are too few"


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"answer_ttl_s": 0.0}, "--answer-ttl"),
        ({"prefix_ttl_s": float("inf")}, "--prefix-ttl"),
        ({"max_false_hit_rate": 0.0}, "--max-false-hit-rate"),
        ({"max_false_hit_rate": 1.0}, "--max-false-hit-rate"),
        ({"least_prefix_tokens": -1}, "--least-prefix-tokens"),
        ({"n_sizes": 1}, "n_sizes"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_choices_out_of_range_are_refused_by_name(wrong, option):
    """Each is one error that names the option."""
    with pytest.raises(InputError, match=option):
        Choices(**wrong)


def test_a_ttl_for_a_log_without_times_is_an_error():
    """A stated life of answers is never dropped in silence."""
    with pytest.raises(InputError, match="--answer-ttl is 60 s, but log has no times"):
        advise(log_of([0] * 100, times_s=None), service(), Choices(answer_ttl_s=60.0))


def semantic_of(n_distinct, serves="answer"):
    """Certified labels, and vectors of which neighbours 2n and 2n + 1 are alike."""
    angles = np.repeat(np.arange(n_distinct // 2), 2) * 0.5
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return Semantic(np.full(200, 0.99), np.zeros(200, bool), serves, vectors, "200 pairs")


def test_a_certified_semantic_cache_answers_first_turns_like_earlier_ones():
    """Every second request is a later turn: the hits are a share of the first turns behind the exact cache alone."""
    histories = np.array([-1, 5] * 120, np.int32)
    first = [number % 12 for number in range(120)]
    queries = [code for one in first for code in (one, one)]
    log = log_of(queries, chunks=[[0]] * 240, step_s=2 * HOUR, histories=histories)
    found = advise(log, service(), Choices(answer_ttl_s=HOUR), semantic_of(12))
    assert found.plan("answer").hits.value == 0.0
    similar = found.plan("semantic")
    assert similar.hits.n == 60
    assert similar.ttl_s == HOUR


def test_a_semantic_cache_needs_an_end_of_its_answers_life():
    """Without times and index versions it is off like the exact one, with the reason; results may be served."""
    log = log_of([number % 12 for number in range(240)], chunks=[[0]] * 240, times_s=None)
    found = advise(log, service(), Choices(), semantic_of(12))
    assert "neither times nor index versions" in found.plan("semantic").reason
    results = advise(log, service(), Choices(), semantic_of(12, "result"))
    assert "neither times" not in results.plan("semantic").reason


def test_labels_without_a_model_say_that_none_was_named():
    """The reason tells a missing model from a log of hashes."""
    bare = replace(semantic_of(12), vectors=None, why_no_vectors="no model was named (--model)")
    found = advise(log_of([0, 1] * 60, chunks=[[0]] * 120), service(), Choices(), bare)
    assert "no model was named (--model)" in found.plan("semantic").reason


def test_a_refused_log_is_an_error_with_its_reason():
    """A shuffled log is not replayed."""
    log = replace(log_of([0] * 100), refused="its requests are shuffled")
    with pytest.raises(InputError, match="its requests are shuffled"):
        advise(log, service(), Choices())


def test_the_same_log_gives_the_same_advice():
    """Intervals are seeded: two runs are equal, figure by figure."""
    log = log_of(np.random.default_rng(3).zipf(1.5, 300).clip(0, 90).tolist(), chunks=[[0, 1, 2]] * 300)
    assert advise(log, service(), Choices()) == advise(log, service(), Choices())
