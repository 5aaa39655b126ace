"""Small builders for the tests of the ground floor, of the choice and of the sweep."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from decimal import Decimal
from pathlib import Path

import numpy as np

from ragopt.measure.intervals import mean_interval
from ragopt.records import Bill, BillLine, IndexBytes, LatencyMs, Quality, Space, Trial, TrialResult

ROOT = Path(__file__).resolve().parents[1]
FLAT = "tiny@8:none | Flat"
RECALL = "recall_vs_exact@10"
NDCG = "ndcg@10"


def a_bill(usd: str, target: str = "faiss-ram") -> Bill:
    """A bill of one line."""
    amount = Decimal(usd)
    line = BillLine("RAM", Decimal(1), "month", amount, amount, "https://example.org", "2026-07-20")
    return Bill(target, amount, amount, amount, (line,))


def a_result(
    name: str,
    usd: str | None = "10.00",
    ram: float = 16.0,
    disk: float = 0.0,
    low: float = 0.96,
    p99: float | None = 1.0,
    *,
    confirmed: bool = False,
    ndcg: np.ndarray | None = None,
    value: float | None = None,
    reason: str = "",
) -> TrialResult:
    """A measured trial, by default one that meets the default limits."""
    quality = {RECALL: Quality(low + 0.01 if value is None else value, low, min(1.0, low + 0.02), 1000)}
    per_query = {}
    if ndcg is not None:
        interval = mean_interval(ndcg)
        quality[NDCG] = Quality(interval.value, interval.low, interval.high, interval.n)
        per_query[NDCG] = ndcg.astype(np.float32)
    return TrialResult(
        trial=Trial.parse(name if "@" in name else f"tiny@8:none | {name}"),
        status="finalist" if confirmed else "estimated",
        reason=reason,
        confirmed=confirmed,
        quality=quality,
        index_bytes=IndexBytes(ram, 1000, disk, 123_456),
        latency=None if p99 is None else LatencyMs(p99 / 2, p99 * 0.9, p99, 500),
        bills={} if usd is None else {"faiss-ram": a_bill(usd)},
        per_query=per_query,
    )


def unsuitable(name: str, reason: str = "too few training rows") -> TrialResult:
    """A trial that the corpus could not train."""
    return TrialResult(Trial.parse(f"tiny@8:none | {name}"), "unsuitable", reason)


def exact_flat(usd: str = "100.00", *, ndcg: np.ndarray | None = None, model: str = "tiny") -> TrialResult:
    """The float32 baseline, which finds every exact neighbour by definition."""
    result = a_result(f"{Space(model, 8, 'none')} | Flat", usd, ram=32.0, ndcg=ndcg, confirmed=ndcg is not None)
    figures = {**result.quality, RECALL: Quality(1.0, 1.0, 1.0, 1000)}
    return TrialResult(
        result.trial,
        result.status,
        confirmed=result.confirmed,
        quality=figures,
        index_bytes=result.index_bytes,
        latency=result.latency,
        bills=result.bills,
        per_query=result.per_query,
    )


def run_python(code: str, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a piece of Python in a process of its own, with ragopt importable."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=environment,
        cwd=ROOT,
    )
