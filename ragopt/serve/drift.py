"""Drift: how new rows are coded beside held-out ones, and what new queries find of their exact neighbours."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ragopt.measure.intervals import Interval, mean_interval
from ragopt.measure.neighbours import exact_neighbours, recall_vs_exact
from ragopt.serve.check_records import CodingDrift, RecallNow
from ragopt.serve.nearest import query_vectors
from ragopt.serve.row_store import row_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from ragopt.measure.neighbours import Vectors
    from ragopt.serve.exact_vectors import ExactVectors
    from ragopt.serve.manifest import Coding
    from ragopt.serve.snapshot import Snapshot

MIN_ROWS = 2
"""One row has no spread."""


def error_ratio(added: Coding, held_out: Coding, *, confidence: float = 0.95) -> Interval:
    """Ratio of two mean coding errors with its interval.

    The logarithm of a mean varies by s / (mean * sqrt(n)) to first order (the delta method); the two samples are
    independent, and the quantile is Student's with Welch's degrees of freedom, since added rows may be few. Relative to
    the mean, added rows vary at least as much as held-out ones: near-equal documents are no sure sample of what comes.

    Args:
        added: two rows or more.
        held_out: likewise, with a mean above 0.
        confidence: share of samples whose interval shall hold the true ratio.

    Source: docs/method-check.md#drift-of-documents.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - loaded when first used

    ratio = added.mean / held_out.mean
    if added.mean <= 0:
        return Interval(0.0, 0.0, 0.0, added.n)
    varied = [one.variance / one.mean**2 for one in (added, held_out)]
    parts = [max(varied) / added.n, varied[1] / held_out.n]
    total = sum(parts)
    if total <= 0:
        return Interval(ratio, ratio, ratio, added.n)
    freedom = total**2 / sum(part**2 / (one.n - 1) for part, one in zip(parts, (added, held_out), strict=True))
    reach = float(stdtrit(freedom, (1 + confidence) / 2)) * math.sqrt(total)
    # A handful of rows that differ widely: e^600 says nothing already, and times any ratio it is still a float.
    reach = min(reach, 600.0)
    return Interval(ratio, ratio * math.exp(-reach), ratio * math.exp(reach), added.n)


def coding_drift(what: str, added: Coding, held_out: Coding | None) -> CodingDrift | str:
    """Compare the coding errors of new rows with those of held-out rows, or say why that cannot be done."""
    if held_out is None or held_out.n < MIN_ROWS:
        return f"{what}: coding errors are not compared, the build kept none of held-out rows (too few, or no codes)"
    if held_out.mean <= 0:
        return f"{what}: the codes are the vectors themselves, there is no coding error to compare"
    if added.n < MIN_ROWS:
        return f"{what}: {added.n} of them, {MIN_ROWS} or more have a mean with an interval"
    return CodingDrift(what, added.n, added.mean, held_out.n, held_out.mean, error_ratio(added, held_out))


def fresh_recall(
    snapshot: Snapshot, queries: Vectors, exact: ExactVectors, progress: Callable[[int, int], None] | None = None
) -> RecallNow:
    """recall_vs_exact@k of new queries, whose exact neighbours are found by brute force over the folder's vectors.

    Args:
        snapshot: of the folder.
        queries: float32 (n, full dimension), two or more.
        exact: vectors of all rows that are not deleted, at least k.
        progress: called with (rows done, rows).

    Raises:
        InputError: fewer than two queries, or fewer than k vectors.
    """
    manifest, k = snapshot.manifest, snapshot.manifest.k
    asked = query_vectors(snapshot, queries)
    neighbours = exact_neighbours(exact.blocks(), asked, k=k, n=len(exact.rows), metric=manifest.metric,
                                  gather=exact.gather, progress=progress)  # fmt: skip
    rows = row_store(manifest.engine).nearest(snapshot, asked, max(manifest.n_results, k))[1]
    scores = recall_vs_exact(exact.numbers_of(rows), neighbours, k=k)
    return RecallNow(mean_interval(scores), 0, None, None, exact.source)
