"""Write clustered synthetic unit vectors that codes find as hard as text, and held-out queries, without holding all.

    python eval/clustered_vectors.py --n 1000000 --out DIR

writes DIR/vectors.npy, DIR/queries.npy (float32) and DIR/clustered.json. Each row is a topic plus a spread around it,
both Gaussian with a power-law spectrum (so few directions carry most of the length, as in the vectors of language
models), turned by one random rotation (so that truncation has no privileged axes) and brought to unit length. Topics
grow in number with the corpus. Rows depend on --n, --dim and --seed alone; a query is one more row that is not stored.

Memory: one block, and 4 x dim bytes for each topic (73 MB at a million rows of 384).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOPICS, TOPICS_POWER = 3.0, 0.7
"""Topics are TOPICS x n^TOPICS_POWER: 7 rows a topic at 20,000 rows, 26 at 2,000,000.

Chosen, with the three numbers below, by what PQ48np loses as the corpus grows: facts measured on 2 M x 384 vectors give
.68 at 20,000 rows, .64 at 200,000 and .52 at 2 M, these give .67, .64 and .58 (eval/README.md). With a power of .5 the
loss from 20,000 to 200,000 rows was .14 to .19.
"""

SPECTRUM = 0.6
"""The i-th direction has standard deviation i^-SPECTRUM."""

SPREAD = 0.3
"""Share of the squared length that a row has of its own; the rest is its topic's."""

NOISE = 0.03
"""Squared length of noise that is equal in all directions, beside the 1 of topic and spread."""

N_QUERIES = 3_000
"""1,000 to select with and 2,000 to confirm with: what `ragopt sweep` takes by default."""

BLOCK_ROWS = 16_384
"""Rows drawn by one generator; part of the definition of the data, so not an option."""


class Clustered:
    """The distribution that rows and queries are drawn from."""

    def __init__(self, n: int, *, dim: int, seed: int) -> None:
        """Draw the topics and the rotation of a corpus of `n` rows."""
        self.n, self.dim, self.seed = n, dim, seed
        self.n_topics = max(1, round(TOPICS * n**TOPICS_POWER))
        spectrum = np.arange(1, dim + 1) ** -SPECTRUM
        spectrum /= np.linalg.norm(spectrum)
        rng = np.random.default_rng([seed, 0])
        self._topics = rng.standard_normal((self.n_topics, dim), dtype=np.float32)
        self._topics *= (spectrum * np.sqrt(1 - SPREAD)).astype(np.float32)
        # Spread and noise are independent Gaussians along the same axes: one draw has the variance of both.
        self._around = np.sqrt(SPREAD * spectrum**2 + NOISE / dim).astype(np.float32)
        self._rotation = np.linalg.qr(rng.standard_normal((dim, dim)))[0].astype(np.float32)

    def corpus_block(self, number: int) -> NDArray[np.float32]:
        """Rows of block `number`, float32 (up to BLOCK_ROWS, dim), of unit length."""
        return self._draw([self.seed, 1, number], min(BLOCK_ROWS, self.n - number * BLOCK_ROWS))

    def queries(self, n_queries: int) -> NDArray[np.float32]:
        """Further rows of the same topics, float32 (n_queries, dim), of unit length."""
        return self._draw([self.seed, 2], n_queries)

    def _draw(self, stream: list[int], rows: int) -> NDArray[np.float32]:
        rng = np.random.default_rng(stream)
        topic = rng.integers(self.n_topics, size=rows)
        drawn = rng.standard_normal((rows, self.dim), dtype=np.float32)
        drawn *= self._around
        drawn += self._topics[topic]
        turned = drawn @ self._rotation
        turned /= np.linalg.norm(turned, axis=1, keepdims=True)
        return turned


def write_clustered(folder: Path, n: int, *, dim: int = 384, seed: int = 0, n_queries: int = N_QUERIES) -> Path:
    """Write the corpus, the queries and what made them; whole or not at all.

    Args:
        folder: made if missing; files of the same name are replaced.
        n: corpus rows, at least 1.
        dim: dimensions.
        seed: the same seed writes the same bytes (with the same NumPy and BLAS).
        n_queries: held-out queries.

    Returns:
        The corpus file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = Clustered(n, dim=dim, seed=seed)
    path, unfinished = folder / "vectors.npy", folder / "vectors.npy.part"
    header = {"descr": "<f4", "fortran_order": False, "shape": (n, dim)}
    with unfinished.open("wb") as handle:
        np.lib.format.write_array_header_1_0(handle, header)
        for number in range(-(-n // BLOCK_ROWS)):
            handle.write(source.corpus_block(number).data)
    unfinished.replace(path)
    np.save(folder / "queries.npy", source.queries(n_queries))
    (folder / "clustered.json").write_text(json.dumps(description(source), indent=1) + "\n", encoding="utf-8")
    return path


def description(source: Clustered) -> dict[str, float]:
    """Every number that the rows depend on."""
    return {
        "n": source.n,
        "dim": source.dim,
        "seed": source.seed,
        "n_topics": source.n_topics,
        "spectrum": SPECTRUM,
        "spread": SPREAD,
        "noise": NOISE,
        "block_rows": BLOCK_ROWS,
    }


def main() -> None:
    """Read the command line and write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--queries", type=int, default=N_QUERIES)
    given = parser.parse_args()
    path = write_clustered(given.out, given.n, dim=given.dim, seed=given.seed, n_queries=given.queries)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
