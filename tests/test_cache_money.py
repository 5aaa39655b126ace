"""When a cache is for money: sizes, intervals, memory, nodes and prompts, each figure worked out by hand."""

from decimal import Decimal

import numpy as np
import pytest

from ragopt.bill.described import describe_by_bytes
from ragopt.bill.price_book import PriceBook
from ragopt.bill.workload import Workload
from ragopt.cache.advise import Choices, Service, advise
from ragopt.cache.coded_log import Prompts
from ragopt.cache.entry_bytes import result_entry_bytes
from ragopt.cache.memory_price import memory_price
from ragopt.cache.plan_setting import UNNOTICED_USD
from ragopt.cache.search_bill import SearchBill
from tests.test_cache_plans import HOUR, PER_REQUEST, log_of, service

BOOK = PriceBook.packaged()
NODE = Decimal("27.22")
"""c7g.medium, the cheapest VM: 0.0363 USD x 730 hours and 9 GB of disk at 0.08; 60 searches of 10 ms a second."""


def on_nodes(*stated, **workload):
    """A service that pays for its index alone: FAISS on VMs, 10 ms of CPU a search."""
    given = Workload(1000, queries_per_month=1_000_000, text_bytes_per_chunk=0, **workload)
    bill = SearchBill(describe_by_bytes(100.0, 0.0, 100, 1000, cpu_ms=10.0), given, BOOK, "faiss-ram")
    return Service(given, BOOK, frozenset({"queries_per_month", *stated}), search=bill)


@pytest.mark.parametrize(
    ("peak_qps", "asked_again", "nodes", "saved_nodes"),
    [
        (100, 2, 2, 1),  # 100 searches a second become 50
        (200, 2, 4, 2),  # 200 become 100, and not none
        (50, 2, 1, 0),  # one node is the least
        (110, 10, 2, 0),  # one request in ten is a repeat: 99, still two nodes
    ],
)
def test_nodes_that_can_go_are_saved(peak_qps, asked_again, nodes, saved_nodes):
    """Repeats in every hour take their share off the peak; the bill falls by whole nodes or not at all."""
    queries = [number - (number % asked_again == 1) for number in range(400)]
    found = advise(log_of(queries, step_s=360.0), on_nodes("peak_qps", peak_qps=Decimal(peak_qps)), Choices())
    answer = found.plan("answer")
    assert answer.hits.value == 1 / asked_again
    assert found.usd_before == nodes * NODE
    assert answer.saved.value == saved_nodes * NODE
    assert answer.buys == ("money" if saved_nodes else "latency")


def test_results_that_are_known_save_nodes_too():
    """Later turns asked twice: no answer is served, and results take half off the peak of 100, one node of two."""
    queries, histories = np.arange(400) // 2, np.arange(400, dtype=np.int32)
    log = log_of(queries, step_s=360.0, histories=histories)
    found = advise(log, on_nodes("peak_qps", peak_qps=Decimal(100)), Choices())
    assert found.plan("answer").on is False
    assert (found.plan("result").buys, found.plan("result").saved.value) == ("money", NODE)


def test_repeats_outside_the_busiest_hour_save_no_node():
    """Sixty questions of one hour are asked once, the two of each other hour are one: a third hits, the peak stays."""
    quiet = [hour * HOUR + second for hour in range(60) for second in (0.0, 60.0)]
    busy = [60 * HOUR + 60.0 * minute for minute in range(60)]
    times, queries = np.array(quiet[:60] + quiet + busy), [0] * 60 + [1 + number // 2 for number in range(120)]
    times[60:] += 30 * HOUR
    log = log_of(queries + list(range(100, 160)), times_s=times)
    found = advise(log, on_nodes("peak_qps", peak_qps=Decimal(200)), Choices())
    answer = found.plan("answer")
    # Counted are the last 120 requests: 30 pairs and the busy hour.
    assert answer.hits.value == 30 / 120
    assert (answer.saved.value, answer.buys) == (0, "latency")
    assert found.usd_before == 4 * NODE


def test_the_index_is_billed_for_the_logs_own_peak():
    """Three of 200 requests in a minute of 199 hours, at a million a month: 68.2 a second, two nodes.

    The log's own rate is 200 x 2,628,000 / 716,400 = 733.67 a month; 3 / 60 x 1,000,000 / 733.67 = 68.15.
    """
    times = np.arange(200) * HOUR
    times[101:103] = times[100] + np.array([10.0, 20.0])
    found = advise(log_of(range(200), times_s=times), on_nodes(), Choices())
    assert found.usd_before == 2 * NODE
    assert any("a peak of 68.151 queries per second" in warning for warning in found.warnings)
    # A stated peak stands.
    assert advise(log_of(range(200), times_s=times), on_nodes("peak_qps"), Choices()).usd_before == NODE


def test_a_result_that_hits_saves_no_vector_that_was_there():
    """Later turns asked twice: the cache of vectors saves half of them, results half of the two reads of a request."""
    queries = [number // 2 for number in range(200)]
    log = log_of(queries, chunks=[[0, 1]] * 200, histories=np.arange(200, dtype=np.int32))
    found = advise(log, service(generator="", queries_per_month=100_000_000, peak_qps=Decimal(100)), Choices())
    embedding, result = found.plan("embedding"), found.plan("result")
    assert (embedding.on, result.on) == (True, True)
    assert (embedding.hits.value, result.hits.value) == (0.5, 0.5)
    # 50,000,000 hits x 4E-7, and x 2 x 4E-7.
    assert float(embedding.saved.value) == pytest.approx(20)
    assert float(result.saved.value) == pytest.approx(40)


def test_the_size_is_the_smallest_within_one_per_cent_of_the_best():
    """Half of the requests repeat at once, a quarter after 99 other questions, one after 200: 104 items are taken.

    10 items save two thirds as much; all 251 save 0.33 % more than 104, the size of the grid that holds 100.
    """
    fours = [code for number in range(200) for code in (*[100 + number] * 3, number % 50)]
    queries = [999, *fours[:600], 999, *fours[600:]]
    codes = np.unique(queries, return_inverse=True)[1]
    log = log_of(codes, chunks=[[0]] * 802, step_s=120.0, versions=np.zeros(802, np.int32))
    answer = advise(log, service(), Choices()).plan("answer")
    assert (answer.buys, answer.n_items) == ("money", 104)
    assert answer.hits.value == 300 / 401
    values = [float(point.saved.value / (1_000_000 * (PER_REQUEST + 2 * Decimal("4E-7")))) for point in answer.sizes]
    assert values[0] == pytest.approx(200 / 401)
    assert values[-1] == pytest.approx(301 / 401)


def test_a_saving_that_may_be_nothing_is_not_for_money():
    """One question twenty times within twenty minutes of a week: 19 % of the bill, and the interval reaches below 0."""
    times = np.concatenate([np.arange(150) * HOUR, 150 * HOUR + 60.0 * np.arange(20), (151 + np.arange(30)) * HOUR])
    queries = [*range(150), *[150] * 20, *range(151, 181)]
    found = advise(log_of(queries, chunks=[[0]] * 200, times_s=times), service(), Choices())
    answer = found.plan("answer")
    assert answer.hits.value == 19 / 100
    assert float(answer.saved.value / found.usd_before) == pytest.approx(0.19)
    assert answer.saved.low < 0
    assert (answer.on, answer.buys) == (True, "latency")
    assert answer.reason.startswith("for latency, not for money")
    assert answer.reason.endswith("a month, perhaps at a loss.")


@pytest.mark.parametrize(("chunk_bytes", "buys"), [(10_000_000, "nothing"), (1000, "latency")])
def test_waiting_less_is_not_worth_any_memory(chunk_bytes, buys):
    """300 chunks read in turn hit only when all are kept: 3 GB for USD 0.40 of reads a month is off, 0.6 MB is on."""
    log = log_of(range(600), chunks=[[number % 300] for number in range(600)],
                 chunk_bytes=np.full(300, chunk_bytes, np.int64))  # fmt: skip
    found = advise(log, service(generator="", embedding_model=""), Choices())
    chunk = found.plan("chunk")
    assert chunk.hits.value == 1.0
    assert float(chunk.saved.value) == pytest.approx(0.4)
    assert (chunk.memory_usd_per_month > UNNOTICED_USD) is (buys == "nothing")
    assert (chunk.on, chunk.buys) == (buys != "nothing", buys)


def prompts_of(n, first, rest, *, shared):
    """Prompts of instructions and a question of its own; the instructions are the same or each time others."""
    system = np.zeros(n) if shared is True else np.where(shared, 0, 2 * n + np.arange(n))
    return Prompts(
        starts=np.arange(n + 1, dtype=np.int64) * 2,
        codes=np.stack([system, np.arange(1, n + 1)], axis=1).reshape(-1).astype(np.int32),
        tokens=np.tile([first, rest], n).astype(np.int32),
        parts=np.tile([0, 1], n).astype(np.int32),
        part_names=("system", "query"),
        shared_out=0.0,
    )


def prefix_of(prompts, choices=None, month=1_000_000, **fields):
    """The plan of the prompt cache where no other cache has anything to do."""
    n = len(prompts.starts) - 1
    tokens_in = np.full(n, int(prompts.tokens[:2].sum()), np.int32)
    log = log_of(range(n), chunks=[[0]] * n, prompts=prompts, tokens_in=tokens_in, **fields)
    found = advise(log, service(queries_per_month=month), choices or Choices())
    return found.plan("prefix"), found


def test_a_prompt_cache_that_only_writes_is_off():
    """Other instructions each time: 2,100 tokens a request are written at 1.25 times the price and none is read."""
    prefix, _ = prefix_of(prompts_of(200, 2000, 100, shared=np.zeros(200, bool)), step_s=120.0)
    assert float(prefix.saved.value) == pytest.approx(-1_000_000 * 2100 * 0.75e-6)
    assert (prefix.on, prefix.buys) == (False, "nothing")


def test_a_prompt_cache_that_saves_under_one_per_cent_is_off():
    """2,000 tokens read at a tenth save USD 0.0054, 7,150 written cost 0.0053625 more: 0.14 % of the bill."""
    prefix, found = prefix_of(prompts_of(200, 2000, 7150, shared=True), step_s=120.0)
    assert float(prefix.saved.value) == pytest.approx(1_000_000 * 0.0000375)
    assert prefix.saved.low > 0
    assert float(prefix.saved.value / found.usd_before) == pytest.approx(0.0000375 / (9150 * 3e-6 + 150e-6 + 8e-7))
    assert (prefix.on, prefix.buys) == (False, "nothing")


@pytest.mark.parametrize(("month", "on"), [(187, False), (188, True)])
def test_a_prompt_cache_that_saves_under_a_dollar_is_off(month, on):
    """A prompt saves 2,000 x 2.7E-6 - 100 x 0.75E-6 = USD 0.005325, most of what it costs: 188 of them are a dollar."""
    prefix, _ = prefix_of(prompts_of(200, 2000, 100, shared=True), month=month, step_s=120.0)
    assert float(prefix.saved.value) == pytest.approx(month * 0.005325)
    assert prefix.on is on


def test_a_prompt_cache_whose_saving_may_be_a_loss_is_off():
    """Prompts an hour apart but for fifty within fifty minutes: it saves a quarter of the bill, or loses some."""
    times = np.concatenate([np.arange(120) * HOUR, 120 * HOUR + 60.0 * np.arange(50), (121 + np.arange(30)) * HOUR])
    prefix, found = prefix_of(prompts_of(200, 2000, 100, shared=True), times_s=times)
    # Of 100 counted requests 49 read 2,000 and write 100, 51 write 2,100.
    mean = (49 * (2000 * 2.7e-6 - 100 * 0.75e-6) - 51 * 2100 * 0.75e-6) / 100
    assert float(prefix.saved.value) == pytest.approx(1_000_000 * mean)
    assert prefix.saved.value > found.usd_before / 4
    assert prefix.saved.low < 0
    assert (prefix.on, prefix.buys) == (False, "nothing")


@pytest.mark.parametrize(("ttl_s", "share"), [(300.0, 0.0), (599.0, 0.0), (600.0, 2000 / 2100)])
def test_the_providers_ttl_is_the_one_that_was_stated(ttl_s, share):
    """Prompts ten minutes apart share 2,000 of 2,100 tokens: they are read where a prefix lives ten minutes."""
    prefix, found = prefix_of(prompts_of(200, 2000, 100, shared=True), Choices(prefix_ttl_s=ttl_s), step_s=600.0)
    assert prefix.hits.value == pytest.approx(share)
    assert prefix.alone.value == pytest.approx(share)
    assert found.prompt_orders[0].hits.value == pytest.approx(share)
    assert (prefix.on, prefix.ttl_s) == (share > 0, ttl_s)


def test_break_even_counts_the_search_that_a_hit_spares():
    """Half of 10 million searches hit: T* is of what the index's bill and the reads fall by for each."""
    book, month = PriceBook.packaged(), 10_000_000
    workload = Workload(1_000_000, queries_per_month=month, peak_qps=Decimal(100))
    bill = SearchBill(describe_by_bytes(1536.0, 0.0, 384, 1_000_000), workload, book, "s3-vectors")
    log = log_of([number // 2 for number in range(200)], chunks=[[0]] * 200, histories=np.arange(200, dtype=np.int32))
    stated = frozenset({"queries_per_month", "peak_qps"})
    plan = advise(log, Service(workload, book, stated, search=bill), Choices()).plan("result")
    spared = bill.usd(1.0, 1.0) - bill.usd(0.5, 0.5)
    by_hit = spared / (month // 2) + Decimal("4E-7")
    item_bytes = result_entry_bytes(1, text_bytes_per_hit=1024.0)
    memory = memory_price(book, workload).usd_per_gb_month * item_bytes / 10**9
    assert spared / (month // 2) > Decimal("4E-7")
    assert plan.break_even_s == pytest.approx(float(by_hit / memory) * 730 * 3600, rel=1e-3)
