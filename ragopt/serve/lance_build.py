"""Build LanceDB's own index in the table, tune it on one half of the run's confirmation queries, measure the other."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast, get_args

from ragopt.choose import NDCG, Limits
from ragopt.errors import InputError
from ragopt.measure.intervals import best_lower_bound, mean_interval
from ragopt.measure.neighbours import Neighbours
from ragopt.records import Quality, Space, Trial
from ragopt.serve.built import Built, LanceMeasured, index_bytes, size_bytes
from ragopt.serve.generation import write_table
from ragopt.serve.lance_index import LANCE_TYPES, OTHER_INDEX, LanceIndex, build_arguments, create_lance_index, index_of
from ragopt.serve.lance_limits import KeptLimits, LanceFigures, kept_limits, limits_of_run
from ragopt.serve.lance_tuning import Questions, halves, tuned
from ragopt.serve.lines_of_run import metadata_columns
from ragopt.serve.manifest import Engine
from ragopt.serve.parts import NO_CODING, EngineFiles, Parts, about_run
from ragopt.serve.table import schema_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ragopt.records import LatencyMs, Run
    from ragopt.serve.lance_index import LanceSearch, LanceType
    from ragopt.serve.manifest import Manifest
    from ragopt.serve.run_material import RunMaterial

N_TIMED = 500
"""Searches of the chosen setting that are timed, as of a sweep's finalist: five lie beyond p99."""


@dataclass(frozen=True, slots=True)
class LanceTarget:
    """That LanceDB's own index is to be built, instead of the FAISS index of a trial.

    Attributes:
        index_type: of LanceDB.
        min_recall: that the lower 95 % bound of recall_vs_exact@k has to reach; None takes the run's limit.
    """

    index_type: LanceType = "IVF_PQ"
    min_recall: float | None = None

    def least_recall(self, run: Run) -> float:
        """The limit, checked. Raises InputError: there is none, or it lies outside (0, 1]."""
        given = run.info["arguments"].get("min_recall") if self.min_recall is None else self.min_recall
        found = Limits(min_recall=given).min_recall
        if found is None:
            raise InputError("The run has no limit on recall_vs_exact to tune an index of LanceDB to",
                             allowed="a number above 0, up to 1",
                             next_step="Give one with --min-recall")  # fmt: skip
        return found


def lance_target(target: str, index_type: str | None, min_recall: float | None) -> LanceTarget | None:
    """Check what a caller asked for; None for FAISS. Raises InputError."""
    if target not in get_args(Engine):
        raise InputError(f"There is no target {target!r}", allowed=", ".join(get_args(Engine)),
                         next_step="Take one of these for --target")  # fmt: skip
    if target != "lancedb":
        if index_type is not None or min_recall is not None:
            raise InputError("An index or a limit for LanceDB is given, but a FAISS index is to be built",
                             next_step="Add --target lancedb, or leave out --lance-index and --min-recall")  # fmt: skip
        return None
    if index_type is not None and index_type not in LANCE_TYPES:
        raise InputError(f"LanceDB has no index {index_type!r} for vectors of float32", allowed=", ".join(LANCE_TYPES),
                         next_step="Take one of these for --lance-index")  # fmt: skip
    return LanceTarget(cast("LanceType", index_type or "IVF_PQ"), min_recall)


@dataclass(frozen=True, slots=True)
class _Measured:
    """A setting on the queries that nothing was tuned on."""

    search: LanceSearch
    quality: Mapping[str, Quality]
    ndcg: NDArray[np.float32] | None


class LanceParts(Parts):
    """A table with the full vectors and an index of LanceDB over them."""

    def __init__(
        self, root: Path, generation: str, material: RunMaterial, index_type: LanceType, min_recall: float
    ) -> None:
        """Make the folder of the generation; `min_recall` is of the lower 95 % bound of recall_vs_exact@k."""
        super().__init__(root, generation, material)
        self._index_type, self._min_recall = index_type, min_recall
        self._tuning_rows, self._rows = halves(len(material.data.confirm_queries), material.plan.seed)

    def write(self, run: Run, version: int, number: int, trial: Trial) -> tuple[Manifest, Built]:
        """Write every file; what they are, and what was measured.

        Args:
            run: finished.
            version: of the folder.
            number: of the generation.
            trial: of the run; its model is built.

        Raises:
            InputError: LanceDB cannot build that index over this corpus, no setting is good enough, or another limit
                of the run is missed.
        """
        vectors = self.material.data.vectors
        columns = metadata_columns(self.material)
        table, _ = write_table(self.folder, schema_of(columns, vectors.dim), self.batches(columns, with_vectors=True))
        build = build_arguments(self._index_type, vectors.n, vectors.dim)
        self._create(table, build)
        chosen = self._chosen(table, build)
        latency = self._questions(self._rows).latency(table, chosen.search, most_timed=N_TIMED)
        lance = LanceIndex(self._index_type, build, chosen.search)
        kept = kept_limits(run, self.material, limits_of_run(run, self._min_recall),
                           LanceFigures(str(lance), self._rows, chosen.ndcg, latency))  # fmt: skip
        exact = Trial(Space(trial.space.model, vectors.dim, "none"), "Flat")
        own = EngineFiles("lancedb", exact, "", "", "", table.version, columns, with_vectors=True, coding=NO_CODING,
                          lance=lance)  # fmt: skip
        manifest = self.manifest(version, number, own, self._about(run, trial, chosen, latency, kept))
        return manifest, self._built(manifest, chosen, latency, kept)

    def _create(self, table: Any, build: Mapping[str, int]) -> None:
        """Build the index. Raises InputError: LanceDB refuses, or leaves vectors out because they are too few."""
        create_lance_index(table, self.folder, self._index_type, build, self.material.settings.metric)
        left_out = index_of(table).num_unindexed_rows
        if left_out:
            raise InputError(
                f"LanceDB left {left_out:,} of {table.count_rows():,} vectors out of {self._index_type}: too few to "
                "train it",
                allowed="256 vectors or more for codes of 8 bits (lancedb 0.40)",
                next_step=OTHER_INDEX,
            )

    def _questions(self, rows: NDArray[np.int64]) -> Questions:
        data, plan = self.material.data, self.material.plan
        exact = Neighbours(data.confirm_exact.ids[rows], data.confirm_exact.scores[rows])
        return Questions(data.confirm_queries[rows], exact, plan.k, min(plan.n_results, data.vectors.n), plan.metric)

    def _chosen(self, table: Any, build: Mapping[str, int]) -> _Measured:
        """The first of the tuned settings that holds what it promised on the other queries.

        Raises:
            InputError: none does.
        """
        settings = tuned(table, self._index_type, build["num_partitions"], self._questions(self._tuning_rows),
                         self._min_recall)  # fmt: skip
        name = f"recall_vs_exact@{self.material.plan.k}"
        measured = []
        for search in settings:
            measured.append(self._measured(table, search))
            if measured[-1].quality[name].low >= self._min_recall:
                return measured[-1]
        best = max(measured, key=lambda one: one.quality[name].low)
        reached = best.quality[name]
        # More queries narrow the interval: that helps only where its middle reaches the limit.
        more = ", or sweep with more queries" if reached.value >= self._min_recall else ""
        raise InputError(
            f"No setting of {self._index_type} reaches the limit {self._min_recall} on {name}: "
            f"{LanceIndex(self._index_type, build, best.search)} has {reached.value:.4f} ({reached.low:.4f} to "
            f"{reached.high:.4f}) over {reached.n_queries:,} queries",
            allowed=f"a lower 95 % bound from {self._min_recall}, the run's limit unless --min-recall is given",
            next_step=f"Take --min-recall {int(reached.low * 1000) / 1000}, another --lance-index (IVF_FLAT searches "
            f"full vectors){more}",
        )

    def _measured(self, table: Any, search: LanceSearch) -> _Measured:
        """Every quality that the run's queries allow, on the half that nothing was tuned on."""
        questions = self._questions(self._rows)
        scores, rows = questions.found(table, search)
        judging = self.material.judging(self._rows)
        quality, per_query = {}, judging.scores(rows, scores, questions.exact)
        for name, values in per_query.items():
            interval = mean_interval(values)
            quality[name] = Quality(interval.value, interval.low, interval.high, interval.n)
        return _Measured(search, quality, per_query.get(NDCG))

    def _about(self, run: Run, trial: Trial, chosen: _Measured, latency: LatencyMs, kept: KeptLimits) -> dict[str, Any]:
        """As of a trial, with what was measured here: the run measured and recommended FAISS indexes."""
        about = about_run(run, trial)
        return {
            **about,
            "limits": {name: getattr(kept.applied, name) for name in about["limits"]},
            "cpu_ms_per_query": None,
            "quality": {name: asdict(figure) for name, figure in chosen.quality.items()},
            "latency": asdict(latency),
            "recommendation": None,
        }

    def _built(self, manifest: Manifest, chosen: _Measured, latency: LatencyMs, kept: KeptLimits) -> Built:
        recall = chosen.quality[f"recall_vs_exact@{manifest.k}"]
        measured = LanceMeasured(str(manifest.lance), self._min_recall, len(self._tuning_rows), chosen.quality, latency,
                                 index_bytes(manifest), kept.warnings)  # fmt: skip
        return Built(self.root, manifest.trial, manifest.n_rows, manifest.version, manifest.k, recall.value, recall.low,
                     recall.high, recall.n_queries, None, size_bytes(manifest), measured)  # fmt: skip


def check_enough_queries(n: int, min_recall: float, seed: int) -> None:
    """Refuse a limit that even perfect results could not prove. Raises InputError: half of n queries are too few."""
    n_half = min(map(len, halves(n, seed)))
    most = best_lower_bound(n_half) if n_half > 1 else 0.0
    if most < min_recall:
        raise InputError(
            f"The run has {n} confirmation queries: over half of them even perfect results have a lower 95 % bound of "
            f"{most:.4f}, below the limit {min_recall}",
            allowed="a limit that half of the confirmation queries can show",
            next_step=f"Sweep with more --confirm-queries, or give a lower --min-recall, {int(most * 1000) / 1000} at "
            "most",
        )
