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
        train_seconds, build_seconds: wall time of the shared build, rescoring tier included.
    """

    trial: Trial
    found: NDArray[np.int64]
    scores: NDArray[np.float32]
    index_bytes: IndexBytes
    timing: SearchTiming
    train_seconds: float
    build_seconds: float


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
    )
    figures = [
        {
            "trial": str(one.trial),
            "index_bytes": asdict(one.index_bytes),
            "timing": asdict(one.timing),
            "train_seconds": one.train_seconds,
            "build_seconds": one.build_seconds,
        }
        for one in measured
    ]
    write_atomically(folder / "figures.json", canonical_json(figures))


def read_measured(folder: Path) -> list[Measured]:
    """Read back what `write_measured` wrote."""
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    with np.load(folder / "found.npz") as arrays:
        found, scores = arrays["found"], arrays["scores"]
    return [
        Measured(
            Trial.parse(one["trial"]),
            found[number],
            scores[number],
            IndexBytes(**one["index_bytes"]),
            SearchTiming(**{**one["timing"], "latency": LatencyMs(**one["timing"]["latency"])}),
            one["train_seconds"],
            one["build_seconds"],
        )
        for number, one in enumerate(figures)
    ]
