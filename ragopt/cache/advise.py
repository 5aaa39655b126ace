"""Advice on every cache of a service: each is planned behind the ones before it, so that no saving counts twice."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.old_prices import ADVICE
from ragopt.bill.price_book import STALE_AFTER_DAYS
from ragopt.bill.workload import SECONDS_PER_MONTH
from ragopt.cache.advice import REPLAYED, CacheAdvice, CachePlan, LogSummary
from ragopt.cache.costs import busiest_minute_qps, request_costs, requests_per_month, span_seconds
from ragopt.cache.memory_price import memory_price
from ragopt.cache.plan_answer import plan_answer
from ragopt.cache.plan_prefix import PROVIDER_TTL_S, plan_prefix
from ragopt.cache.plan_search import plan_chunk, plan_embedding, plan_result, with_run_time_note
from ragopt.cache.plan_semantic import plan_semantic
from ragopt.cache.plan_setting import Setting
from ragopt.cache.unit_prices import unit_prices
from ragopt.errors import InputError

if TYPE_CHECKING:
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload
    from ragopt.cache.coded_log import CodedLog
    from ragopt.cache.plan_semantic import Semantic
    from ragopt.cache.search_bill import SearchBill

USUAL_FALSE_HIT_RATE = 0.02
"""The budget of vCache (arXiv 2502.03771, default bound of 2 %)."""

USUAL_DIM = 1024
"""Of query vectors where no run says: a common size of current embedding models, and memory here costs next to nothing
(an assumption)."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user may choose.

    Attributes:
        answer_ttl_s: life of an exact answer; None chooses by whether the log has index versions.
        prefix_ttl_s: how long the provider keeps a prompt's prefix after its last use.
        max_false_hit_rate: most false hits of a semantic cache.
        least_prefix_tokens: of a prompt that the provider's cache takes; None is the generator's least as far as it is
            known.
        n_sizes: sizes of each curve.
        seed: of the intervals.

    Raises:
        InputError: a value out of its range.
    """

    answer_ttl_s: float | None = None
    prefix_ttl_s: float = PROVIDER_TTL_S
    max_false_hit_rate: float = USUAL_FALSE_HIT_RATE
    least_prefix_tokens: int | None = None
    n_sizes: int = 12
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for option, value, fits, allowed in (
            ("--answer-ttl", self.answer_ttl_s, _is_duration(self.answer_ttl_s), "seconds above 0"),
            ("--prefix-ttl", self.prefix_ttl_s, _is_duration(self.prefix_ttl_s), "seconds above 0"),
            ("--max-false-hit-rate", self.max_false_hit_rate, 0 < self.max_false_hit_rate < 1, "above 0 and below 1"),
            ("--least-prefix-tokens", self.least_prefix_tokens, (self.least_prefix_tokens or 0) >= 0, "0 or more"),
            ("n_sizes", self.n_sizes, self.n_sizes >= 2, "2 or more"),
            ("--seed", self.seed, self.seed >= 0, "0 or more"),
        ):
            if not fits:
                raise InputError(f"{option} is {value}", allowed=allowed, next_step=f"Correct {option}")


def _is_duration(seconds: float | None) -> bool:
    return seconds is None or 0 < seconds < math.inf


@dataclass(frozen=True, slots=True)
class Service:
    """The service whose log it is.

    Attributes:
        workload: its models and place.
        book: prices.
        stated: fields of the workload that somebody stated.
        dim: of the query vectors.
        search: the index's bill; None where no index was named.
        trial: the index, as printed; empty where none was named.
        when: the day whose token prices count; today where none is given.
        notes: what is to be said of log and run together.
    """

    workload: Workload
    book: PriceBook
    stated: frozenset[str]
    dim: int = USUAL_DIM
    search: SearchBill | None = None
    trial: str = ""
    when: datetime | None = None
    notes: tuple[str, ...] = ()


def advise(log: CodedLog, service: Service, choices: Choices, semantic: Semantic | None = None) -> CacheAdvice:
    """Say which caches the service should have, how large, what they save and what they risk.

    Args:
        log: what its users asked.
        service: what it costs.
        choices: what the user chose.
        semantic: labels of similar questions; None where there are none.

    Raises:
        InputError: the log must not be replayed (sampled, shuffled), or is too short for any interval.
        PriceError: a price is missing.
    """
    if log.refused:
        raise InputError(f"{log.source} cannot be replayed: {log.refused}",
                         next_step="Give a whole log, or one of whole sessions")  # fmt: skip
    if choices.answer_ttl_s is not None and log.times_s is None:
        raise InputError(f"--answer-ttl is {choices.answer_ttl_s:g} s, but {log.source} has no times",
                         next_step="Name the log's time field with --time-field, or drop --answer-ttl")  # fmt: skip
    setting, notes, rate = _setting(log, service, choices)
    before = setting.usd_before
    answer, stage = plan_answer(setting, before, ttl_s=choices.answer_ttl_s)
    # A semantic cache looks a question up by its vector, so what it answers has asked the cache of vectors too.
    embedding, stage = plan_embedding(setting, stage, before)
    similar, stage, false_hits = plan_semantic(
        setting, stage, before, semantic, budget=choices.max_false_hit_rate, ttl_s=answer.ttl_s
    )
    result, stage = plan_result(setting, stage, before)
    embedding = with_run_time_note(setting, embedding, stage)
    chunk = plan_chunk(setting, stage, before)
    prefix, orders = plan_prefix(setting, stage, before, ttl_s=choices.prefix_ttl_s)
    plans = (answer, similar, embedding, result, chunk, prefix)
    return CacheAdvice(
        basis=REPLAYED,
        log=LogSummary(log.source, log.n_requests, span_seconds(log) / 86_400 if span_seconds(log) else None,
                       setting.month, rate),
        plans=tuple(_without_log(plan, log.insufficient) for plan in plans),
        usd_before=before,
        memory=setting.memory,
        prices=setting.prices.used,
        trial=service.trial,
        target=service.search.target if service.search else "",
        false_hits=false_hits,
        prompt_orders=orders,
        warnings=(*log.warnings, *notes),
        insufficient=log.insufficient,
    )  # fmt: skip


def _setting(log: CodedLog, service: Service, choices: Choices) -> tuple[Setting, tuple[str, ...], str]:
    workload = service.workload
    prices = unit_prices(workload, service.book, when=service.when)
    if choices.least_prefix_tokens is not None:
        prices = replace(prices, least_prefix_tokens=choices.least_prefix_tokens)
    costs = request_costs(log, workload, prices)
    month, rate = requests_per_month(log, workload, stated="queries_per_month" in service.stated)
    search, told = _search_at(log, service, month)
    setting = Setting(
        log=log, workload=workload, costs=costs, prices=prices, memory=memory_price(service.book, workload),
        month=month, search=search, dim=service.dim, n_sizes=choices.n_sizes, seed=choices.seed,
    )  # fmt: skip
    notes = [*costs.notes, *prices.notes, *told, *service.notes]
    if workload.cached_prompt_share:
        notes.append(
            f"The workload's cached_prompt_share of {workload.cached_prompt_share:f} is left out: what a prompt cache "
            "saves is replayed here."
        )
    notes += _old_prices(setting, service.when or datetime.now(tz=UTC))
    return setting, tuple(notes), rate


def _old_prices(setting: Setting, when: datetime) -> list[str]:
    """Name the prices that are older than a quarter, or undated."""
    memory = setting.memory
    dated = [(f"a GB of RAM on {memory.vm}", memory.as_of, False)]
    dated += [(one.what, one.as_of, one.undated) for one in setting.prices.used]
    old = [f"{what} ({as_of})" for what, as_of, undated in dated
           if undated or (when.date() - date.fromisoformat(as_of)).days > STALE_AFTER_DAYS]  # fmt: skip
    return [f"Prices over {STALE_AFTER_DAYS} days old or undated: {', '.join(old)}. {ADVICE}"] if old else []


def _search_at(log: CodedLog, service: Service, month: Decimal) -> tuple[SearchBill | None, tuple[str, ...]]:
    """The index's bill for the log's own requests and peak, as far as nobody stated others; and what to say of it."""
    if service.search is None:
        return None, ()
    peak = None if "peak_qps" in service.stated else busiest_minute_qps(log, month)
    workload = service.search.workload
    if peak is None:
        peak = max(workload.peak_qps, month / SECONDS_PER_MONTH)
    told = replace(workload, queries_per_month=int(month), peak_qps=peak)
    if "peak_qps" in service.stated or peak == workload.peak_qps:
        return replace(service.search, workload=told), ()
    note = (
        f"The index is billed for a peak of {peak.normalize():f} queries per second, the log's busiest minute at "
        f"{month:,} requests a month, where the workload's default is {workload.peak_qps:f} (--peak-qps)."
    )
    return replace(service.search, workload=told), (note,)


def _without_log(plan: CachePlan, insufficient: str) -> CachePlan:
    """A plan from too short a log is shown, not recommended."""
    if not insufficient or not plan.on:
        return plan
    return replace(plan, on=False, reason=f"not recommended, the log is too small; it {_as_clause(plan.reason)}")


def _as_clause(reason: str) -> str:
    return reason if reason.startswith("saves") else f"would be {reason}"
