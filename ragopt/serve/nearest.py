"""Nearest rows of one version: every segment is searched, the best of all are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ragopt.embed.spaces import project
from ragopt.embed.stored_rows import stored_rows
from ragopt.errors import InputError
from ragopt.index.allowed_search import allowed_search

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.serve.snapshot import Snapshot

    Found = tuple[NDArray[np.float32], NDArray[np.int64]]

MOST_RESULTS = 1 << 20
"""FAISS keeps a heap of k results per query; a million are 12 MB each."""

NOTHING = -1
"""FAISS's own row number where there is no further result."""

UNIT_TOLERANCE = 1e-5
"""Squared lengths this near to 1 are of unit vectors in float32: dividing again would move their last bit."""


def query_vectors(snapshot: Snapshot, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Check full-dimension query vectors and bring them to unit length for cosine.

    Raises:
        InputError: another shape than (n, full dimension), NaN or infinite values, or (cosine) a vector of zeros.
    """
    dim, metric = snapshot.manifest.full_dim, snapshot.manifest.metric
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    if rows.ndim != 2 or rows.shape[1] != dim:
        raise InputError(
            f"The query vectors have the shape {rows.shape}",
            allowed=f"(n_queries, {dim})",
            next_step=f"Give vectors of the model {snapshot.manifest.parsed_trial.space.model}",
        )
    if metric == "cosine" and (np.abs(np.einsum("ij,ij->i", rows, rows) - 1) < UNIT_TOLERANCE).all():
        return rows
    return stored_rows(rows, metric, describe=lambda row: f"query {row} (counting from 0)")


def nearest_rows(
    snapshot: Snapshot, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
) -> Found:
    """Find the nearest rows of full-dimension queries.

    As many results as the run asked for are searched even for a smaller k, so that results are those that were
    measured: a rescoring depth grows with the number of results.

    Args:
        snapshot: what to search.
        queries: float32 (m, full dimension) from `query_vectors`.
        k: results per query.
        allowed: bool (n_rows,), rows that may be found; None for all. Deleted rows never are.

    Returns:
        float32 (m, k) scores, higher is nearer (minus the squared distance for l2), and int64 (m, k) rows; `NOTHING`
        with score -inf behind the last row that may be found.
    """
    manifest = snapshot.manifest
    trial = manifest.parsed_trial
    projected = project(queries, trial.space, rotation=snapshot.rotation, metric=manifest.metric)
    if snapshot.alive is not None:
        allowed = snapshot.alive if allowed is None else allowed & snapshot.alive
    wanted = max(k, min(manifest.n_results, manifest.n_rows))
    found = []
    for part in snapshot.parts:
        own = None if allowed is None else allowed[part.first_row : part.first_row + part.n_rows]
        if part.n_rows and (own is None or own.any()):
            scores, rows = allowed_search(part.index, projected, min(wanted, part.n_rows), own, search=trial.search)
            better = -scores if manifest.metric == "l2" else scores
            found.append(
                (better, np.where(rows == NOTHING, NOTHING, rows + part.first_row) if part.first_row else rows)
            )
    return _best(found, len(queries), k)


def _best(found: list[Found], n_queries: int, k: int) -> Found:
    """Merge the results of segments, each best first; among equal scores those of the earlier segment."""
    scores: NDArray[np.float32] = np.empty((n_queries, 0), np.float32)
    rows: NDArray[np.int64] = np.empty((n_queries, 0), np.int64)
    if len(found) == 1:
        scores, rows = found[0][0][:, :k], found[0][1][:, :k]
    elif found:
        rows = np.concatenate([one[1] for one in found], axis=1)
        scores = np.where(rows == NOTHING, np.float32(-np.inf), np.concatenate([one[0] for one in found], axis=1))
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        scores, rows = np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)
    if rows.shape[1] < k:
        missing = ((0, 0), (0, k - rows.shape[1]))
        rows = np.pad(rows, missing, constant_values=NOTHING)
        scores = np.pad(scores, missing, constant_values=-np.inf)
    # Most searches find all they ask for: the last column tells.
    if (rows[:, -1] == NOTHING).any():
        scores = np.where(rows == NOTHING, np.float32(-np.inf), scores)
    return scores, rows


def checked_k(k: int) -> int:
    """Results per query as a plain int. Raises InputError: k is out of range."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= MOST_RESULTS:
        raise InputError(f"k is {k!r}", allowed=f"a whole number from 1 to {MOST_RESULTS:,}", next_step="Correct k")
    return int(k)
