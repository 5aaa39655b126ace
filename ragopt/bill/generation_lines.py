"""What answers cost in a month: prompt and chunks in, answer out, prompt cache and batch discounts."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.lines import make_line, without_zeros
from ragopt.bill.token_prices import token_price_of_a_day
from ragopt.bill.vm_hours import hours_for, vm_price

if TYPE_CHECKING:
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.token_items import Kind
    from ragopt.bill.workload import Workload
    from ragopt.records import BillLine

MILLION = Decimal(10**6)


def prompt_length(workload: Workload) -> int:
    """Tokens of one whole prompt: instructions + question + k chunks."""
    return workload.prompt_tokens + workload.query_tokens + workload.k * workload.tokens_per_chunk


def generation_lines(workload: Workload, book: PriceBook, *, when: datetime | None = None) -> tuple[BillLine, ...]:
    """Return what answers cost in a month (part `generation`); no line where the workload names no generator.

    Every query is answered once. Writing the prompt cache is not billed: where a vendor charges for it, a prefix that
    many queries share is written rarely.

    Args:
        workload: what is asked for.
        book: prices.
        when: the day whose token prices count; today where none is given.

    Raises:
        PriceError, InputError: see `token_prices.token_price` and `vm_hours.vm_price`.
    """
    if not workload.generator:
        return ()
    if workload.generator == "self":
        return without_zeros(_self_hosted(workload, book))
    moment, batched = when or datetime.now(tz=UTC), workload.generation_batch_share
    lines: list[BillLine] = []
    for batch, share in ((False, 1 - batched), (True, batched)):
        for kind, what, per_query, formula in _tokens_of_a_query(workload):
            quantity = per_query * workload.queries_per_month * share / MILLION
            if not quantity:
                continue
            price = token_price_of_a_day(
                workload.generator, kind, batch=batch, book=book, when=moment, context_tokens=prompt_length(workload)
            )
            by_batch, of_all = (" by batch" if batch else ""), ("" if share == 1 else f" x {share:f}")
            lines.append(
                make_line(
                    f"Generation with {workload.generator}{by_batch}: {what}",
                    quantity,
                    price,
                    part="generation",
                    formula=f"{workload.queries_per_month:,} queries x {formula}{of_all} / 1,000,000",
                )
            )
    return without_zeros(lines)


def _tokens_of_a_query(workload: Workload) -> tuple[tuple[Kind, str, Decimal, str], ...]:
    cached = workload.cached_prompt_share * workload.prompt_tokens
    prompt = workload.prompt_tokens - cached
    chunks = f"{workload.k} chunks x {workload.tokens_per_chunk:,}"
    return (
        (
            "input",
            "prompt, question and chunks read",
            Decimal(prompt_length(workload)) - cached,
            f"({prompt:f} prompt + {workload.query_tokens:,} question + {chunks}) tokens",
        ),
        (
            "cache_read",
            "prompt read from the cache",
            cached,
            f"{workload.prompt_tokens:,} prompt tokens x {workload.cached_prompt_share:f}",
        ),
        ("output", "answers written", Decimal(workload.answer_tokens), f"{workload.answer_tokens:,} tokens"),
    )


def _self_hosted(workload: Workload, book: PriceBook) -> tuple[BillLine, ...]:
    speed = workload.generator_tokens_per_second
    if speed is None:  # the workload refuses `self` without a measured speed
        return ()
    price = vm_price(book, workload.provider, workload.region, workload.generator_vm)
    per_query = prompt_length(workload) + workload.answer_tokens
    return (
        make_line(
            f"Generation on {workload.generator_vm}: the hours that it works, as if VMs stopped when idle",
            hours_for(Decimal(workload.queries_per_month) * per_query, speed),
            price,
            part="generation",
            formula=f"{workload.queries_per_month:,} queries x ({prompt_length(workload):,} tokens in + "
            f"{workload.answer_tokens:,} out) / {speed:f} tokens per second / 3,600",
        ),
    )
