"""A measurement of serving with made figures, for the tests of what is chosen, printed and drawn."""

from ragopt.measure.quantiles import Quantile
from ragopt.serve.bench_records import ServeBench, ServeRow
from ragopt.serve.choose_batch import choose_batch_size


def figure(value, low, high, n=12_800, n_independent=400):
    """A figure with its interval."""
    return Quantile(value, low, high, n, n_independent)


def a_row(size, rate, p99, *, per_call=None):
    """A row from (value, low, high) of its throughput and of its p99; p50 and p95 lie below."""
    value = p99[0]
    return ServeRow(
        size,
        figure(value / 4, value / 5, value / 3),
        figure(value / 2, value / 2.5, value / 1.5),
        figure(*p99),
        figure(*rate, n=6, n_independent=6),
        float(size or 1) if per_call is None else per_call,
        6.0,
    )


ROWS = (
    a_row(1, (500, 480, 520), (40.0, 36.0, 44.0)),
    a_row(8, (2000, 1900, 2100), (16.0, 15.0, 18.0), per_call=7.9),
    a_row(32, (3000, 2900, 3200), (19.0, 17.0, 24.0), per_call=15.5),
)
UNBATCHED = a_row(None, (900, 850, 950), (60.0, 50.0, None))


def a_bench(limit=20.0, rows=ROWS, unbatched=UNBATCHED, warnings=()):
    """All of it, chosen by the limit."""
    recommended, reason = choose_batch_size(rows, unbatched, limit)
    return ServeBench(rows, rows, unbatched, 5, 32, 0.0, limit, 1000, 1, 2, 0, recommended, reason, tuple(warnings))
