"""Measure how often the intervals of ragopt/cache/block_bootstrap.py hold the true share; write the table as JSON.

Usage: python eval/bootstrap_coverage.py [--samples 1000]. Prints the table, writes
eval/results/<date>-bootstrap-coverage.json.

A log is requests per 10 minutes, a Poisson number with a daily cycle, each hit with a chance whose log-odds follow an
autoregressive process of first order and a daily cycle of their own; it starts at a random time of day. True is the
share over 200 years of it. `t` is ragopt's interval; the percentile interval from the same draws, and requests taken as
independent (Wilson), are there for comparison.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import expit

from ragopt.cache.block_bootstrap import _drawn, share_of_sums
from ragopt.cache.time_bins import BIN_S, DAY_S, time_bins
from ragopt.sweep.run_info import machine, versions

Floats = NDArray[np.float64]

BINS_A_DAY = round(DAY_S / BIN_S)
SPANS_DAYS = (1, 2, 3.5, 7, 30)
SEED = 0

PROCESSES: dict[str, dict[str, float]] = {
    "share .5, hours 1": {"base": 0, "hours": 1, "spread": 0.7, "hit_cycle": 0, "traffic_cycle": 0, "rate": 60},
    "share .5, hours 1, daily cycle": {
        "base": 0, "hours": 1, "spread": 0.7, "hit_cycle": 0.5, "traffic_cycle": 0.8, "rate": 60,
    },
    "share .5, hours 4, daily cycle": {
        "base": 0, "hours": 4, "spread": 0.7, "hit_cycle": 0.5, "traffic_cycle": 0.8, "rate": 60,
    },
    "share .06, hours 2, daily cycle": {
        "base": -3.2, "hours": 2, "spread": 0.7, "hit_cycle": 0.5, "traffic_cycle": 0.8, "rate": 60,
    },
    "share .01, hours 2, daily cycle, 7 requests a bin": {
        "base": -5, "hours": 2, "spread": 0.7, "hit_cycle": 0.5, "traffic_cycle": 0.8, "rate": 7,
    },
    "share .74, hours 0.2, weak daily cycle": {
        "base": 1, "hours": 0.2, "spread": 0.3, "hit_cycle": 0.2, "traffic_cycle": 0.8, "rate": 60,
    },
}  # fmt: skip


def logs(rng: np.random.Generator, law: dict[str, float], n_bins: int, n_logs: int) -> tuple[Floats, Floats]:
    """Hits and requests per bin: float64 (n_logs, n_bins) each."""
    kept = np.exp(-BIN_S / 3600 / law["hours"])
    noise = rng.standard_normal((n_logs, n_bins)) * np.sqrt(1 - kept**2)
    noise[:, 0] /= np.sqrt(1 - kept**2)
    slow = lfilter([1], [1, -kept], noise, axis=1)
    day = np.sin(2 * np.pi * (np.arange(n_bins) / BINS_A_DAY + rng.random((n_logs, 1))))
    requests = rng.poisson(law["rate"] * (1 + law["traffic_cycle"] * day))
    chance = expit(law["base"] + law["spread"] * slow + law["hit_cycle"] * day)
    return rng.binomial(requests, chance).astype(np.float64), requests.astype(np.float64)


def wilson(part: float, whole: float) -> tuple[float, float]:
    """Wilson's interval of independent requests."""
    share, z2 = part / whole, 1.96**2
    root = np.sqrt(z2 * share * (1 - share) / whole + z2**2 / (4 * whole**2))
    return (share + z2 / (2 * whole) - root) / (1 + z2 / whole), (share + z2 / (2 * whole) + root) / (1 + z2 / whole)


def cell(rng: np.random.Generator, law: dict[str, float], days: float, true: float, samples: int) -> dict[str, Any]:
    """Coverage of each interval at one span."""
    bins = time_bins(np.arange(round(days * BINS_A_DAY) + 1) * BIN_S, round(days * BINS_A_DAY) + 1)
    held = {"t": 0, "percentile": 0, "independent": 0}
    width = 0.0
    for number, (hits, requests) in enumerate(zip(*logs(rng, law, bins.n_bins, samples), strict=True)):
        share = share_of_sums(hits, requests, bins, seed=number)
        part, whole = _drawn(np.stack([hits, requests]), bins, number)
        low, high = np.quantile(part / whole, [0.025, 0.975])
        alone = wilson(hits.sum(), requests.sum())
        held["t"] += share.low <= true <= share.high
        held["percentile"] += low <= true <= high
        held["independent"] += alone[0] <= true <= alone[1]
        width += (share.high - share.low) / samples
    coverage = {name: round(float(count) / samples, 3) for name, count in held.items()}
    return {"days": days, "block_hours": bins.block_bins * BIN_S / 3600, **coverage, "mean_width": round(width, 4)}


def main() -> None:
    """Measure every process at every span and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1000)
    samples = parser.parse_args().samples
    rng = np.random.default_rng(SEED)
    rows = []
    for name, law in PROCESSES.items():
        hits, requests = logs(rng, law, 365 * BINS_A_DAY, 200)
        true = float(hits.sum() / requests.sum())
        for days in SPANS_DAYS:
            row = {"process": name, "true": round(true, 4), **cell(rng, law, days, true, samples)}
            rows.append(row)
            print(row, flush=True)
    about = f"coverage of nominal 95 % intervals, {samples} logs a cell"
    result = {"about": about, "seed": SEED, "versions": versions(), "machine": machine(), "rows": rows}
    today = dt.datetime.now(tz=dt.UTC).date()
    path = Path(__file__).parent / "results" / f"{today}-bootstrap-coverage.json"
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
