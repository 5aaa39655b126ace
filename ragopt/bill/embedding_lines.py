"""What embedding costs in an average month: the corpus once, its growth, embedding it anew, and every question."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.lines import Charges, make_line, total, without_zeros
from ragopt.bill.token_prices import embedding_price
from ragopt.bill.vm_hours import hours_for, vm_price

if TYPE_CHECKING:
    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload
    from ragopt.records import BillLine

MILLION = Decimal(10**6)
SELF = "self"
"""What `embedding_model` and `generator` are called when a VM of one's own runs the model."""


@dataclass(frozen=True, slots=True)
class _Tokens:
    """Tokens a month that are embedded for one reason.

    Attributes:
        what: the reason, in words.
        count: how many in an average month.
        formula: how they come from the workload.
        once: whether they are paid for once and spread over the horizon.
        can_wait: whether a batch API may take them; a question cannot wait for its vector.
    """

    what: str
    count: Decimal
    formula: str
    once: bool = False
    can_wait: bool = True


def embedding_lines(workload: Workload, book: PriceBook, *, when: datetime | None = None) -> Charges:
    """Return what embedding costs in an average month; no line where the workload names no embedding model.

    Args:
        workload: as asked for, not `at_average()`: the corpus is embedded at its first size and then grows.
        book: prices.
        when: the day whose token prices count; today where none is given.

    Returns:
        Lines of part `embedding`; `usd_before_minimum` leaves out the spread first embedding of the corpus.

    Raises:
        PriceError, InputError: see `token_prices.embedding_price` and `vm_hours.vm_price`.
    """
    if not workload.embedding_model:
        return Charges((), Decimal("0.00"))
    if workload.embedding_model == SELF:
        return _self_hosted(workload, book)
    return _bought(workload, book, when or datetime.now(tz=UTC))


def _tokens(workload: Workload) -> tuple[_Tokens, ...]:
    per_chunk, months = workload.tokens_per_chunk, workload.horizon_months
    average = workload.n_vectors_average
    return (
        _Tokens(
            "the corpus once, spread over the horizon",
            Decimal(workload.n_vectors_first) * per_chunk / months,
            f"{workload.n_vectors_first:,} chunks x {per_chunk:,} tokens / {months} months",
            once=True,
        ),
        _Tokens(
            "chunks added",
            Decimal(workload.growth_vectors_per_month) * per_chunk,
            f"{workload.growth_vectors_per_month:,} chunks a month x {per_chunk:,} tokens",
        ),
        _Tokens(
            "every chunk anew",
            average * per_chunk * workload.reembeddings_per_month,
            f"{average:,f} chunks on average x {per_chunk:,} tokens x {workload.reembeddings_per_month:f} a month",
        ),
        _Tokens(
            "questions",
            Decimal(workload.queries_per_month) * workload.query_tokens,
            f"{workload.queries_per_month:,} queries a month x {workload.query_tokens:,} tokens",
            can_wait=False,
        ),
    )


def _charges(priced: list[tuple[_Tokens, BillLine]], notes: tuple[str, ...]) -> Charges:
    return Charges(
        without_zeros(line for _, line in priced), total(line for tokens, line in priced if not tokens.once), notes
    )


def _bought(workload: Workload, book: PriceBook, when: datetime) -> Charges:
    model, batched = workload.embedding_model, workload.embedding_batch_share
    notes: dict[str, None] = {}
    priced: list[tuple[_Tokens, BillLine]] = []
    for tokens in _tokens(workload):
        for batch, share in ((False, 1 - batched), (True, batched)) if tokens.can_wait else ((False, Decimal(1)),):
            if not tokens.count * share:
                continue
            price = embedding_price(model, batch=batch, book=book, when=when)
            notes |= dict.fromkeys(_caution(price))
            line = make_line(
                f"Embedding with {model}{' by batch' if batch else ''}: {tokens.what}",
                tokens.count * share / MILLION,
                price,
                part="embedding",
                formula=f"{tokens.formula}{_share(share)} / 1,000,000",
            )
            priced.append((tokens, line))
    return _charges(priced, tuple(notes))


def _self_hosted(workload: Workload, book: PriceBook) -> Charges:
    speed = workload.embedding_tokens_per_second
    price = vm_price(book, workload.provider, workload.region, workload.embedding_vm)
    priced = [
        (
            tokens,
            make_line(
                f"Embedding on {workload.embedding_vm}: {tokens.what}",
                hours_for(tokens.count, speed),
                price,
                part="embedding",
                formula=f"{tokens.formula} / {speed:f} tokens per second / 3,600",
            ),
        )
        for tokens in _tokens(workload)
        if speed is not None  # the workload refuses `self` without a measured speed
    ]
    note = (
        f"Embedding on {workload.embedding_vm} is billed for the time that it takes, on demand: a VM that waits for "
        "questions all month costs 730 hours (see `ragopt decide embedding`)."
    )
    return _charges(priced, (note, *_caution(price)))


def _share(share: Decimal) -> str:
    return "" if share == 1 else f" x {share:f}"


def _caution(price: Price) -> tuple[str, ...]:
    return (f"Price of {price.provider} {price.item}: {price.caution}.",) if price.caution else ()
