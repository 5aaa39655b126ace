"""What reranking costs in a month: by the search or by the token, as the vendor bills it."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from ragopt.bill.lines import make_line, without_zeros
from ragopt.bill.price import file_of
from ragopt.bill.token_items import REGION, names_of
from ragopt.bill.token_prices import split_model_ref
from ragopt.errors import InputError, PriceError

if TYPE_CHECKING:
    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload
    from ragopt.records import BillLine

GROUP = "rerankers"
SEARCH, TOKENS = "search", "1M tokens"
"""Units that rerankers are priced in."""

DOCUMENTS_PER_SEARCH = Decimal(100)
"""Chunks in one billed search where the price has no attribute `documents_per_search`: what Amazon states
(https://docs.aws.amazon.com/bedrock/latest/userguide/rerank-pricing.html, read 2026-11-26). For Google an
assumption."""


def rerank_lines(workload: Workload, book: PriceBook) -> tuple[BillLine, ...]:
    """Return what reranking costs in a month (part `rerank`); no line where the workload names no reranker.

    By the search: queries x ceil(candidates x pieces / documents per search), where a chunk that is longer, with its
    question, than the attribute `tokens_per_document` counts as several pieces. By the token: queries x candidates x
    (query_tokens + tokens_per_chunk), as Voyage counts them (query tokens x documents + all document tokens).

    Raises:
        InputError: a reranker that is no PROVIDER:NAME, or fewer candidates than chunks that are kept of them.
        PriceError: its price is missing, or its unit is neither `search` nor `1M tokens`.
    """
    if not workload.reranker:
        return ()
    if workload.rerank_candidates < workload.k:
        raise InputError(
            f"rerank_candidates is {workload.rerank_candidates:,}, fewer than k ({workload.k:,}) that are to be kept",
            allowed=f"{workload.k:,} or more with reranker {workload.reranker}",
            next_step="Raise rerank_candidates, or lower k",
        )
    price = _price(workload, book)
    return without_zeros([_by_the_search(workload, price) if price.unit == SEARCH else _by_the_token(workload, price)])


def rerank_notes(workload: Workload, book: PriceBook) -> tuple[str, ...]:
    """Say what a search is taken to hold. Raises: see `rerank_lines`."""
    if not workload.reranker:
        return ()
    price = _price(workload, book)
    if price.unit != SEARCH:
        return ()
    per_search = price.attributes.get("documents_per_search", DOCUMENTS_PER_SEARCH)
    most_tokens = price.attributes.get("tokens_per_document")
    long = (
        f"a chunk that has more than {most_tokens:,f} tokens with its question counts as several"
        if most_tokens
        else "a chunk counts as one, however long: the price has no attribute tokens_per_document"
    )
    assumed = "" if "documents_per_search" in price.attributes else " (assumed: the price does not say)"
    return (f"{workload.reranker} is billed by the search of up to {per_search:,f} documents{assumed}; {long}.",)


def _price(workload: Workload, book: PriceBook) -> Price:
    vendor, name = split_model_ref(workload.reranker)
    known = [one for one in names_of(vendor) if book.find(one, REGION, GROUP, name) is not None]
    price = book.price(known[0] if known else vendor, REGION, GROUP, name)
    if price.unit not in (SEARCH, TOKENS):
        raise PriceError(
            f"The price of {workload.reranker} in {file_of(GROUP)} has the unit {price.unit!r}",
            allowed=f"{SEARCH}, {TOKENS}",
            next_step=f"Correct the unit of item {name!r}, and its usd with it",
        )
    return price


def _by_the_search(workload: Workload, price: Price) -> BillLine:
    per_search = price.attributes.get("documents_per_search", DOCUMENTS_PER_SEARCH)
    if per_search < 1:
        raise PriceError(
            f"{price.provider} {price.item} in {file_of(GROUP)} has documents_per_search {per_search}",
            allowed="1 or more",
            next_step="Correct attributes.documents_per_search",
        )
    most_tokens = price.attributes.get("tokens_per_document")
    pieces = _ceil((workload.query_tokens + workload.tokens_per_chunk) / most_tokens) if most_tokens else Decimal(1)
    searches = _ceil(workload.rerank_candidates * pieces / per_search)
    return make_line(
        f"Reranking with {workload.reranker}: searches",
        workload.queries_per_month * searches,
        price,
        part="rerank",
        formula=f"{workload.queries_per_month:,} queries x ceil({workload.rerank_candidates:,} candidates x {pieces:f} "
        f"pieces / {per_search:f} in one search)",
    )


def _by_the_token(workload: Workload, price: Price) -> BillLine:
    per_candidate = workload.query_tokens + workload.tokens_per_chunk
    tokens = Decimal(workload.queries_per_month) * workload.rerank_candidates * per_candidate
    return make_line(
        f"Reranking with {workload.reranker}: the question with each candidate",
        tokens / 10**6,
        price,
        part="rerank",
        formula=f"{workload.queries_per_month:,} queries x {workload.rerank_candidates:,} candidates x "
        f"({workload.query_tokens:,} question + {workload.tokens_per_chunk:,} chunk tokens) / 1,000,000",
    )


def _ceil(value: Decimal) -> Decimal:
    return value.to_integral_value(rounding=ROUND_CEILING)
