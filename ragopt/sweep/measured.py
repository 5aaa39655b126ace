"""What was measured of one trial, written to and read back from an artifact."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.artifacts import canonical_json, write_atomically
from ragopt.errors import IndexFormatError
from ragopt.measure.latency import SearchTiming
from ragopt.records import IndexBytes, LatencyMs, Trial

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one trial.

    Attributes:
        trial: what was tried.
        found: int64 (n_queries, n_results) rows, best first. scores: float32, higher is better.
        index_bytes: where its bytes live.
        timing: of single searches on one thread.
        qps_all_cores: queries per second of one batch on every core.
        train_seconds, build_seconds: wall time of the build, rescoring tier included.
        cold: latency with no page of the rescoring tier in RAM; None without a tier, or with `cold_reason`.
        select_found: int64 (n_select, n_results) rows of the selection queries, to compare with their estimate.
    """

    trial: Trial
    found: NDArray[np.int64]
    scores: NDArray[np.float32]
    index_bytes: IndexBytes
    timing: SearchTiming
    qps_all_cores: float
    train_seconds: float
    build_seconds: float
    select_found: NDArray[np.int64]
    cold: LatencyMs | None = None
    cold_reason: str = ""


def check_found(trial: Trial, found: NDArray[np.int64], n_vectors: int) -> None:
    """Make sure that a full scan gave every query all the results it asked for.

    Only inverted lists may hold too few vectors. FAISS 1.15.1 lost results of FastScan batches silently (see
    `ragopt.index.build.use_reservoirs`): a quality measured on those would be wrong.

    Raises:
        IndexFormatError: some queries got fewer results than there are vectors to give.
    """
    n_short = int((found[:, : min(found.shape[1], n_vectors)] < 0).any(axis=1).sum())
    if n_short and "IVF" not in trial.factory:
        raise IndexFormatError(
            f"{trial}: FAISS returned too few results for {n_short} of {len(found)} queries",
            next_step="Run the same command again; if it stays, leave this factory out with --grid and report it",
        )


def write_measured(folder: Path, measured: Sequence[Measured]) -> None:
    """Write what was measured of some trials into a folder."""
    np.savez(
        folder / "found.npz",
        found=np.stack([one.found for one in measured]),
        scores=np.stack([one.scores for one in measured]),
        select_found=np.stack([one.select_found for one in measured]),
    )
    figures = [
        {
            "trial": str(one.trial),
            "index_bytes": asdict(one.index_bytes),
            "timing": asdict(one.timing),
            "qps_all_cores": one.qps_all_cores,
            "train_seconds": one.train_seconds,
            "build_seconds": one.build_seconds,
            "cold": asdict(one.cold) if one.cold else None,
            "cold_reason": one.cold_reason,
        }
        for one in measured
    ]
    write_atomically(folder / "figures.json", canonical_json(figures))


def read_measured(folder: Path) -> list[Measured]:
    """Read back what `write_measured` wrote."""
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    with np.load(folder / "found.npz", allow_pickle=False) as arrays:
        found, scores, select_found = arrays["found"], arrays["scores"], arrays["select_found"]
    return [
        Measured(
            Trial.parse(one["trial"]),
            found[number],
            scores[number],
            IndexBytes(**one["index_bytes"]),
            SearchTiming(**{**one["timing"], "latency": LatencyMs(**one["timing"]["latency"])}),
            one["qps_all_cores"],
            one["train_seconds"],
            one["build_seconds"],
            select_found[number],
            LatencyMs(**one["cold"]) if one["cold"] else None,
            one["cold_reason"],
        )
        for number, one in enumerate(figures)
    ]
