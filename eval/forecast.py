"""Forecast recall from n vectors to N with the same quantizer, then search all N: how far off, and inside the range?

Usage: RAGOPT_SHARED=folder python eval/forecast.py. Prints a table and writes eval/results/<date>-forecast.json.

Growth is `random` (the n vectors are a random part of the N) or `haystack` (the passages that answer the questions are
all among the n, and other text is added), with SQuAD questions or with held-out rows of the corpus as queries.
"""

import argparse
import datetime as dt
import json
import os
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np

from ragopt.embed.wordllama import WordLlamaEmbedder
from ragopt.index.build import set_search, use_reservoirs
from ragopt.measure.forecast import forecast_recall, recall_at, thinned_places, thinned_ranks, validate_forecast
from ragopt.sweep.run_info import machine, versions

N_QUERIES = 1000
N_ANSWERING = 2067  # the first rows of both corpora are the passages of SQuAD
CANDIDATES = 1500  # five times the largest depth; the held-out check and `corrected` need more for 8-byte codes
TRAIN_ROWS = 16_384  # what a sweep trains on to select
WIDE_CODECS = ("PQ32np", "PQ64x4fs", "PQ16x4fs", "RaBitQ", "SQ4", "IVF64,PQ32np nprobe=8")
MINI_CODECS = ("PCAR192,PQ48np", "PCAR128,PQ64x4fs", "PCAR128,RaBitQ")
DEPTHS = {10: (("Flat", 30), ("Flat", 100), ("Flat", 300), ("SQ4", 100)), 100: (("Flat", 300), ("SQ4", 300))}


@dataclass(frozen=True)
class Growth:
    """Vectors, queries and the rows that are there from the start."""

    name: str
    vectors: np.ndarray
    queries: np.ndarray
    start: np.ndarray
    ks: tuple[int, ...]


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1, float32."""
    rows = rows.astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def embedded(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Corpus and question vectors of squad-100k by WordLlama; about a minute."""
    embedder = WordLlamaEmbedder()

    def texts(name: str) -> list[str]:
        lines = (json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines())
        return [f"{line.get('title', '')} {line['text']}".strip() for line in lines]

    return unit(embedder.embed_documents(texts("corpus.jsonl"))), unit(embedder.embed_queries(texts("queries.jsonl")))


def growths(shared: Path, rng: np.random.Generator) -> list[Growth]:
    """Every pair of corpus and growth that is measured."""
    wide, questions = embedded(shared / "data" / "squad-100k")
    asked = questions[rng.choice(3000, N_QUERIES, replace=False)]
    held = rng.permutation(len(wide))
    rest, held_out = wide[np.sort(held[N_QUERIES:])], wide[held[:N_QUERIES]]
    found = []
    for n in (10_000, 30_000):
        ks = (10, 100) if n == 10_000 else (10,)
        found += [
            Growth("wordllama questions random", wide, asked, part(rng, len(wide), n), ks),
            Growth("wordllama held-out random", rest, held_out, part(rng, len(rest), n), ks),
            Growth("wordllama questions haystack", wide, asked, part(rng, len(wide), n, keep=N_ANSWERING), ks),
        ]
    mini = unit(np.load(shared / "vectors" / "squad22k-minilm-384.corpus.f16.npy"))
    mini_asked = unit(np.load(shared / "vectors" / "squad22k-minilm-384.queries.f16.npy"))
    mini_asked = mini_asked[rng.choice(3000, N_QUERIES, replace=False)]
    found.append(Growth("minilm questions random", mini, mini_asked, part(rng, len(mini), 2207), (10,)))
    found.append(Growth("minilm questions haystack", mini, mini_asked, part(rng, len(mini), 4414, keep=2067), (10,)))
    return found


def part(rng: np.random.Generator, total: int, n: int, keep: int = 0) -> np.ndarray:
    """Sorted rows: the first `keep` and a random choice of the others."""
    others = keep + rng.choice(total - keep, n - keep, replace=False)
    return np.sort(np.concatenate([np.arange(keep), others]))


def exact(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Candidate rows of every query."""
    return faiss.knn(queries, vectors, min(CANDIDATES, len(vectors)), faiss.METRIC_INNER_PRODUCT)[1]


def places_of(found: np.ndarray, candidates: np.ndarray, n: int) -> np.ndarray:
    """Places of found rows among the candidates, -1 for others."""
    places = np.empty(found.shape, np.int32)
    table = np.full(n + 1, -1, np.int32)  # the last entry serves row -1
    for query, rows in enumerate(candidates):
        table[rows] = np.arange(len(rows))
        places[query] = table[found[query]]
        table[rows] = -1
    return places


def ranks_of(tier: faiss.Index, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rank of every candidate under the rescoring tier, which holds all vectors."""
    ranks = np.empty(rows.shape, np.int32)
    for query, candidates in enumerate(rows):
        order = np.argsort(-(tier.reconstruct_batch(candidates) @ queries[query]), kind="stable")
        ranks[query, order] = np.arange(len(order))
    return ranks


class Corpora:
    """One growth's corpora of n / 10, n and N vectors with their candidates and tier ranks."""

    def __init__(self, growth: Growth, rng: np.random.Generator) -> None:
        self.growth = growth
        tenth = np.sort(rng.choice(growth.start, len(growth.start) // 10, replace=False))
        self.rows = (tenth, growth.start, np.arange(len(growth.vectors)))
        self.candidates = [exact(growth.vectors[rows], growth.queries) for rows in self.rows]
        self.train = growth.vectors[rng.permutation(growth.start)[:TRAIN_ROWS]]
        self.ranks = {name: self._ranks(name) for name in ("Flat", "SQ4")}

    def _ranks(self, name: str) -> list[np.ndarray]:
        tier = faiss.index_factory(self.train.shape[1], name, faiss.METRIC_INNER_PRODUCT)
        tier.train(self.train)
        tier.add(self.growth.vectors)
        pairs = zip(self.rows, self.candidates, strict=True)
        return [ranks_of(tier, self.growth.queries, rows[found]) for rows, found in pairs]

    def places(self, codec: str) -> list[np.ndarray]:
        """Shortlists of each corpus by the same trained codec."""
        factory, _, search = codec.partition(" ")
        index = faiss.index_factory(self.train.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
        index.train(self.train)
        use_reservoirs(index)
        set_search(index, search)
        found = []
        for rows, candidates in zip(self.rows, self.candidates, strict=True):
            index.reset()
            index.add(self.growth.vectors[rows])
            result = index.search(self.growth.queries, min(CANDIDATES, len(rows)))[1]
            found.append(places_of(result, candidates, len(rows)))
        return found


def compare(corpora: Corpora, codec: str, places: list[np.ndarray], k: int, tier: tuple[str, int] | None) -> dict:
    """Forecast from n to N beside the measurement and two other ways to forecast."""
    small, n, n_scale = (len(rows) for rows in corpora.rows)
    depth = tier[1] if tier else None
    ranks = corpora.ranks[tier[0]] if tier else [None, None, None]
    at_small, at_n, measured = (
        float(recall_at(some, those, rank=k, depth=depth and min(depth, some.shape[1])).mean())
        for some, those in zip(places, ranks, strict=True)
    )
    forecast = forecast_recall(places[1], ranks[1], k=k, depth=depth, n=n, n_scale=n_scale)
    kept = np.isin(corpora.candidates[2], corpora.growth.start)
    check = validate_forecast(places[2], ranks[2], kept, k=k, depth=depth, n=n_scale, n_kept=n)
    scaled = scaled_recall(places[1], ranks[1], k, depth, n / n_scale)
    corrected = scaled + at_n - thinned_recall(corpora, places[1], ranks[1], k, depth)
    line = at_n + (at_n - at_small) * np.log(n_scale / n) / np.log(n / small)
    return {
        "growth": corpora.growth.name,
        "trial": codec,
        "tier": tier[0] if tier else None,
        "depth": depth,
        "k": k,
        "n": n,
        "n_scale": n_scale,
        "scaled_rank": k * n / n_scale,
        "at_n": at_n,
        "measured": measured,
        "value": forecast.value,
        "low": forecast.low,
        "high": forecast.high,
        "inside": bool((forecast.low or 0.0) <= measured <= forecast.high),
        "scaled_error": scaled - measured,
        "corrected_error": corrected - measured,
        "line_error": float(line) - measured,
        "held_out_error": check.error,  # equals scaled_error where CANDIDATES are enough for the codec
    }


def scaled_recall(places: np.ndarray, ranks: np.ndarray | None, k: int, depth: int | None, share: float) -> float:
    """Plain scaling: recall at the scaled rank and depth."""
    return float(recall_at(places, ranks, rank=k * share, depth=depth and depth * share).mean())


def thinned_recall(
    corpora: Corpora, places: np.ndarray, ranks: np.ndarray | None, k: int, depth: int | None
) -> float:  # fmt: skip
    """Plain scaling from a part of the n vectors, as small beside n as n is beside N, mean of four parts."""
    n, n_scale = (len(rows) for rows in corpora.rows[1:])
    found = []
    for seed in range(4):
        mask = np.random.default_rng(seed).random(n) < n / n_scale
        kept = mask[corpora.candidates[1]]
        thin_ranks = None if ranks is None else thinned_ranks(ranks, kept)
        found.append(scaled_recall(thinned_places(places, kept), thin_ranks, k, depth, n / n_scale))
    return float(np.mean(found))


def shown(row: dict) -> str:
    """One line of the table."""
    low, value = (f"{row[name]:.4f}" if row[name] is not None else "-" for name in ("low", "value"))
    errors = " ".join(f"{100 * row[name]:+6.1f}" for name in ("scaled_error", "corrected_error", "line_error"))
    tier = f"{row['tier']}@{row['depth']}" if row["tier"] else "-"
    return (
        f"{row['growth']:28} {row['n']:6} k={row['k']:<3} {row['trial']:21} {tier:8} {low} {value} {row['high']:.4f} "
        f"measured {row['measured']:.4f} {'inside' if row['inside'] else 'OUTSIDE':7} {errors}"
    )


def summary(rows: list[dict]) -> list[dict]:
    """Errors in points by growth, size and k."""
    found = []
    for key in dict.fromkeys((row["growth"], row["n"], row["k"]) for row in rows):
        group = [row for row in rows if (row["growth"], row["n"], row["k"]) == key]
        line = {"growth": key[0], "n": key[1], "k": key[2], "rows": len(group)}
        line["inside"] = sum(row["inside"] for row in group)
        for name in ("scaled_error", "corrected_error", "line_error"):
            points = 100 * np.array([row[name] for row in group])
            line[name] = {
                "least": round(float(points.min()), 1),
                "mean": round(float(points.mean()), 1),
                "most": round(float(points.max()), 1),
                "mean_size": round(float(np.abs(points).mean()), 1),
            }
        found.append(line)
        print(line)
    return found


def main() -> None:
    """Measure every growth, codec, k and rescoring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=os.environ.get("RAGOPT_SHARED"))
    shared = parser.parse_args().shared
    if shared is None:
        parser.error("name the folder of public data sets with --shared or RAGOPT_SHARED")
    faiss.omp_set_num_threads(1)
    rng = np.random.default_rng(0)
    rows = []
    for growth in growths(Path(shared), rng):
        corpora = Corpora(growth, rng)
        for codec in MINI_CODECS if growth.name.startswith("minilm") else WIDE_CODECS:
            places = corpora.places(codec)
            for k in growth.ks:
                for tier in (None, *DEPTHS[k]):
                    rows.append(compare(corpora, codec, places, k, tier))
                    print(shown(rows[-1]), flush=True)
    today = dt.datetime.now(tz=dt.UTC).date()
    about = (
        "recall_vs_exact@k forecast from n to N vectors, same quantizer trained on the n; errors are forecast minus "
        "measured: plain scaling, scaling corrected by its error from n^2/N to n, log-linear line from n/10 and n"
    )
    result = {"about": about, "seed": 0, "n_queries": N_QUERIES, "versions": versions(), "machine": machine()}
    result |= {"summary": summary(rows), "rows": rows}
    path = Path(__file__).parent / "results" / f"{today}-forecast.json"
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
