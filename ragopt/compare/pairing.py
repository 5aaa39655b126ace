"""Which scores of two runs are of the same query."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragopt.compare.records import Pairing
from ragopt.errors import ArtifactError
from ragopt.measure.intervals import FEW_QUERIES, MIN_QUERIES
from ragopt.sweep.billed import result_of
from ragopt.sweep.run_folder import DAMAGE, QUERIES_FILE
from ragopt.sweep.run_queries import RunQuery, read_queries_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragopt.records import Run, TrialResult

EXACT = "recall_vs_exact@"


@dataclass(frozen=True, slots=True)
class Measured:
    """The recommended trial of a run with the queries that its scores are of.

    Attributes:
        run: finished. result: its recommended trial, or the closest one.
        queries: those of its scores of recall_vs_exact, in their order; empty where the run does not keep them.
    """

    run: Run
    result: TrialResult
    queries: tuple[RunQuery, ...]

    @classmethod
    def of(cls, run: Run) -> Measured:
        """Take the recommendation of a run.

        Raises:
            ArtifactError: the files of the run do not fit together.
        """
        result = result_of(run)
        stage = "confirm" if result.confirmed else "select"
        kept = [one for one in read_queries_of(run) if getattr(one, stage) is not None]
        ordered = sorted(kept, key=lambda one: getattr(one, stage))
        if not result.confirmed:  # it has scores of the first so many of the racing order
            lengths = (len(scores) for name, scores in result.per_query.items() if name.startswith(EXACT))
            ordered = ordered[: max(lengths, default=0)]
        return cls(run, result, tuple(ordered))

    def scored(self, name: str) -> tuple[RunQuery, ...]:
        """The queries of the scores of one quality, in their order. Raises ArtifactError: they do not fit together."""
        found = self.queries if name.startswith(EXACT) else tuple(one for one in self.queries if one.judged)
        n = len(self.result.per_query.get(name, ()))
        if found and len(found) != n:
            raise ArtifactError(
                f"The run in {self.run.folder} is damaged: {QUERIES_FILE} has {len(found):,} queries for {n:,} scores "
                f"of {name}",
                next_step="Sweep again",
            )
        return found

    @property
    def ready(self) -> dict[str, Any] | None:
        """What the run says of ready vectors; None for a corpus that it embedded itself."""
        try:
            return self.run.info["arguments"].get("ready") or None
        except DAMAGE as error:
            raise ArtifactError(f"The run in {self.run.folder} is damaged: it tells no arguments",
                                next_step="Sweep again") from error  # fmt: skip

    @property
    def query_vectors(self) -> str | None:
        """Fingerprint of ready query vectors."""
        found = self.run.info["queries"].get("fingerprint")
        return found if isinstance(found, str) else None


def pairing_of(a: Measured, b: Measured) -> Pairing:
    """Say how many queries of the recommendations' scores coincide, and why the runs cannot be paired if so."""
    n_a, n_b = (max((one.n_queries for one in side.result.quality.values()), default=0) for side in (a, b))
    reason = why_not_paired(a, b)
    if reason:
        return Pairing(n_a, n_b, 0, reason)
    return Pairing(len(a.queries), len(b.queries), len(common_rows(a.queries, b.queries)))


def why_not_paired(a: Measured, b: Measured) -> str:
    """Why no query of one run can be known in the other; empty when it can."""
    missing = [name for name, side in (("A", a), ("B", b)) if not side.queries]
    if missing:
        both = "both runs keep" if len(missing) == 2 else f"{missing[0]} keeps"
        return f"{both} no {QUERIES_FILE}, which says whose score is whose (an older ragopt did not write it)"
    if (a.ready is None) != (b.ready is None):
        return "one run embedded its queries, the other was given vectors without text"
    if a.ready is None or b.ready is None:
        return ""
    if bool(a.ready.get("query_ids")) != bool(b.ready.get("query_ids")):
        return "one run names its queries by --query-ids, the other by row numbers, which are not names"
    same = a.query_vectors is not None and a.query_vectors == b.query_vectors
    if same or (a.ready.get("query_ids") and b.ready.get("query_ids")):
        return ""
    return "the query vectors of the runs differ and came without ids: row numbers are not names"


def common_rows(a: Sequence[RunQuery], b: Sequence[RunQuery]) -> list[tuple[int, int]]:
    """Rows of the same query in both, in the order of `a`.

    A text that one of them asks more than once is known by its id besides.
    """
    twice = {key for side in (a, b) for key, n in Counter(one.key for one in side).items() if n > 1}

    def name(one: RunQuery) -> tuple[str, str]:
        return one.key, one.id if one.key in twice else ""

    rows = {name(one): row for row, one in enumerate(b)}
    return [(row, rows[name(one)]) for row, one in enumerate(a) if name(one) in rows]


def enough(n_common: int, n_a: int, n_b: int) -> bool:
    """Whether so many common queries are compared as pairs: half of the smaller set, and a hundred or all of it.

    With fewer, two means over all queries say more than the pairs: a hundred pairs must not speak for thousands.
    """
    smaller = min(n_a, n_b)
    return n_common >= max(MIN_QUERIES, min(FEW_QUERIES, smaller)) and 2 * n_common >= smaller
