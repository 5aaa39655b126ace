"""A cache advice made by hand, with every part that a report shows."""

from dataclasses import replace
from decimal import Decimal

from ragopt.cache.advice import (
    REPLAYED,
    CacheAdvice,
    CachePlan,
    FalseHitPoint,
    LogSummary,
    PromptOrder,
    SizePoint,
    TtlPoint,
    UsdRange,
)
from ragopt.cache.memory_price import MemoryPrice
from ragopt.cache.records import Curve, CurvePoint, Share
from ragopt.cache.unit_prices import PriceUsed
from ragopt.sweep.kept_cache import with_cache


def usd(value, low, high):
    return UsdRange(Decimal(value), Decimal(low), Decimal(high))


def share(value, n=3553, width=0.02):
    return Share(value, max(0.0, value - width), min(1.0, value + width), n)


def curve(policy, values, n=16000):
    points = tuple(
        CurvePoint(10_000 * 4**number, share(value, n), share(value / 2, n // 5)) for number, value in enumerate(values)
    )
    return Curve(policy, points, 8000, 10_240_000)


def sizes(values, memory="0.000004"):
    found, before = [], Decimal(0)
    for number, value in enumerate(values):
        at, saved = 10_000 * 4**number, Decimal(value)
        step = at - (at // 4 if number else 0)
        found.append(
            SizePoint(
                at,
                UsdRange(saved, saved * Decimal("0.9"), saved * Decimal("1.1")),
                Decimal(memory) * at / 1000,
                (saved - before) / step * 10**9,
            )
        )
        before = saved
    return tuple(found)


MEMORY = MemoryPrice(
    Decimal("3.84"), "x2gd.2xlarge", "0.668 USD per hour x 730 / (128 GiB x 0.925 usable)", "a price list", "2026-07-20"
)

ANSWER = CachePlan(
    "answer", on=True, buys="money",
    reason="saves USD 17.20 a month: 9.1 % of the requests repeat a question that was answered within 1 day.",
    policy="LRU", size_bytes=2_560_000, n_items=1000, ttl_s=86_400.0, alone=share(0.091), hits=share(0.091),
    all_hits=share(0.091), saved=usd("17.20", "14.10", "20.90"), memory_usd_per_month=Decimal("0.01"),
    break_even_s=3.2e9, curves=(curve("LRU", (0.02, 0.05, 0.08, 0.09, 0.091, 0.091)),),
    sizes=sizes(("4", "9", "15", "17", "17.2", "17.2")),
    ttls=(TtlPoint(300.0, share(0.03)), TtlPoint(3600.0, share(0.044)), TtlPoint(86_400.0, share(0.091)),
          TtlPoint(None, share(0.115))),
    notes=("35 % of its hits would have read the same chunks; the others answer from older ones.",),
)  # fmt: skip
SEMANTIC = CachePlan(
    "semantic", on=False, buys="nothing",
    reason="off: 120 labelled hits, and 149 without any error are needed for a false-hit rate of 2 %.",
)  # fmt: skip
EMBEDDING = CachePlan(
    "embedding", on=True, buys="latency", reason="not for money: it saves USD 0.01 a month.", policy="LRU",
    size_bytes=640_000, n_items=150, alone=share(0.115), hits=share(0.03), all_hits=share(0.03),
    saved=usd("0.01", "0.00", "0.02"), break_even_s=20_000.0,
    curves=(curve("LRU", (0.01, 0.03, 0.06, 0.1, 0.11, 0.115)), curve("LFU", (0.01, 0.02, 0.05, 0.1, 0.11, 0.115))),
    sizes=sizes(("0.001", "0.004", "0.008", "0.01", "0.01", "0.01")),
)  # fmt: skip
RESULT = replace(EMBEDDING, name="result", reason="not for money: searches are paid by the hour.")
CHUNK = CachePlan(
    "chunk", on=True, buys="latency", reason="not for money: it saves USD 0.04 a month.", policy="LRU",
    size_bytes=2_560_000, n_items=2000, alone=share(0.84, 16000), hits=share(0.82, 15000), all_hits=share(0.55),
    saved=usd("0.04", "0.04", "0.05"), memory_usd_per_month=Decimal("0.01"), break_even_s=69_000.0,
    curves=(curve("LRU", (0.2, 0.35, 0.55, 0.75, 0.84, 0.86)), curve("LFU", (0.21, 0.34, 0.54, 0.74, 0.83, 0.86)),
            curve("SIEVE", (0.25, 0.42, 0.62, 0.79, 0.85, 0.86)),
            curve("S3-FIFO", (0.24, 0.41, 0.62, 0.78, 0.85, 0.86)),
            curve("Belady", (0.4, 0.6, 0.76, 0.84, 0.86, 0.86))),
    sizes=sizes(("0.01", "0.02", "0.03", "0.038", "0.04", "0.04")),
)  # fmt: skip
PREFIX = CachePlan(
    "prefix", on=True, buys="money", reason="saves USD 51.30 a month: 21 % of the input tokens are read from it.",
    ttl_s=300.0, alone=share(0.224), hits=share(0.21), saved=usd("51.30", "44.00", "58.10"),
    notes=("Block 3 of sys_prompt is another one in nearly every request: move it to the end of the prompt.",),
)  # fmt: skip

GUESSED = replace(
    PREFIX,
    guess="58 % of the input tokens are in blocks whose length nobody logged, taken as 512 tokens a block",
)

ADVICE = CacheAdvice(
    basis=REPLAYED,
    log=LogSummary("requests.jsonl", 7106, 7.0, Decimal(30_887), "the log's own rate"),
    plans=(ANSWER, SEMANTIC, EMBEDDING, RESULT, CHUNK, PREFIX),
    usd_before=Decimal("403.10"),
    memory=MEMORY,
    prices=(PriceUsed("a token read by the language model", Decimal("0.000003"), "3 USD per million tokens",
                      "a vendor's page", "2026-11-03"),),
    false_hits=(FalseHitPoint(0.98, 60, 0, 0.0487), FalseHitPoint(0.95, 100, 1, 0.0466),
                FalseHitPoint(0.9, 120, 5, 0.0854)),
    prompt_orders=(PromptOrder("as logged", share(0.224), usd("51.30", "44", "58")),
                   PromptOrder("changing blocks last", share(0.24), usd("55", "48", "62"))),
    warnings=("12 lines were out of order: sorted by time.",),
)  # fmt: skip


def with_example_cache(run):
    """The run with the advice above, for its own recommendation."""
    decided = run.recommendation
    return with_cache(run, replace(ADVICE, trial=str(decided.trial), target=decided.target))
