"""Figures as every output prints them, read back."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragopt.records import Bill, LatencyMs, Quality

NUMBER = r"-?[\d,]+(?:\.\d+)?"


def number(text: str) -> float:
    """A number with thousands separators."""
    return float(text.replace(",", ""))


def money(text: str) -> Decimal:
    """An amount of USD to the cent."""
    return Decimal(text.replace(",", ""))


def quality_in(text: str) -> tuple[float, float, float, int]:
    """Value, interval and number of queries of `0.9637 [0.9527, 0.9722], n = 300`."""
    found = re.fullmatch(rf"({NUMBER}) \[({NUMBER}), ({NUMBER})\], n = ([\d,]+)", text)
    assert found, text
    return (*map(number, found.groups()[:3]), int(number(found[4])))


def rounded(quality: Quality) -> tuple[float, float, float, int]:
    """A quality to the four decimals that are printed."""
    return (round(quality.value, 4), round(quality.low, 4), round(quality.high, 4), quality.n_queries)


def bill_in(text: str) -> tuple[Decimal, Decimal, Decimal, str]:
    """Money, range and target of `27.22 [25.06, 29.64] on faiss-ram`."""
    found = re.fullmatch(rf"({NUMBER}) \[({NUMBER}), ({NUMBER})\] on (\S+)", text)
    assert found, text
    return (*map(money, found.groups()[:3]), found[4])


def billed(bill: Bill) -> tuple[Decimal, Decimal, Decimal, str]:
    """What `bill_in` reads, of the record."""
    return (bill.usd_per_month, bill.low, bill.high, bill.target)


def latency_in(text: str) -> tuple[float, float, float, int]:
    """Milliseconds and number of queries of `0.057 / 0.071 / 0.090, n = 290`."""
    found = re.fullmatch(rf"({NUMBER}) / ({NUMBER}) / ({NUMBER}), n = ([\d,]+)", text)
    assert found, text
    return (*map(number, found.groups()[:3]), int(number(found[4])))


def timed(latency: LatencyMs) -> tuple[float, float, float, int]:
    """What `latency_in` reads, of the record to three decimals."""
    return (round(latency.p50, 3), round(latency.p95, 3), round(latency.p99, 3), latency.n_queries)


def byte_count(text: str) -> float:
    """Bytes of `1,024 B`."""
    assert text.endswith(" B"), text
    return number(text.removesuffix(" B"))


def check_comparison(rows: dict[str, tuple[str, str]], run) -> None:
    """Make sure that a printed comparison says what the records of a run hold, by name of the fact."""
    chosen = run.recommendation
    flat = next(one for one in run.trials if one.trial.factory == "Flat" and one.trial.space.reduction == "none"
                and one.trial.space.model == chosen.trial.space.model)  # fmt: skip
    label = " (synthetic queries)" if chosen.synthetic_queries else ""
    read = set()

    def row(name: str) -> tuple[str, str]:
        read.add(name)
        return rows[name]

    assert row("trial") == (str(chosen.trial), str(flat.trial))
    assert (row("figures")[0] == "measured on a built index") == chosen.confirmed
    for name, quality in chosen.quality.items():
        ours, theirs = row(f"{name}{label}")
        assert quality_in(ours) == rounded(quality)
        assert quality_in(theirs) == rounded(flat.quality[name])
    for name, loss in chosen.loss_vs_exact.items():
        assert quality_in(row(f"{name} lost against exact search, paired{label}")[0]) == rounded(loss)
    sizes = chosen.index_bytes
    ours, theirs = map(byte_count, row("RAM bytes per vector, codes"))
    assert (ours, theirs) == (sizes.ram_bytes_per_vector, chosen.baseline_ram_bytes_per_vector)
    ours, theirs = map(byte_count, row("disk bytes per vector, rescoring tier"))
    assert (ours, theirs) == (sizes.disk_bytes_per_vector, flat.index_bytes.disk_bytes_per_vector)
    ours, theirs = map(byte_count, row("RAM bytes that do not grow"))
    assert (ours, theirs) == (sizes.ram_fixed_bytes, flat.index_bytes.ram_fixed_bytes)
    in_ram = "RAM bytes per vector, the target holding the tier in RAM"
    assert (in_ram in rows) == (chosen.target == "faiss-ram" and sizes.disk_bytes_per_vector > 0)
    if in_ram in rows:
        assert byte_count(row(in_ram)[0]) == sizes.ram_bytes_per_vector + sizes.disk_bytes_per_vector
    for told, latency in zip(
        row("latency ms, one thread: p50 / p95 / p99"), (chosen.latency, flat.latency), strict=True
    ):
        assert told == "not measured" if latency is None else latency_in(told) == timed(latency)
    if chosen.cold is not None:
        assert latency_in(row("latency ms, no page of the tier in RAM")[0]) == timed(chosen.cold)
    ours, theirs = row("USD per month [95 % range]")
    assert bill_in(ours) == billed(chosen.bill)
    assert bill_in(theirs) == billed(chosen.baseline_bill)
    saving = chosen.baseline_bill.usd_per_month - chosen.bill.usd_per_month
    assert money(row("saving, USD per month")[0].split()[0]) == saving
    assert read == set(rows)
