"""The numbers behind the serving chart: its axes, its rows, and the room that marks and intervals take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragopt.report.axes import AxisScale, cost_scale
from ragopt.report.labels import Box, Label, label_size, mark_box

if TYPE_CHECKING:
    from ragopt.serve.bench_records import ServeBench, ServeRow

N_TICKS = 8
BAR_STEP = 12
"""Pixels between the boxes that keep labels off an interval's bar."""


@dataclass(frozen=True, slots=True)
class ServeFrame:
    """Both axes and the plot's size in pixels."""

    x: AxisScale
    y: AxisScale
    width: int
    height: int

    def pixel(self, p99_ms: float, questions_per_second: float) -> tuple[float, float]:
        """Where on the plot, from its top left."""
        return self.x.fraction(p99_ms) * self.width, (1 - self.y.fraction(questions_per_second)) * self.height


def rows_of(bench: ServeBench) -> tuple[ServeRow, ...]:
    """What is drawn: the batch sizes through the batcher, then the callers without it."""
    return (*bench.callers, bench.unbatched)


def frame_of(bench: ServeBench, width: int, height: int) -> ServeFrame:
    """Axes wide enough for every known end and for the limit."""
    times = [end for row in rows_of(bench) for end in (row.p99_ms.value, row.p99_ms.low, row.p99_ms.high) if end]
    times += [bench.p99_limit_ms] if bench.p99_limit_ms else []
    rates = [row.questions_per_second for row in rows_of(bench)]
    ends = [end for rate in rates for end in (rate.value, rate.low, rate.high) if end]
    return ServeFrame(cost_scale(times, n_ticks=N_TICKS), cost_scale(ends, n_ticks=N_TICKS), width, height)


def name_of(row: ServeRow, bench: ServeBench) -> str:
    """The label of a mark."""
    if row.batch_size is None:
        return "no batcher"
    return f"{row.batch_size}, recommended" if row.batch_size == bench.recommended else str(row.batch_size)


def drawn_row(row: ServeRow, bench: ServeBench, frame: ServeFrame) -> dict[str, Any]:
    """A row as the chart's data; an unknown upper end of p99 lies at the right edge."""
    p99, rate = row.p99_ms, row.questions_per_second
    return {
        "name": name_of(row, bench),
        "p99": p99.value,
        "p99_low": p99.value if p99.low is None else p99.low,
        "p99_high": frame.x.high if p99.high is None else p99.high,
        "rate": rate.value,
        "rate_low": rate.value if rate.low is None else rate.low,
        "rate_high": rate.value if rate.high is None else rate.high,
        "n_questions": p99.n,
    }


def taken_boxes(bench: ServeBench, frame: ServeFrame) -> list[Box]:
    """Squares over every mark and along every interval."""
    limit = limit_box(bench, frame)
    boxes = [limit] if limit else []
    for row in rows_of(bench):
        drawn = drawn_row(row, bench, frame)
        here = frame.pixel(drawn["p99"], drawn["rate"])
        left, _ = frame.pixel(drawn["p99_low"], drawn["rate"])
        right, _ = frame.pixel(drawn["p99_high"], drawn["rate"])
        _, bottom = frame.pixel(drawn["p99"], drawn["rate_low"])
        _, top = frame.pixel(drawn["p99"], drawn["rate_high"])
        boxes.append(mark_box(*here))
        boxes += [mark_box(x, here[1], radius=3) for x in range(int(left), int(right), BAR_STEP)]
        boxes += [mark_box(here[0], y, radius=3) for y in range(int(top), int(bottom), BAR_STEP)]
    return boxes


def limit_box(bench: ServeBench, frame: ServeFrame) -> Box | None:
    """Where the limit's name stands: at the top, right of its line, or left where the plot ends."""
    if bench.p99_limit_ms is None:
        return None
    x, _ = frame.pixel(bench.p99_limit_ms, frame.y.high)
    across, down = label_size(Label((f"limit {bench.p99_limit_ms:g} ms",), x, 0))
    left = x + 6 if x + 6 + across <= frame.width else x - 6 - across
    return Box(left, 5, left + across, 5 + down)
