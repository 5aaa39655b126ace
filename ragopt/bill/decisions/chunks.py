"""How many chunks to send to the generator: quality beside what generation costs, for each k."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.decisions.chunk_quality import BY_CHUNKS, RECALL
from ragopt.bill.generation_lines import generation_lines, prompt_length
from ragopt.bill.lines import total
from ragopt.errors import InputError

if TYPE_CHECKING:
    from datetime import datetime

    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload
    from ragopt.records import BillLine, Quality

MOST_LOSS = Decimal("0.01")
"""What fewer chunks may lose of the most chunks' quality, at the upper end of its interval: one point (an assumption;
`--most-loss` says otherwise)."""


@dataclass(frozen=True, slots=True)
class ChunkCount:
    """One k.

    Attributes:
        k: chunks sent to the generator with each question.
        quality: measured with k chunks; None where it was not.
        loss: of quality against the most chunks that were measured, on the same questions; None where it was not
            measured as pairs.
        prompt_tokens: tokens of one whole prompt.
        usd_per_month: of generation.
        usd_more: than the next smaller k; None for the smallest.
        usd_per_point: what one more point (a hundredth) of quality costs a month, against the next smaller k that was
            measured; None where either was not measured or quality does not rise.
        lines: of generation.
    """

    k: int
    quality: Quality | None
    loss: Quality | None
    prompt_tokens: int
    usd_per_month: Decimal
    usd_more: Decimal | None
    usd_per_point: Decimal | None
    lines: tuple[BillLine, ...]


@dataclass(frozen=True, slots=True)
class ChunksDecision:
    """The answer.

    Attributes:
        generator: PROVIDER:NAME, or self.
        metric: name of the quality, without its @k.
        counts: one per k, ascending.
        best_k: the least k of the highest quality; None where no quality is known. Losses are against the most chunks.
        enough_k: the least k whose loss is at most `most_loss` with 95 % confidence; without pairs, the least k whose
            95 % interval overlaps the best's; None where fewer than two k were measured.
        notes: what a reader should know.
        sentence: the answer.
    """

    generator: str
    metric: str
    counts: tuple[ChunkCount, ...]
    best_k: int | None
    enough_k: int | None
    notes: tuple[str, ...]
    sentence: str


def decide_chunks(  # noqa: PLR0913 - what is billed, what was measured, and what may be lost
    workload: Workload,
    book: PriceBook,
    *,
    ks: Sequence[int],
    qualities: Mapping[int, Quality],
    when: datetime,
    losses: Mapping[int, Quality] | None = None,
    most_loss: Decimal = MOST_LOSS,
    metric: str = RECALL,
) -> ChunksDecision:
    """Put quality and the monthly cost of generation side by side for each k.

    Args:
        workload: with a generator; its own k is not used.
        book: prices.
        ks: the numbers of chunks to compare, besides those of `qualities`.
        qualities: by k, as far as they were measured; none gives the money alone.
        when: the day whose token prices count.
        losses: by k, the paired loss of quality against the most chunks; None where it was not measured as pairs.
        most_loss: what fewer chunks may lose of that quality.
        metric: name of the quality, without its @k.

    Raises:
        InputError: no generator, no k, one out of bounds, or a prompt that the model does not take.
        PriceError: see `token_prices.token_price`.
    """
    wanted = sorted({*ks, *qualities})
    if not wanted:
        raise InputError("There is no number of chunks to compare", next_step="Name some with --k, like 1,3,5,10,20")
    if not (most_loss.is_finite() and 0 <= most_loss <= 1):
        raise InputError(f"--most-loss is {most_loss}", allowed="a share of the quality from 0 to 1",
                         next_step="Write one point as 0.01")  # fmt: skip
    if not workload.generator:
        raise InputError(
            "There is no generator to send chunks to",
            allowed="PROVIDER:NAME, or self",
            next_step="Name one with --generator, like anthropic:claude-haiku-4-5",
        )
    counts: list[ChunkCount] = []
    for k in wanted:
        month = dataclasses.replace(workload, k=k)
        lines = generation_lines(month, book, when=when)
        counts.append(_count(month, lines, qualities.get(k), (losses or {}).get(k), counts))
    measured = [count for count in counts if count.quality is not None]
    best = max(measured, key=lambda count: (_value(count), -count.k), default=None)
    most = max((count for count in measured if count.loss is not None), key=lambda count: count.k, default=None)
    enough = next((count for count in measured if best is not None and _suffices(count, best, most_loss)), None)
    decided = enough if len(measured) > 1 else None
    return ChunksDecision(
        generator=workload.generator,
        metric=metric,
        counts=tuple(counts),
        best_k=best.k if best else None,
        enough_k=decided.k if decided else None,
        notes=tuple(_notes(counts, metric)),
        sentence=_sentence(counts, best, decided, metric)
        if most is None or decided is None
        else _paired_sentence(most, decided, measured, metric),
    )


def _count(
    month: Workload,
    lines: tuple[BillLine, ...],
    quality: Quality | None,
    loss: Quality | None,
    before: Sequence[ChunkCount],
) -> ChunkCount:
    usd = total(lines)
    smaller = next((count for count in reversed(before) if count.quality is not None), None)
    per_point = None
    if quality is not None and smaller is not None:
        points = (Decimal(str(quality.value)) - _value(smaller)) * 100
        per_point = (usd - smaller.usd_per_month) / points if points > 0 else None
    return ChunkCount(
        k=month.k,
        quality=quality,
        loss=loss,
        prompt_tokens=prompt_length(month),
        usd_per_month=usd,
        usd_more=usd - before[-1].usd_per_month if before else None,
        usd_per_point=per_point,
        lines=lines,
    )


def _value(count: ChunkCount) -> Decimal:
    return Decimal(str(count.quality.value)) if count.quality is not None else Decimal(-1)


def _suffices(count: ChunkCount, best: ChunkCount, most_loss: Decimal) -> bool:
    if count.loss is not None:
        return count.loss.high <= most_loss
    return count.quality is not None and best.quality is not None and count.quality.high >= best.quality.low


def _notes(counts: Sequence[ChunkCount], metric: str) -> list[str]:
    from ragopt.measure.intervals import few_queries_warning  # noqa: PLC0415 - brings numpy, loaded when first used

    missing = [str(count.k) for count in counts if count.quality is None]
    notes = []
    if missing and len(missing) < len(counts):
        notes.append(
            f"{metric} was not measured with k = {', '.join(missing)}: sweep with --k for each and name those runs too."
        )
    if len(missing) < len(counts) and all(count.loss is None for count in counts):
        notes.append(
            "Overlapping intervals do not prove that two k are equally good: they say that this many queries cannot "
            "tell them apart."
        )
    if len(missing) < len(counts) and metric != BY_CHUNKS:
        notes.append(
            f"{metric}@k looks at the k best documents, each found by its best chunk; where several of the chunks sent "
            "belong to one document, k chunks hold fewer documents than that."
        )
    few = few_queries_warning(min((one.quality.n_queries for one in counts if one.quality is not None), default=10**9))
    if few:
        notes.append(few)
    return notes


def _sentence(
    counts: Sequence[ChunkCount], best: ChunkCount | None, enough: ChunkCount | None, metric: str
) -> str:  # fmt: skip
    low, high = counts[0], counts[-1]
    money = (
        f"Generation costs {low.usd_per_month:,} USD a month with k = {low.k} and {high.usd_per_month:,} with "
        f"k = {high.k}"
    )
    if best is None:
        return f"{money}; no quality was given, so that this says nothing about how many chunks are enough."
    if enough is None:
        return (
            f"{money}; {metric} is known with k = {best.k} alone, {_shown(best)}, so that there is nothing to compare."
        )
    if enough.k == best.k:
        return (
            f"Send {_chunks(best.k)}: {metric}@{best.k} is the best, {_shown(best)}, and no smaller k comes within its "
            f"interval; generation costs {best.usd_per_month:,} USD a month."
        )
    return (
        f"Send {_chunks(enough.k)}: {metric}@{enough.k} is {_shown(enough)}, whose interval overlaps the best's, "
        f"{_shown(best)} with k = {best.k}, and generation costs {enough.usd_per_month:,} USD a month, "
        f"{best.usd_per_month - enough.usd_per_month:,} less than with {best.k}."
    )


def _paired_sentence(most: ChunkCount, enough: ChunkCount, measured: Sequence[ChunkCount], metric: str) -> str:
    """The answer where every k is compared with the most chunks on the same questions."""
    if enough.k < most.k:
        return (
            f"Send {_chunks(enough.k)}: {metric}@{enough.k} is {_shown(enough)}, {_lost(enough)} than with {most.k}; "
            f"generation costs {enough.usd_per_month:,} USD a month, "
            f"{most.usd_per_month - enough.usd_per_month:,} less than with {most.k}."
        )
    fewer = max((count for count in measured if count.loss is not None and count.k < most.k), key=lambda one: one.k)
    per_point = "" if most.usd_per_point is None else f", USD {most.usd_per_point:,.2f} a point"
    loss = fewer.loss
    lost = "" if loss is None else f"{loss.value:.3f} ({loss.low:.3f} to {loss.high:.3f})"
    return (
        f"Send {_chunks(most.k)}, the most that was measured: {fewer.k} would lose {lost} of {metric} on the same "
        f"questions and save USD {most.usd_per_month - fewer.usd_per_month:,} a month{per_point}."
    )


def _lost(count: ChunkCount) -> str:
    loss = count.loss
    if loss is None or (loss.value, loss.low, loss.high) == (0, 0, 0):
        return "no less on any of these questions"
    return f"on the same questions {loss.value:.3f} ({loss.low:.3f} to {loss.high:.3f}) less"


def _chunks(k: int) -> str:
    return "1 chunk" if k == 1 else f"{k} chunks"


def _shown(count: ChunkCount) -> str:
    if count.quality is None:
        return "unknown"
    one = count.quality
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f}, {one.n_queries} queries)"
