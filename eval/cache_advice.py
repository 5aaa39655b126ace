"""What ragopt advises on RAGPulse, the public log of a real RAG service, at the prices of a large language model.

    RAGOPT_SHARED=FOLDER python eval/cache_advice.py

Writes eval/results/<date>-cache-advice.json: hits of an unlimited cache of texts and of passage caches under five
policies (all requests, cold start), and of samples of the log; the advice's ranking by money, twice: with 512 tokens
for each block of a prompt whose length the log does not tell, and with what is left of each prompt spread evenly over
them; and what the same caches would seem to save if each were planned with no cache before it.

Prices: 3 USD per million tokens in, 0.30 from the prompt cache, 15 out; what is written to that cache costs what any
input token does (a provider that does not charge writes). The rest is the packaged book's: S3 reads, RAM, embedding.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.bill.price_book import PriceBook
from ragopt.cache.advise import USUAL_DIM, Choices, advise
from ragopt.cache.costs import request_costs, requests_per_month
from ragopt.cache.curves import hit_curve
from ragopt.cache.entry_bytes import entry_bytes
from ragopt.cache.key_streams import chunk_keys
from ragopt.cache.log_fields import LogFields
from ragopt.cache.memory_price import memory_price
from ragopt.cache.plan_answer import plan_answer
from ragopt.cache.plan_prefix import plan_prefix
from ragopt.cache.plan_search import plan_chunk, plan_embedding, plan_result
from ragopt.cache.plan_setting import Setting, Stage
from ragopt.cache.read_log import read_log
from ragopt.cache.records import Policy, Reads, Share
from ragopt.cache.replay import replay
from ragopt.cache.requests import of_requests, one_read_each
from ragopt.cache.unit_prices import unit_prices
from ragopt.sweep.advising import Service
from ragopt.sweep.pricing import workload_of
from ragopt.sweep.run_info import machine, versions

if TYPE_CHECKING:
    from ragopt.cache.advice import CacheAdvice, CachePlan, UsdRange
    from ragopt.cache.coded_log import CodedLog

GENERATOR = "example:large"
EMBEDDING = "openai:text-embedding-3-small"
ANSWER_TTL_S = 7 * 86_400.0
BLOCK_TOKENS = 512  # as the facts of 2026-11-23 assumed
N_SEEDS = 20
TENTH = 0.1
POLICIES: tuple[Policy, ...] = ("LRU", "LFU", "SIEVE", "S3-FIFO", "Belady")

USD = {"": "3", ":cache_read": "0.30", ":cache_write": "3", ":output": "15"}
UNITS = {"": "input", ":cache_read": "cache read", ":cache_write": "cache write", ":output": "output"}


def price_book() -> PriceBook:
    """The packaged prices and those of the generator."""
    entries = [
        f'[[price]]\ngroup = "token_prices"\nprovider = "example"\nregion = "global"\nitem = "large{kind}"\n'
        f'unit = "1M {UNITS[kind]} tokens"\nusd = "{usd}"\nas_of = 2026-11-23\nsource = "an assumption"\n'
        for kind, usd in USD.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "prices.toml"
        path.write_text("\n".join(["schema = 1", *entries]), encoding="utf-8")
        return PriceBook.load(overrides=path)


def ragpulse(block_tokens: int | None) -> CodedLog:
    """The log, its blocks of unknown length as said."""
    folder = Path(os.environ["RAGOPT_SHARED"]) / "data" / "ragpulse"
    fields = LogFields(
        time="t", query="q", chunks="passages", tokens_in="input_length", tokens_out="output_length",
        prompt=("sys_prompt", "passages", "history", "web_search", "q"), empty_history=([15200],),
        block_tokens=block_tokens,
    )  # fmt: skip
    return read_log(folder / "log.jsonl", fields, chunks=folder / "2_passages.jsonl")


def cold(reads: Reads, policy: Policy, n_items: int) -> dict[str, Any]:
    """Hits of all reads from an empty cache of so many items of one size."""
    one = hit_curve(reads, policy, [n_items], warm_share=0).points[0]
    return {"policy": policy, "items": n_items, "reads": shown(one.hits), "all_chunks": shown(one.all_hits)}


def shown(share: Share) -> dict[str, float | int]:
    """A share to four digits."""
    ends = {name: round(getattr(share, name), 4) for name in ("value", "low", "high")}
    return {**ends, "n": share.n}


def money(usd: UsdRange) -> dict[str, float]:
    """USD to cents, small sums to a hundredth of one."""
    return {name: round(float(getattr(usd, name)), 4) for name in ("value", "low", "high")}


def sampled(log: CodedLog, passages: Reads, n_items: int) -> dict[str, list[float]]:
    """Least and most of the reads that hit in a tenth of the log, and in the log in random order, over the seeds."""
    found: dict[str, list[float]] = {"a tenth of the requests": [], "a tenth of the sessions": [], "shuffled": []}
    sessions = np.asarray(log.sessions)
    for seed in range(N_SEEDS):
        rng = np.random.default_rng(seed)
        some, of_sessions = rng.random(log.n_requests) < TENTH, (rng.random(sessions.max() + 1) < TENTH)[sessions]
        order = rng.permutation(log.n_requests)
        keys = np.concatenate([passages.keys[passages.starts[one] : passages.starts[one + 1]] for one in order])
        starts = np.concatenate([[0], np.cumsum(np.diff(passages.starts)[order])])
        for name, reads in zip(found, (of_requests(passages, some), of_requests(passages, of_sessions),
                                       Reads(keys, starts, None, 1)), strict=True):  # fmt: skip
            found[name].append(float(replay(reads, "LRU", size_bytes=n_items).mean()))
    return {name: [round(min(shares), 4), round(max(shares), 4)] for name, shares in found.items()}


def hits(log: CodedLog) -> dict[str, Any]:
    """What caches of texts and of passages hit, all requests counted."""
    everything = np.ones(log.n_requests, dtype=np.bool_)
    texts = replay(one_read_each(np.asarray(log.queries), everything, log.times_s, 1), "LRU", size_bytes=10**9)
    passages = Reads(chunk_keys(log).keys, log.chunks.starts, log.times_s, 1)
    five_percent = round(0.05 * log.n_corpus_chunks)
    return {
        "exact_texts_unlimited": round(float(texts.mean()), 4),
        "lru_of_1000_passages": cold(passages, "LRU", 1000),
        "five_percent_of_the_corpus": [cold(passages, policy, five_percent) for policy in POLICIES],
        "lru_at_five_percent_of": sampled(log, passages, five_percent),
    }


def advised(log: CodedLog, service: Service) -> CacheAdvice:
    """The advice with an answer's life of 7 days."""
    return advise(log, service, Choices(answer_ttl_s=ANSWER_TTL_S))


def row(plan: CachePlan) -> dict[str, Any]:
    """What the advice says of one cache."""
    return {
        "cache": plan.name,
        "on": plan.on,
        "buys": plan.buys,
        "saved_usd_per_month": money(plan.saved),
        "memory_usd_per_month": round(float(plan.memory_usd_per_month), 4),
        "size_bytes": plan.size_bytes,
        "policy": plan.policy,
        "hits": None if plan.hits is None else shown(plan.hits),
        "alone": None if plan.alone is None else shown(plan.alone),
        "reason": plan.reason,
    }


def planned_alone(log: CodedLog, service: Service) -> dict[str, float]:
    """USD a month that each cache saves with no cache before it."""
    workload, prices = service.workload, unit_prices(service.workload, service.book)
    setting = Setting(
        log=log, workload=workload, costs=request_costs(log, workload, prices), prices=prices,
        memory=memory_price(service.book, workload), month=requests_per_month(log, workload, stated=False)[0],
        search=None, dim=service.dim,
    )  # fmt: skip
    before = setting.usd_before
    everything = np.ones(log.n_requests, dtype=np.bool_)
    nothing = Stage(everything, everything, ~everything)
    plans = (
        plan_answer(setting, before, ttl_s=ANSWER_TTL_S)[0],
        plan_embedding(setting, nothing, before)[0],
        plan_result(setting, nothing, before)[0],
        plan_chunk(setting, nothing, before),
        plan_prefix(setting, nothing, before, ttl_s=Choices().prefix_ttl_s)[0],
    )
    return {plan.name: float(plan.saved.value) for plan in plans}


def measured(block_tokens: int | None, book: PriceBook) -> dict[str, Any]:
    """The advice with blocks of unknown length as said, and the same caches planned alone."""
    log = ragpulse(block_tokens)
    given = {"generator": GENERATOR, "embedding_model": EMBEDDING}
    service = Service(workload_of(given, log.n_corpus_chunks), book, frozenset(given), USUAL_DIM)
    advice, alone = advised(log, service), planned_alone(log, service)
    series = sum(float(plan.saved.value) for plan in advice.plans)
    return {
        "block_tokens": block_tokens or "what is left, spread evenly",
        "requests_per_month": int(advice.log.requests_per_month),
        "usd_before": round(float(advice.usd_before), 2),
        "usd_after": round(float(advice.usd_after), 2),
        "ranking": [plan.name for plan in advice.ranked if plan.on],
        "caches": [row(plan) for plan in advice.ranked],
        "prompt_orders": [
            {"order": one.name, "hits": shown(one.hits), "saved_usd_per_month": money(one.saved)}
            for one in advice.prompt_orders
        ],
        "alone_usd": {name: round(usd, 4) for name, usd in alone.items()},
        "sum_alone_usd": round(sum(alone.values()), 2),
        "sum_in_series_usd": round(series, 2),
        "overcount_percent": round(100 * (sum(alone.values()) / series - 1), 1),
    }


def main() -> None:
    """Measure, print and write."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    book = price_book()
    result = {
        "about": "RAGPulse, 7,106 requests of 7 days; prices 3 / 0.30 / 15 USD per million tokens in / cached / out, "
        "writes at the input price; answers live 7 days; no index is billed",
        "seeds": f"0 to {N_SEEDS - 1} of samples, 0 of intervals",
        "versions": {**versions(), "cachebox": importlib.metadata.version("cachebox")},
        "machine": machine(),
        "item_bytes": {"overhead": entry_bytes(0)},
        "hits": hits(ragpulse(BLOCK_TOKENS)),
        "advice": [measured(BLOCK_TOKENS, book), measured(None, book)],
    }
    print(json.dumps({"hits": result["hits"], "advice": result["advice"]}, indent=1))
    today = dt.datetime.now(tz=dt.UTC).date()
    path = Path(__file__).parent / "results" / f"{today}-cache-advice.json"
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
