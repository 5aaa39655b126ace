"""Pairs of queries for a person to label: without labels a cache of answers stays off."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ragopt.errors import InputError, StorageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.cache.semantic_neighbours import NearestEarlier

N_PAIRS = 50
"""What a person reads in half an hour. Enough to see what goes wrong, too few to certify any budget under 5.8 %."""

LEAST_SCORE = 0.8
"""The lowest threshold that published caches were run with (GPT Semantic Cache, arXiv 2411.05276)."""


@dataclass(frozen=True, slots=True)
class ReviewPair:
    """A query, the nearest earlier one, and their cosine similarity."""

    query: str
    earlier: str
    score: float


def pairs_to_review(
    texts: Sequence[str],
    nearest: NearestEarlier,
    *,
    least_score: float = LEAST_SCORE,
    n_pairs: int = N_PAIRS,
    seed: int = 0,
) -> tuple[ReviewPair, ...]:
    """Draw pairs for a person to label, spread over the similarities from `least_score` up.

    A systematic sample: the hits are ordered by similarity and every m-th is taken, from a random start. At each
    threshold the labelled hits are thus a fair part of all hits, which `choose_threshold` relies on; pairs that a
    person picks are not. More pairs are needed for a tight budget: `least_labelled_hits`.

    Args:
        texts: of the queries, in the order of `nearest`.
        nearest: each query's nearest earlier one.
        least_score: the lowest similarity of interest: the lowest threshold of a grid.
        n_pairs: how many; all hits where there are fewer.
        seed: of the start.

    Returns:
        Pairs of different texts, each pair once, the most similar first.

    Raises:
        InputError: other lengths, fewer than one pair wanted, or no hit of that similarity.
    """
    if len(texts) != len(nearest.places):
        raise InputError(
            f"{len(texts)} texts come with the neighbours of {len(nearest.places)} queries",
            allowed="one text for each query",
            next_step="Pass the texts of the same queries",
        )
    if n_pairs < 1:
        raise InputError(f"Cannot draw {n_pairs} pairs", allowed="1 or more", next_step="Ask for 50")
    hits = _distinct(texts, nearest, least_score)
    if not len(hits):
        raise InputError(
            f"No query has an earlier one of another text that is {least_score:g} or more similar",
            next_step="Lower the least similarity; a semantic cache would hardly ever hit here",
        )
    step = max(len(hits) / n_pairs, 1.0)
    start = np.random.default_rng(seed).uniform(0, step)
    taken = hits[(start + step * np.arange(n_pairs)).astype(np.int64)] if len(hits) > n_pairs else hits
    return tuple(
        ReviewPair(texts[row], texts[nearest.places[row]], round(float(nearest.scores[row]), 6))
        for row in taken.tolist()
    )


def check_review_file(path: Path) -> None:
    """Refuse a file that is there: it may be the log, or hold a person's labels. Raises InputError."""
    if path.suffix != ".jsonl":
        raise InputError(f"--review {path} is no .jsonl file", allowed=".jsonl", next_step="Give it that suffix")
    if path.exists():
        raise InputError(f"--review {path} is there already", allowed="a new file",
                         next_step="Name another file: labels are never written over")  # fmt: skip


def write_review(pairs: Sequence[ReviewPair], path: Path) -> None:
    """Write pairs as JSONL with an empty `same`, which `semantic_pairs.read_labelled_pairs` reads once it is filled in.

    Raises:
        StorageError: the file cannot be written.
    """
    lines = (
        json.dumps({"query": one.query, "earlier": one.earlier, "score": one.score, "same": None}, ensure_ascii=False)
        for one in pairs
    )
    try:
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    except OSError as error:
        raise StorageError(
            f"Cannot write {path}: {error.strerror}", next_step="Check the path, its permissions and the free space"
        ) from error


def _distinct(texts: Sequence[str], nearest: NearestEarlier, least_score: float) -> NDArray[np.int64]:
    """Queries with a hit, the most similar first; of one pair that came more than once the first time."""
    seen: set[tuple[str, str]] = set()
    rows: list[int] = []
    matched = (nearest.places >= 0) & (np.nan_to_num(nearest.scores, nan=-2.0) >= least_score)
    for row in np.flatnonzero(matched).tolist():
        pair = (texts[row], texts[nearest.places[row]])
        if pair[0] != pair[1] and pair not in seen:
            seen.add(pair)
            rows.append(row)
    found = np.array(rows, dtype=np.int64)
    return found[np.argsort(-nearest.scores[found], kind="stable")]
