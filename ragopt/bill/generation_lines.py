"""What answers cost in a month: prompt and chunks in, answer out, prompt cache and batch discounts."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.lines import make_line, without_zeros
from ragopt.bill.token_prices import token_price_of_a_day
from ragopt.bill.vm_hours import hours_for, vm_price
from ragopt.errors import InputError, PriceError

if TYPE_CHECKING:
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.token_items import Kind
    from ragopt.bill.workload import Workload
    from ragopt.records import BillLine

MILLION = Decimal(10**6)

LEAST_CACHED_TOKENS = 1024
"""Shorter prompts are not read from a prompt cache: OpenAI and Google
(https://docs.litellm.ai/docs/completion/prompt_caching, a table of providers' minimums of 2026-10-07;
https://developers.openai.com/api/docs/guides/prompt-caching). Taken for vendors of whom no minimum is known."""

LEAST_CACHED_TOKENS_OF_CLAUDE = 512
"""The least of Anthropic's models; others of them take 1,024, 2,048 or 4,096 (the same table)."""


MOST_TO_BE_CACHED_OF_CLAUDE = 4096
"""From here on each of them caches (the same table)."""


def prompt_length(workload: Workload) -> int:
    """Tokens of one whole prompt: instructions + question + k chunks."""
    return workload.prompt_tokens + workload.query_tokens + workload.k * workload.tokens_per_chunk


def generation_lines(workload: Workload, book: PriceBook, *, when: datetime | None = None) -> tuple[BillLine, ...]:
    """Return what answers cost in a month (part `generation`); no line where the workload names no generator.

    Every query is answered once. Writing the prompt cache is not billed: a prefix that many queries share is written
    rarely; `generation_notes` says what it costs.

    Args:
        workload: what is asked for.
        book: prices.
        when: the day whose token prices count; today where none is given.

    Raises:
        InputError: a prompt that is read from a cache and too short for one.
        PriceError, InputError: see `token_prices.token_price` and `vm_hours.vm_price`.
    """
    if not workload.generator:
        return ()
    if workload.cached_prompt_share and not is_long_enough_to_cache(workload):
        least = least_cached_tokens(workload.generator)
        raise InputError(
            f"cached_prompt_share is {workload.cached_prompt_share:f}, but prompt_tokens is {workload.prompt_tokens:,}"
            f": {workload.generator} caches no prompt of fewer than {least:,} tokens",
            allowed=f"prompt_tokens of {least:,} or more, or cached_prompt_share 0",
            next_step="Set cached_prompt_share to 0, or prompt_tokens to what is sent before the chunks",
        )
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


def least_cached_tokens(generator: str) -> int:
    """Tokens that a prompt must have at least to be read from the provider's cache.

    >>> least_cached_tokens("openai:gpt-4o-mini"), least_cached_tokens("anthropic:claude-opus-5")
    (1024, 512)
    """
    return LEAST_CACHED_TOKENS_OF_CLAUDE if "claude" in generator.lower() else LEAST_CACHED_TOKENS


def is_long_enough_to_cache(workload: Workload) -> bool:
    """Whether the instructions, which every query shares, are long enough for the generator's prompt cache."""
    return workload.prompt_tokens >= least_cached_tokens(workload.generator)


def generation_notes(workload: Workload, book: PriceBook, *, when: datetime | None = None) -> tuple[str, ...]:
    """Say what the prompt cache leaves out. Raises: see `generation_lines`."""
    model = workload.generator
    if not model or model == "self" or not workload.cached_prompt_share:
        return ()
    moment, length = when or datetime.now(tz=UTC), prompt_length(workload)
    try:
        price = token_price_of_a_day(model, "cache_write", batch=False, book=book, when=moment, context_tokens=length)
    except PriceError:
        written = f"No price of writing the prompt cache of {model} is known, and none is billed."
    else:
        written = (
            f"Writing the prompt cache of {model} costs USD {price.usd} per million tokens and is not billed: the "
            "prompt is written anew after every pause that is longer than the cache keeps it."
        )
    if "claude" not in model.lower() or workload.prompt_tokens >= MOST_TO_BE_CACHED_OF_CLAUDE:
        return (written,)
    told = f"by model, and prompt_tokens is {workload.prompt_tokens:,}: see which {model} takes."
    return (written, f"Claude models cache prompts from 512, 1,024, 2,048 or 4,096 tokens on, {told}")


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
