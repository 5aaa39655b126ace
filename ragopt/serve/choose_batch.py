"""Which batch size to serve with: the highest throughput whose p99 is surely within the limit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ragopt.measure.quantiles import Quantile, values_needed

SPARE = 1.2
"""Times the answers that an upper end needs, in the seconds that are advised: throughput varies from run to run."""

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragopt.serve.bench_records import ServeRow


def within_limit(row: ServeRow, p99_limit_ms: float | None) -> bool:
    """Whether the upper end of the p99's 95 % interval is known and within the limit; any row is without a limit."""
    return p99_limit_ms is None or (row.p99_ms.high is not None and row.p99_ms.high <= p99_limit_ms)


def choose_batch_size(
    rows: Sequence[ServeRow], unbatched: ServeRow, p99_limit_ms: float | None
) -> tuple[int | None, str]:
    """Choose a batch size and say why.

    Args:
        rows: measured through the batcher, at least one.
        unbatched: the same callers without it.
        p99_limit_ms: most milliseconds from question to answer; None for no limit.

    Returns:
        The batch size, or None when no row is within the limit, and the reason in sentences.
    """
    fitting = [row for row in rows if within_limit(row, p99_limit_ms)]
    if not fitting:
        return None, _why_none(rows, unbatched, p99_limit_ms)
    best = max(fitting, key=lambda row: row.questions_per_second.value)
    kept = "" if p99_limit_ms is None else f" with p99 surely within {p99_limit_ms:g} ms"
    sentences = [f"Batches of at most {best.batch_size} answer the most questions{kept}: {_figures(best)}."]
    alike = [row for row in fitting if row is not best and _overlap(row, best)]
    if alike:
        sizes = ", ".join(str(row.batch_size) for row in alike)
        sentences.append(f"The measurement does not tell {sizes} from it.")
    sentences += _too_few(rows, p99_limit_ms)
    sentences.append(_beside_unbatched(best, unbatched, p99_limit_ms))
    return best.batch_size, " ".join(sentences)


def _why_none(rows: Sequence[ServeRow], unbatched: ServeRow, p99_limit_ms: float | None) -> str:
    """Tell the nearest row, and whether longer measuring could help."""
    limit_ms = math.inf if p99_limit_ms is None else p99_limit_ms
    known = [row for row in rows if row.p99_ms.high is not None]
    nearest = min(known or rows, key=lambda row: (row.p99_ms.high or 0.0, row.p99_ms.value))
    sentences = [
        f"No batch size is recommended: none has its p99 surely within {limit_ms:g} ms.",
        f"The nearest is {nearest.batch_size}: {_figures(nearest)}.",
    ]
    sentences += _too_few(rows, p99_limit_ms)
    if within_limit(unbatched, p99_limit_ms):
        sentences.append(f"Without a batcher the limit is kept: {_figures(unbatched)}.")
    return " ".join(sentences)


def is_undecided(row: ServeRow, p99_limit_ms: float | None) -> bool:
    """Whether more answers could show that the p99 is within the limit: it has no upper end yet.

    A lower end beyond the limit says enough: no upper end will lie below it.
    """
    return p99_limit_ms is not None and row.p99_ms.high is None and (row.p99_ms.low or 0.0) <= p99_limit_ms


def seconds_needed(row: ServeRow) -> float:
    """Seconds of measuring that give a row an upper end of p99, at the rate of answers that it had."""
    return row.seconds * values_needed(0.99) / row.p99_ms.n_independent


def _too_few(rows: Sequence[ServeRow], p99_limit_ms: float | None) -> list[str]:
    """Which sizes were measured too briefly, and how long is long enough; nothing where none was."""
    undecided = [row for row in rows if is_undecided(row, p99_limit_ms)]
    if not undecided:
        return []
    sizes = ", ".join(str(row.batch_size) for row in undecided)
    seconds = math.ceil(max(seconds_needed(row) for row in undecided) * SPARE)
    told = f"Too few answers for an upper end of p99 at {sizes} ({values_needed(0.99)} of every caller are needed)"
    return [f"{told}: measure each size for {seconds:,} seconds (--seconds {seconds})."]


def _beside_unbatched(best: ServeRow, unbatched: ServeRow, p99_limit_ms: float | None) -> str:
    told = f"Without a batcher the same callers had {_figures(unbatched)}"
    if _overlap(best, unbatched):
        return f"{told}: the measurement does not tell the two throughputs apart."
    if best.questions_per_second.value > unbatched.questions_per_second.value:
        return f"{told}."
    if within_limit(unbatched, p99_limit_ms):
        return f"{told}: the batcher gains nothing here, call the index itself."
    return f"{told}: more questions, but beyond the limit."


def _overlap(one: ServeRow, other: ServeRow) -> bool:
    """Whether the intervals of two throughputs have a value in common; a missing end reaches any value."""
    a, b = one.questions_per_second, other.questions_per_second
    return _reaches(a, b) and _reaches(b, a)


def _reaches(a: Quantile, b: Quantile) -> bool:
    return a.high is None or b.low is None or a.high >= b.low


def _figures(row: ServeRow) -> str:
    upper = row.p99_ms.high
    tail = "its upper end unknown" if upper is None else f"at most {_ms(upper)} ms"
    return f"{row.questions_per_second.value:,.0f} questions a second, p99 {_ms(row.p99_ms.value)} ms ({tail})"


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
