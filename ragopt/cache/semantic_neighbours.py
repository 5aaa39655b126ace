"""Which earlier query a semantic cache would have answered from: exact, by blocks of inner products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    Vectors = NDArray[np.float32]

BLOCK_ROWS = 1024
BLOCK_COLUMNS = 8192
"""Similarities held at once: 32 MiB of float32, as fast as larger blocks on two cores."""

TIE = 1e-6
"""Similarities nearer than this are equal: float32 inner products of unit vectors err by some 1e-7."""

UNIT = 1e-3
"""How far a vector's length may be from 1: half precision, in which vectors are often stored, errs by up to 5e-4."""


@dataclass(frozen=True, slots=True)
class NearestEarlier:
    """Each query's most similar earlier one.

    Attributes:
        places: int64 (n,), where it is; -1 where there is no earlier query of another text.
        scores: float64 (n,), cosine similarity; NaN where there is none.
    """

    places: NDArray[np.int64]
    scores: NDArray[np.float64]


def nearest_earlier(vectors: Vectors, codes: NDArray[np.int32] | None = None) -> NearestEarlier:
    """Find each query's nearest earlier one: what a semantic cache that keeps everything would answer it from.

    Time grows with the square of the queries: every later query meets every earlier one. Memory is one block of
    similarities beside the vectors.

    Args:
        vectors: float32 (n, dim), unit vectors of the queries in the order in which they came.
        codes: int32 (n,), equal ones are equal texts, which another cache answers: they are never matched. None where
            all texts differ.

    Returns:
        Places and similarities; of those that differ by less than `TIE` the earliest.

    Raises:
        InputError: vectors that are not two-dimensional, finite and of unit length, or other lengths.
    """
    unit = checked_units(vectors)
    n = len(unit)
    _check_length(codes, n, "codes")
    best = np.full(n, -np.inf, dtype=np.float32)
    places = np.full(n, -1, dtype=np.int64)
    for rows, columns, scores in _blocks(unit):
        _drop_later(scores, rows, columns)
        if codes is not None:
            scores[codes[rows][:, None] == codes[columns][None, :]] = -np.inf
        found = scores.max(axis=1)
        better = np.flatnonzero(found > best[rows] + TIE)
        places[rows][better] = columns.start + (scores[better] >= found[better, None] - TIE).argmax(axis=1)
        best[rows][better] = found[better]
    matched = np.flatnonzero(places >= 0)
    similarity = np.full(n, np.nan)
    for some in np.array_split(matched, max(1, len(matched) // BLOCK_COLUMNS)):
        left, right = unit[some].astype(np.float64), unit[places[some]].astype(np.float64)
        similarity[some] = np.clip(np.einsum("nd,nd->n", left, right), -1, 1)
    return NearestEarlier(places, similarity)


def semantic_hits(
    vectors: Vectors,
    queries: NDArray[np.int32],
    threshold: float,
    contexts: NDArray[np.int32] | None = None,
) -> NDArray[np.bool_]:
    """Say which requests a semantic cache without limit would answer.

    What a request that missed is answered is stored; a hit stores nothing. So a text is an entry of its context when
    no entry before its first request is similar enough, and a request hits when an entry of another text is. Repeats
    of an entry's own text are no hits: the exact cache stands before this one. No two entries are similar enough, so
    the requests of a text hit all or not at all, and entries are fewer than texts. Hits need not rise when the
    threshold falls: another text becomes the entry. Nothing expires.

    Time grows with the different texts of a context times its entries.

    Args:
        vectors: float32 (n_distinct, dim), unit vectors by code of `queries`.
        queries: int32 (n_requests,), the code of each request's text, in order of arrival.
        threshold: least cosine similarity of a hit, in [-1, 1].
        contexts: int32 (n_requests,), what must be equal besides: tenant, rights, history, filter and index version as
            one code. None where all requests are alike in them.

    Returns:
        bool (n_requests,).

    Raises:
        InputError: vectors as in `nearest_earlier`, other lengths, a code without a vector, a threshold outside
            [-1, 1].
    """
    unit = checked_units(vectors)
    _check_length(contexts, len(queries), "contexts")
    if not -1 <= threshold <= 1:
        raise InputError(
            f"No similarity is {threshold}", allowed="-1 to 1", next_step="Pass the threshold that was chosen"
        )
    if len(queries) and not 0 <= int(queries.min()) <= int(queries.max()) < len(unit):
        raise InputError(
            f"The codes {int(queries.min())} to {int(queries.max())} come with {len(unit)} vectors",
            allowed="codes from 0, each with its vector",
            next_step="Embed the text of every code",
        )
    shared = np.zeros(len(queries), np.int64) if contexts is None else np.asarray(contexts, np.int64)
    entries, first, entry_of = np.unique(shared * max(len(unit), 1) + queries, return_index=True, return_inverse=True)
    stored = np.ones(len(entries), dtype=np.bool_)
    by_arrival = np.lexsort((first, shared[first]))
    cuts = np.flatnonzero(np.diff(shared[first][by_arrival])) + 1
    for group in np.split(by_arrival, cuts):
        if len(group) > 1:
            stored[group] = _stored(unit, queries[first[group]], threshold - TIE)
    return np.asarray(~stored[entry_of], np.bool_)


def _stored(unit: Vectors, codes: NDArray[np.int32], least: float) -> NDArray[np.bool_]:
    """Which texts of one context become entries, in order of arrival: those that no entry before them answers."""
    stored = np.zeros(len(codes), dtype=np.bool_)
    for start in range(0, len(codes), BLOCK_ROWS):
        block = np.arange(start, min(start + BLOCK_ROWS, len(codes)))
        entries = np.flatnonzero(stored[:start])
        for left in range(0, len(entries), BLOCK_COLUMNS):
            kept = unit[codes[entries[left : left + BLOCK_COLUMNS]]]
            block = block[~(unit[codes[block]] @ kept.T >= least).any(axis=1)]
        stored[block] = _stored_of_block(unit[codes[block]], least)
    return stored


def _stored_of_block(unit: Vectors, least: float) -> NDArray[np.bool_]:
    """The same among texts that no earlier entry answers: one after the other, each new entry answers later ones."""
    enough = unit @ unit.T >= least
    answered = np.zeros(len(unit), dtype=np.bool_)
    for row in range(len(unit)):
        if not answered[row]:
            answered[row + 1 :] |= enough[row, row + 1 :]
    return ~answered


def checked_units(vectors: Vectors) -> Vectors:
    """Return float32 unit vectors, refusing what is none.

    Raises:
        InputError: another shape, or a row that is not finite or not of unit length.
    """
    unit = np.ascontiguousarray(vectors, dtype=np.float32)
    if unit.ndim != 2:
        raise InputError(
            f"Vectors have the shape {unit.shape}", allowed="(n, dim)", next_step="Pass one vector for each text"
        )
    lengths = np.sqrt(np.einsum("nd,nd->n", unit, unit, dtype=np.float64))
    bad = np.flatnonzero(~(np.abs(lengths - 1) <= UNIT))
    if len(bad):
        raise InputError(
            f"Vector {bad[0]} has the length {lengths[bad[0]]:.6g}",
            allowed="unit vectors",
            next_step="Normalise the vectors; look for texts that are empty",
        )
    return np.asarray(unit / lengths[:, None], dtype=np.float32)


def _blocks(unit: Vectors) -> Iterator[tuple[slice, slice, Vectors]]:
    """Every block of similarities on and below the diagonal, its columns rising for each block of rows."""
    for start in range(0, len(unit), BLOCK_ROWS):
        rows = slice(start, min(start + BLOCK_ROWS, len(unit)))
        for left in range(0, rows.stop, BLOCK_COLUMNS):
            columns = slice(left, min(left + BLOCK_COLUMNS, rows.stop))
            yield rows, columns, unit[rows] @ unit[columns].T


def _drop_later(scores: Vectors, rows: slice, columns: slice) -> None:
    """A query is answered from an earlier one: neither from itself nor from a later one."""
    if columns.stop > rows.start:
        earlier = np.arange(columns.start, columns.stop) < np.arange(rows.start, rows.stop)[:, None]
        scores[~earlier] = -np.inf


def _check_length(values: ArrayLike | None, n: int, name: str) -> None:
    if values is not None and np.shape(values) != (n,):
        raise InputError(
            f"{name} of shape {np.shape(values)} come with {n} queries",
            allowed=f"shape ({n},)",
            next_step="Pass one of them for each query",
        )
