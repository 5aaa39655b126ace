"""What one avoided piece of work saves, from the bill's own prices: an embedded question, a chunk read, a token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.embedding_lines import SELF
from ragopt.bill.generation_lines import LEAST_CACHED_TOKENS, prompt_length
from ragopt.bill.request_units import requests_per_unit
from ragopt.bill.text_lines import standard_tier
from ragopt.bill.token_prices import embedding_price, token_price_of_a_day
from ragopt.errors import PriceError

if TYPE_CHECKING:
    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.token_items import Kind
    from ragopt.bill.workload import Workload

MILLION = Decimal(10**6)

LEAST_PREFIX_TOKENS = LEAST_CACHED_TOKENS
"""Also taken for Claude models, of which some take 512, some 2,048 or 4,096 (`bill.generation_lines`): the least of all
would promise savings that most of them do not give."""


@dataclass(frozen=True, slots=True)
class PriceUsed:
    """Where one unit price comes from.

    Attributes:
        what: the piece of work, in words.
        usd: for one of them.
        formula: how it comes from a listed price.
        source, as_of: of that price.
        caution: why the price deserves a second look; empty when it does not.
        undated: whether the price's page carries no date, so that `as_of` is the day of reading it.
    """

    what: str
    usd: Decimal
    formula: str
    source: str
    as_of: str
    caution: str = ""
    undated: bool = False


@dataclass(frozen=True, slots=True)
class UnitPrices:
    """USD that a service pays for one piece of work; 0 where it pays nothing by the piece, and `notes` say why.

    Attributes:
        embedded_query: one question turned into a vector.
        chunk_read: one chunk's text read from where it lies.
        input_token, output_token: of the language model, at full price.
        cached_token: read from the provider's prompt cache.
        written_token: sent anew and kept in that cache.
        least_prefix_tokens: shorter prompts are not cached.
        used: the listed prices behind them.
        notes: one sentence for each price that is 0 or assumed.
    """

    embedded_query: Decimal
    chunk_read: Decimal
    input_token: Decimal
    output_token: Decimal
    cached_token: Decimal
    written_token: Decimal
    least_prefix_tokens: int
    used: tuple[PriceUsed, ...]
    notes: tuple[str, ...]


def unit_prices(workload: Workload, book: PriceBook, *, when: datetime | None = None) -> UnitPrices:
    """Find what each avoided piece of work saves.

    Args:
        workload: whose embedding model, generator, provider and region are priced.
        book: prices.
        when: the day whose token prices count; today where none is given.

    Raises:
        PriceError, InputError: see `token_prices`; a missing price is never 0.
    """
    moment = when or datetime.now(tz=UTC)
    embedded, chunk = _embedded_query(workload, book, moment), _chunk_read(workload, book)
    tokens = _token_prices(workload, book, moment)
    found = [*embedded[0], *chunk[0], *tokens[0]]
    by_name = {one.what: one.usd for one in found}
    return UnitPrices(
        embedded_query=by_name.get(QUESTION, Decimal(0)),
        chunk_read=by_name.get(CHUNK, Decimal(0)),
        input_token=by_name.get(TOKEN["input"], Decimal(0)),
        output_token=by_name.get(TOKEN["output"], Decimal(0)),
        # An unknown price of reading the cache saves nothing, rather than everything.
        cached_token=by_name.get(TOKEN["cache_read"], by_name.get(TOKEN["input"], Decimal(0))),
        written_token=by_name.get(TOKEN["cache_write"], by_name.get(TOKEN["input"], Decimal(0))),
        least_prefix_tokens=LEAST_PREFIX_TOKENS,
        used=tuple(found),
        notes=(*embedded[1], *chunk[1], *tokens[1]),
    )


QUESTION, CHUNK = "a question embedded", "a chunk's text read"
TOKEN: dict[Kind, str] = {
    "input": "a token read by the language model",
    "output": "a token written by it",
    "cache_read": "a token read from its prompt cache",
    "cache_write": "a token written to its prompt cache",
}

_Found = tuple[list[PriceUsed], list[str]]


def _used(what: str, price: Price, share: Decimal, formula: str) -> PriceUsed:
    return PriceUsed(what, price.usd * share, formula, price.source, price.as_of, price.caution, price.undated)


def _embedded_query(workload: Workload, book: PriceBook, moment: datetime) -> _Found:
    if not workload.embedding_model:
        return [], ["Questions are embedded by a model that nobody bills: a cache of their vectors saves time."]
    if workload.embedding_model == SELF:
        text = (
            f"Questions are embedded on {workload.embedding_vm}, which is paid by the hour: a cache of their vectors "
            "saves money only when a VM can go."
        )
        return [], [text]
    price = embedding_price(workload.embedding_model, batch=False, book=book, when=moment)
    share = Decimal(workload.query_tokens) / MILLION
    return [_used(QUESTION, price, share, f"{workload.query_tokens:,} tokens x {price.usd} USD / 1,000,000")], []


def _chunk_read(workload: Workload, book: PriceBook) -> _Found:
    if not workload.text_bytes_per_chunk:
        return [], ["Chunks have no text of their own to read (text_bytes_per_chunk is 0): a chunk cache saves time."]
    tier = standard_tier(workload.provider)
    price = book.price(workload.provider, workload.region, "object_storage", f"{tier}-get")
    per_unit = requests_per_unit(price)
    return [_used(CHUNK, price, 1 / Decimal(per_unit), f"one read from {tier}: {price.usd} USD / {per_unit:,}")], []


def _token_prices(workload: Workload, book: PriceBook, moment: datetime) -> _Found:
    model = workload.generator
    if not model:
        return [], ["No generator is named (generation.generator): answers and prompts cost nothing in this bill."]
    if model == SELF:
        text = (
            f"Answers are written on {workload.generator_vm}, which is paid by the hour: caches of answers and prompts "
            "save money only when a VM can go."
        )
        return [], [text]
    length, found, notes = prompt_length(workload), [], []
    for kind, what in TOKEN.items():
        try:
            price = token_price_of_a_day(model, kind, batch=False, book=book, when=moment, context_tokens=length)
        except PriceError:
            if kind in ("input", "output"):
                raise
            notes.append(_without(kind, model))
            continue
        found.append(_used(what, price, 1 / MILLION, f"{price.usd} USD per million tokens"))
    if "claude" in model.lower():
        notes.append(
            "Claude models cache prompts from 512, 1,024, 2,048 or 4,096 tokens on, by model: "
            f"{LEAST_PREFIX_TOKENS:,} are taken (--least-prefix-tokens)."
        )
    return found, notes


def _without(kind: Kind, model: str) -> str:
    if kind == "cache_write":
        return f"No price of writing the prompt cache of {model} is known: what is written costs what is read."
    return f"No price of reading the prompt cache of {model} is known: a prompt-prefix cache saves nothing here."
