"""Measure how often the intervals of ragopt/measure/intervals.py hold the true mean; write the table as JSON.

Usage: RAGOPT_SHARED=FOLDER python eval/interval_coverage.py OUT.json

Populations are laws on a few score levels: samples are multinomial counts, so a cell of 10,000 samples takes
milliseconds. Without RAGOPT_SHARED the populations from real searches are left out.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ragopt.measure.intervals import difference_limits, share_limits

Floats = NDArray[np.float64]
Limits = Callable[[NDArray[np.int64], Floats], tuple[Floats, Floats]]

TENTHS = np.arange(11) / 10
TRUE_MEANS = (0.95, 0.97, 0.98, 0.99, 0.995, 0.997)
SIZES = (100, 300, 1000)
CLUMPING = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
SAMPLES = 10_000
BOOTSTRAP_SAMPLES = 400
RESAMPLES = 999

# (factory, ParameterSpace string, candidates rescored)
SEARCHES = (
    ("SQ4", "", 10),
    ("SQ8", "", 10),
    ("PQ96x4fs", "", 30),
    ("PQ96x4fs", "", 100),
    ("RaBitQ", "", 100),
    ("PQ24np", "", 100),
    ("IVF256,Flat", "nprobe=32", 10),
    ("HNSW16", "efSearch=64", 10),
)


def beta_binomial(mean: float, clumping: float) -> Floats:
    """Law of the share of 10 neighbours found, with intra-query correlation `clumping` (1: all or none)."""
    if clumping == 0:
        return np.asarray(stats.binom.pmf(np.arange(11), 10, mean))
    if clumping == 1:
        return np.array([1 - mean, *[0.0] * 9, mean])
    total = (1 - clumping) / clumping
    return np.asarray(stats.betabinom.pmf(np.arange(11), 10, mean * total, (1 - mean) * total))


def tilted(law: Floats, mean: float, levels: Floats = TENTHS) -> Floats:
    """Exponential tilting of a law to another mean: the nearest law in relative entropy (Csiszar 1975)."""
    low, high = -300.0, 300.0
    for _ in range(100):
        middle = (low + high) / 2
        exponent = middle * levels
        weights = law * np.exp(exponent - exponent[law > 0].max())
        weights /= weights.sum()
        low, high = (middle, high) if weights @ levels < mean else (low, middle)
    return np.asarray(weights)


def mixed(law: Floats, mean: float) -> Floats | None:
    """Mix a law with perfect queries up to a mean; None when it is better than that already."""
    own = float(law @ TENTHS)
    if own > mean:
        return None
    share = (1 - mean) / (1 - own)
    result = share * law
    result[-1] += 1 - share
    return result


def squad_vectors(shared: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Unit vectors of the 22,067 SQuAD passages and 3,000 questions."""
    parts = [
        np.load(shared / f"vectors/squad22k-minilm-384.{name}.f16.npy").astype("f4") for name in ("corpus", "queries")
    ]
    corpus, queries = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts)
    return corpus, queries


def searched(shared: Path) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
    """Yield (name, exact rows, found rows) of real searches, rescored in float32."""
    import faiss  # noqa: PLC0415 - loaded when first used

    corpus, queries = squad_vectors(shared)
    exact = faiss.knn(queries, corpus, 10, faiss.METRIC_INNER_PRODUCT)[1]
    for factory, parameters, depth in SEARCHES:
        index = faiss.index_factory(corpus.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
        index.train(corpus[:16384])
        index.add(corpus)
        if parameters:
            faiss.ParameterSpace().set_index_parameters(index, parameters)
        rows = index.search(queries, depth)[1]
        scores = np.einsum("qkd,qd->qk", corpus[rows], queries)
        scores[rows < 0] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :10]
        yield f"{factory} {parameters} depth {depth}".replace("  ", " "), exact, np.take_along_axis(rows, order, axis=1)


def recall_law(exact: NDArray[np.int64], found: NDArray[np.int64]) -> Floats:
    """Law of recall_vs_exact@10 over the queries."""
    hits = (exact[:, :, None] == found[:, None, :]).any(axis=2).sum(axis=1)
    return np.bincount(hits, minlength=11) / len(hits)


def recall_populations(laws: dict[str, Floats]) -> dict[tuple[str, float], Floats]:
    """Every law of recall at every true mean: beta-binomial ones, and real ones tilted and mixed."""
    cells: dict[tuple[str, float], Floats] = {}
    for mean in TRUE_MEANS:
        for clumping in CLUMPING:
            cells[f"beta-binomial {clumping:g}", mean] = beta_binomial(mean, clumping)
        for name, law in laws.items():
            cells[f"tilted {name}", mean] = tilted(law, mean)
            mixture = mixed(law, mean)
            if mixture is not None:
                cells[f"mixed {name}", mean] = mixture
    return cells


def reciprocal_ranks(shared: Path, rows: NDArray[np.int64]) -> Floats:
    """MRR@10 of each question, its passage being the one relevant document."""
    folder = shared / "data/squad"
    lines = (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    row_of = {json.loads(line)["_id"]: row for row, line in enumerate(lines)}
    pairs = [line.split("\t") for line in (folder / "qrels/test.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    passage = {query: row_of[document] for query, document, _ in pairs}
    questions = (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()[: len(rows)]
    relevant = np.array([passage[json.loads(line)["_id"]] for line in questions])
    hit = rows == relevant[:, None]
    return np.where(hit.any(axis=1), 1 / (1 + hit.argmax(axis=1)), 0.0)


def mean_limits(counts: NDArray[np.int64], levels: Floats) -> tuple[Floats, Floats]:
    """What `mean_interval` gives for each sample, given as counts of the levels."""
    n = int(counts[0].sum())
    mean, square = counts @ levels / n, counts @ levels**2 / n
    loss_square = counts @ (1 - levels) ** 2 / n
    flipped = mean > 0.5
    near, far = share_limits(np.where(flipped, 1 - mean, mean), np.where(flipped, loss_square, square), n)
    return np.where(flipped, 1 - far, near), np.where(flipped, 1 - near, far)


def pair_limits(counts: NDArray[np.int64], levels: Floats) -> tuple[Floats, Floats]:
    """What `paired_difference` gives for each sample, given as counts of the differences."""
    n = int(counts[0].sum())
    gains, losses = np.maximum(levels, 0), np.maximum(-levels, 0)
    return difference_limits(counts @ gains / n, counts @ gains**2 / n, counts @ losses / n, counts @ losses**2 / n, n)


def student_limits(counts: NDArray[np.int64], levels: Floats) -> tuple[Floats, Floats]:
    """Student's t of the mean, for comparison."""
    n = int(counts[0].sum())
    mean = counts @ levels / n
    half = stats.t.ppf(0.975, n - 1) * np.sqrt(np.maximum(counts @ levels**2 / n - mean**2, 0) / (n - 1))
    return mean - half, mean + half


def wilson_limits(counts: NDArray[np.int64], levels: Floats) -> tuple[Floats, Floats]:
    """Wilson at the plain effective sample size, for comparison."""
    n = int(counts[0].sum())
    loss = 1 - counts @ levels / n
    spread = loss * (1 - loss)
    ratio = np.where(spread > 0, (counts @ (1 - levels) ** 2 / n - loss**2) / np.where(spread > 0, spread, 1), 1)
    scale = stats.norm.ppf(0.975) ** 2 * ratio / n
    root = np.sqrt(scale * spread + scale**2 / 4)
    return 1 - (loss + scale / 2 + root) / (1 + scale), 1 - (loss + scale / 2 - root) / (1 + scale)


def bootstrap_limits(kind: str, seed: int) -> Limits:
    """Percentile, BCa or studentized bootstrap (Efron and Tibshirani 1993, chapters 12-14), for comparison."""
    rng = np.random.default_rng(seed)

    def one(count: NDArray[np.int64], levels: Floats) -> tuple[float, float]:
        n = int(count.sum())
        law = count / n
        mean = float(law @ levels)
        again = rng.multinomial(n, law, size=RESAMPLES) / n
        means = again @ levels
        tails = np.array([0.025, 0.975])
        deviation = np.sqrt(max(float(law @ levels**2) - mean**2, 0) / n)
        if deviation == 0:
            return mean, mean
        if kind == "studentized":
            errors = np.sqrt(np.maximum(again @ levels**2 - means**2, 1e-12) / n)
            low, high = np.quantile((means - mean) / errors, tails)
            return mean - float(high) * deviation, mean - float(low) * deviation
        if kind == "bca":
            third = float(law @ (levels - mean) ** 3)
            acceleration = third / (6 * n**0.5 * float(law @ (levels - mean) ** 2) ** 1.5)
            bias = stats.norm.ppf(np.clip((means < mean).mean() + (means == mean).mean() / 2, 1e-3, 1 - 1e-3))
            shifted = bias + stats.norm.ppf(tails)
            tails = stats.norm.cdf(bias + shifted / (1 - acceleration * shifted))
        low, high = np.quantile(means, tails)
        return float(low), float(high)

    def limits(counts: NDArray[np.int64], levels: Floats) -> tuple[Floats, Floats]:
        both = np.array([one(count, levels) for count in counts])
        return both[:, 0], both[:, 1]

    return limits


def coverage(
    law: Floats, levels: Floats, limits: Limits, n: int, *, seed: int, samples: int = SAMPLES
) -> dict[str, float]:
    """Share of samples whose interval holds the true mean, and how the others miss."""
    counts = np.random.default_rng(seed).multinomial(n, law / law.sum(), size=samples)
    true = float(law @ levels / law.sum())
    low, high = limits(counts, levels)
    # 1e-12: a limit that equals the true mean but for rounding holds it.
    over, under = float((low > true + 1e-12).mean()), float((high < true - 1e-12).mean())
    return {
        "coverage": round(1 - over - under, 4),
        "low_above_true": round(over, 4),
        "high_below_true": round(under, 4),
        "mean_width": round(float((high - low).mean()), 5),
    }


def law_of(values: Floats) -> tuple[Floats, Floats]:
    """Levels and law of the values."""
    levels, counts = np.unique(values, return_counts=True)
    return levels, counts / len(values)


def sparse_differences() -> dict[str, tuple[Floats, Floats]]:
    """Laws of paired differences where few queries differ."""
    levels = np.array([-1, -0.5, -1 / 6, 0, 1 / 6, 0.5, 1])
    shapes = {
        "even": [1, 2, 3, 0, 3, 2, 1],
        "losses twice the gains": [2, 4, 6, 0, 3, 2, 1],
        "only losses": [1, 2, 3, 0, 0, 0, 0],
    }
    cells = {}
    for name, shape in shapes.items():
        for share in (0.003, 0.01, 0.03, 0.1, 0.3):
            law = np.array(shape, dtype=np.float64) / sum(shape) * share
            law[3] = 1 - share
            cells[f"{name}, {share:g} differ"] = (levels, law)
    return cells


def table(
    populations: dict[str, tuple[Floats, Floats]], limits: Limits, *, samples: int = SAMPLES
) -> list[dict[str, Any]]:
    """One row for each population and sample size."""
    rows = []
    for i, (name, (levels, law)) in enumerate(populations.items()):
        for n in SIZES:
            cell = coverage(law, levels, limits, n, seed=1000 * i + n, samples=samples)
            rows.append({"population": name, "true": round(float(law @ levels), 5), "n": n, **cell})
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Extremes of a table and its cells outside 93-97 %."""
    covered = [row["coverage"] for row in rows]
    outside = [row for row in rows if not 0.93 <= row["coverage"] <= 0.97]
    return {"cells": len(rows), "least": min(covered), "most": max(covered), "outside": outside}


def main() -> None:
    """Measure everything and write it."""
    shared = os.environ.get("RAGOPT_SHARED")
    laws: dict[str, Floats] = {}
    ranked: dict[str, tuple[Floats, Floats]] = {}
    paired = sparse_differences()
    if shared:
        truth: Floats | None = None
        for name, exact, found in searched(Path(shared)):
            laws[name] = recall_law(exact, found)
            truth = reciprocal_ranks(Path(shared), exact) if truth is None else truth
            ours = reciprocal_ranks(Path(shared), found)
            ranked[f"MRR@10 {name}"] = law_of(ours)
            paired[f"MRR@10 {name} minus exact"] = law_of(np.round(ours - truth, 9))
    uniform = np.arange(101) / 100
    for a, b in ((0.3, 0.3), (0.5, 1.5), (2, 1), (0.2, 2)):
        weights = np.diff(stats.beta.cdf(np.linspace(-0.005, 1.005, 102), a, b))
        ranked[f"Beta({a:g}, {b:g}), nDCG-like"] = (uniform, weights / weights.sum())
    recall = {f"{name} at {mean:g}": (TENTHS, law) for (name, mean), law in recall_populations(laws).items()}
    few = {name: cell for name, cell in recall.items() if "PQ96x4fs depth 100" in name or "beta-binomial 0.1 " in name}
    chosen = {
        "recall": table(recall, mean_limits),
        "ranked": table(ranked, mean_limits),
        "paired": table(paired, pair_limits),
    }
    others = {"student": table(recall, student_limits), "wilson_effective": table(recall, wilson_limits)}
    for kind in ("percentile", "bca", "studentized"):
        others[f"bootstrap_{kind}"] = table(few, bootstrap_limits(kind, 1), samples=BOOTSTRAP_SAMPLES)
    result = {
        "what": "coverage of nominal 95 % intervals",
        "samples_per_cell": {"closed forms": SAMPLES, "bootstraps": BOOTSTRAP_SAMPLES},
        "summary": {
            **{f"chosen, {name}": summary(rows) for name, rows in chosen.items()},
            **{
                f"compared, {name}": {k: v for k, v in summary(rows).items() if k != "outside"}
                | {"cells_outside": len(summary(rows)["outside"])}
                for name, rows in others.items()
            },
        },
        "chosen": chosen,
    }
    Path(sys.argv[1]).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["summary"], indent=1))


if __name__ == "__main__":
    main()
