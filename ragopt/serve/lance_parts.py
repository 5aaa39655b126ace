"""Build LanceDB's own index in the table: every candidate is made and tuned, the fastest that is good enough stays."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ragopt.errors import InputError
from ragopt.measure.neighbours import Neighbours
from ragopt.records import Quality, Space, Trial
from ragopt.serve import layout
from ragopt.serve.arrays import write_array
from ragopt.serve.generation import BASE_LINES
from ragopt.serve.lance_index import LanceIndex, LanceSearch, build_candidates, create_lance_index, index_of
from ragopt.serve.lance_tuning import Questions, Tuned, halves, tuned
from ragopt.serve.lines_of_run import metadata_columns
from ragopt.serve.parts import NO_CODING, Parts
from ragopt.serve.table import create_table, first_line, lines_where, rows_and_ids, schema_of

if TYPE_CHECKING:
    from ragopt.measure.intervals import Interval
    from ragopt.records import Run
    from ragopt.serve.built import Built
    from ragopt.serve.lance_index import LanceType
    from ragopt.serve.manifest import Manifest

INDICES_FOLDER = "_indices"
"""Where Lance keeps the files of indexes, a folder for each (lancedb 0.40)."""

FEWEST_QUERIES = 8
"""Four to tune on and four to measure on; intervals over so few say little, which they show."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An index that was built: its arguments, folder, version of the table, and its best setting."""

    build: dict[str, int]
    folder: str
    version: int
    tuned: Tuned


class LanceParts(Parts):
    """A table with the full vectors and an index of LanceDB over them."""

    def write(
        self, run: Run, version: int, number: int, trial: Trial, index_type: LanceType, *, min_recall: float
    ) -> Manifest:
        """Write every file and say what they are.

        Args:
            run: finished.
            version: of the folder.
            number: of the generation.
            trial: of the run; its model is built.
            index_type: of LanceDB.
            min_recall: that the lower 95 % bound of recall_vs_exact@k has to reach on the tuning queries.

        Raises:
            InputError: LanceDB cannot build that index over this corpus, or none is good enough.
        """
        data = self.material.data
        columns = metadata_columns(self.material)
        table = create_table(self.folder, schema_of(columns, data.vectors.dim),
                             self.batches(columns, with_vectors=True))  # fmt: skip
        chosen = self._chosen(table, index_type, min_recall)
        self._keep(table, chosen)
        write_array(self.folder / BASE_LINES, rows_and_ids(lines_where(table, None)))
        manifest = self.manifest(
            run,
            version,
            number,
            chosen=trial,
            engine="lancedb",
            trial=str(Trial(Space(trial.space.model, data.vectors.dim, "none"), "Flat")),
            index="",
            template="",
            rotation="",
            table_version=table.version,
            columns=columns,
            with_vectors=True,
            coding=NO_CODING,
            lance=LanceIndex(index_type, chosen.build, chosen.tuned.search),
        )
        # The run measured and recommended a FAISS index: nothing of that holds for this one.
        unmeasured: dict[str, Any] = {"cpu_ms_per_query": None, "quality": {}, "recommendation": None}
        limits = {**manifest.about["limits"], "min_recall": min_recall}
        return replace(manifest, about={**manifest.about, **unmeasured, "limits": limits})

    def _questions(self) -> Questions:
        data, plan = self.material.data, self.material.plan
        n = len(data.confirm_queries)
        if n < FEWEST_QUERIES:
            raise InputError(
                f"The run has {n} confirmation queries: too few to tune an index of LanceDB on one half of them",
                allowed=f"{FEWEST_QUERIES} or more",
                next_step="Sweep with more queries, or build with --target faiss",
            )
        rows = halves(n, plan.seed)[0]
        exact = Neighbours(data.confirm_exact.ids[rows], data.confirm_exact.scores[rows])
        return Questions(data.confirm_queries[rows], exact, plan.k, min(plan.n_results, data.vectors.n), plan.metric)

    def _chosen(self, table: Any, index_type: LanceType, min_recall: float) -> _Candidate:
        """The fastest of the good candidates. Raises InputError: there is none."""
        questions = self._questions()
        data = self.material.data
        found = []
        for build in build_candidates(index_type, data.vectors.n, data.vectors.dim):
            folder = _created(table, index_type, build, questions)
            settings = tuned(table, index_type, build, questions, min_recall)
            found += [_Candidate(build, folder, table.version, one) for one in settings]
        good = [one for one in found if one.tuned.recall.low >= min_recall]
        if good:
            return min(good, key=lambda one: one.tuned.p50_ms)
        best = max(found, key=lambda one: one.tuned.recall.low)
        shown, recall = LanceIndex(index_type, best.build, best.tuned.search), best.tuned.recall
        raise InputError(
            f"No {index_type} of LanceDB that was tried has a lower bound of recall_vs_exact@{questions.k} of "
            f"{min_recall}: the best is {shown} with {_interval(recall)} over {recall.n} queries",
            allowed=f"a lower 95 % bound of at least {min_recall}, the limit of the run unless --min-recall is given",
            next_step="Take another index, --lance-index IVF_HNSW_FLAT for example, sweep with more queries, or give a "
            "lower limit with --min-recall",
        )

    def _keep(self, table: Any, chosen: _Candidate) -> None:
        """Go back to the version with the chosen index, and remove the files of the others: no version served them."""
        if table.version != chosen.version:
            table.checkout(chosen.version)
            table.restore()
        for folder in (self.folder / layout.TABLE_FOLDER / INDICES_FOLDER).iterdir():
            if folder.name != chosen.folder:
                shutil.rmtree(folder)


def _created(table: Any, index_type: LanceType, build: dict[str, int], questions: Questions) -> str:
    """Build one candidate. Raises InputError: LanceDB refuses, or leaves vectors out because they are too few."""
    shown = LanceIndex(index_type, build, LanceSearch(1))
    next_step = "Take another index with --lance-index, IVF_FLAT for a small corpus, or build with --target faiss"
    try:
        folder = create_lance_index(table, index_type, build, questions.metric)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"LanceDB cannot build {shown}: {first_line(error)}", next_step=next_step) from error
    left_out = index_of(table).num_unindexed_rows
    if left_out:
        raise InputError(
            f"LanceDB left {left_out:,} of {table.count_rows():,} vectors out of {shown}: too few to train its codes",
            allowed="256 vectors for codes of 8 bits (lancedb 0.40)",
            next_step=next_step,
        )
    return folder


def _interval(recall: Interval) -> str:
    return f"{recall.value:.4f} ({recall.low:.4f} to {recall.high:.4f})"


def with_measured(manifest: Manifest, built: Built) -> Manifest:
    """Keep what was measured on the half of the queries that nothing was tuned on, as a run keeps it of a trial."""
    quality = Quality(built.recall, built.low, built.high, built.n_queries)
    return replace(manifest, about={**manifest.about, "quality": {f"recall_vs_exact@{built.k}": asdict(quality)}})
