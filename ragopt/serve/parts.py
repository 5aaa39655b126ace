"""The files of a first generation, written one after the other."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.artifacts import ArtifactStore, canonical_json, storage_errors, write_atomically
from ragopt.embed.sample import training_sample
from ragopt.embed.spaces import project
from ragopt.index import saved
from ragopt.index.coding_error import coding_errors
from ragopt.index.template import template_of
from ragopt.serve import layout
from ragopt.serve.arrays import write_array
from ragopt.serve.built import Built, compared_with_run
from ragopt.serve.canaries import DEPTH, N_CANARIES
from ragopt.serve.generation import (
    BASE_LINES,
    Names,
    flushed_entries,
    table_name,
    write_faiss,
    write_state,
    write_table,
)
from ragopt.serve.lines_of_run import lines_of_run, metadata_columns
from ragopt.serve.manifest import Coding, Manifest, Segment, coding_of
from ragopt.serve.table import batch_of, schema_of
from ragopt.sweep.model_stage import find_exact
from ragopt.sweep.run_folder import recommendation_json
from ragopt.sweep.run_info import versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from ragopt.corpus.metadata import ColumnKind
    from ragopt.records import Run, Trial
    from ragopt.serve.lance_index import LanceIndex
    from ragopt.serve.manifest import Engine
    from ragopt.serve.run_material import RunMaterial

N_CODING = 2048
"""Training rows whose coding error is kept: their mean is known to 2 % where single errors vary by half of it
(1.96 * 0.5 / sqrt(2048))."""

NO_CODING = Coding(0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class EngineFiles:
    """What an engine wrote, in the terms of a `Manifest`; `index` is that of the base segment."""

    engine: Engine
    trial: Trial
    index: str
    template: str
    rotation: str
    table_version: int
    columns: dict[str, ColumnKind]
    with_vectors: bool
    coding: Coding
    lance: LanceIndex | None = None


class Parts:
    """What every engine writes: the table, the lines of its rows, canaries with their neighbours."""

    def __init__(self, root: Path, generation: str, material: RunMaterial) -> None:
        """Make the folder of the generation."""
        self.root, self.names, self.material = root, Names(generation), material
        self.folder = root / generation
        with storage_errors(self.folder):
            self.folder.mkdir()

    def batches(self, columns: dict[str, ColumnKind], *, with_vectors: bool) -> Iterator[pa.RecordBatch]:
        """Lines of the run's corpus."""
        for lines in lines_of_run(self.material):
            rows = np.array([line.row for line in lines], np.int64)
            yield batch_of(lines, columns, self.material.data.vectors.rows(rows) if with_vectors else None)

    def manifest(self, version: int, number: int, own: EngineFiles, about: dict[str, Any]) -> Manifest:
        """Write the rest, flush everything, and say what it is."""
        data, settings = self.material.data, self.material.settings
        questions = self._canaries()
        nothing = (np.empty(0, np.int64), np.empty(0, np.uint64))
        state = write_state(self.root, self.names, version, dead=nothing, canaries=self._neighbours(),
                            added_errors=np.empty(0))  # fmt: skip
        return Manifest(
            version=version,
            generation=number,
            engine=own.engine,
            trial=str(own.trial),
            metric=settings.metric,
            k=settings.k,
            n_results=self.material.plan.n_results,
            full_dim=data.vectors.dim,
            seed=settings.seed,
            model=dict(self.material.embedder.identity) if self.material.embedder else {},
            chunk=settings.chunk,
            segments=(Segment(own.index, self.names.of(BASE_LINES), data.vectors.n),),
            state=state,
            template=own.template,
            rotation=own.rotation,
            canaries=self.names.of("canaries.npy"),
            questions=questions,
            table=table_name(self.names.generation),
            table_version=own.table_version,
            columns=own.columns,
            with_vectors=own.with_vectors,
            coding=own.coding,
            lance=own.lance,
            files=flushed_entries(self.root, self.names.generation),
            about=about,
        )

    def _canaries(self) -> str:
        queries = self.material.data.confirm_queries[:N_CANARIES]
        write_array(self.folder / "canaries.npy", queries)
        if not self.material.questions:
            return ""
        questions = list(self.material.questions[:N_CANARIES])
        write_atomically(self.folder / "questions.json", canonical_json(questions))
        return self.names.of("questions.json")

    def _neighbours(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        data, settings = self.material.data, self.material.settings
        depth = min(max(DEPTH, settings.k), data.vectors.n)
        exact, _ = find_exact(ArtifactStore(settings.cache_dir), data.vectors, data.confirm_queries[:N_CANARIES],
                              k=depth, metric=settings.metric, device=self.material.plan.device)  # fmt: skip
        return exact.ids[:, :depth].astype(np.int64), exact.scores[:, :depth].astype(np.float64)


class FaissParts(Parts):
    """A trial's index, built already, with what appended rows are encoded with."""

    def write(
        self, run: Run, version: int, number: int, trial: Trial, built: Path, *, with_vectors: bool
    ) -> tuple[Manifest, Built]:
        """Write every file; what they are, and what was measured of them.

        Raises:
            IndexFormatError: they do not find what the run found.
        """
        template, rotation = self._index(built)
        columns = metadata_columns(self.material)
        dim = self.material.data.vectors.dim if with_vectors else 0
        table, _ = write_table(self.folder, schema_of(columns, dim), self.batches(columns, with_vectors=with_vectors))
        own = EngineFiles("faiss", trial, self.names.of(layout.INDEX_FILE), template, rotation, table.version, columns,
                          with_vectors, self._coding(trial))  # fmt: skip
        manifest = self.manifest(version, number, own, about_run(run, trial))
        return manifest, compared_with_run(self.root, manifest, run, self.material)

    def _index(self, built: Path) -> tuple[str, str]:
        """Copy the built index, and write its empty template and its rotation."""
        import faiss  # noqa: PLC0415 - loaded when first used

        source = built / saved.INDEX_FILE
        with storage_errors(self.folder):
            shutil.copyfile(source, self.folder / layout.INDEX_FILE)
        # Mapped, so that its codes are not read; FastScan's are all the same.
        self.template = template_of(faiss.read_index(str(source), faiss.IO_FLAG_MMAP_IFC))
        write_faiss(self.template, self.folder / layout.TEMPLATE_FILE)
        self.rotation = saved.open_index(built, verify="full").rotation
        if self.rotation is None:
            return self.names.of(layout.TEMPLATE_FILE), ""
        write_array(self.folder / layout.ROTATION_FILE, self.rotation.matrix)
        return self.names.of(layout.TEMPLATE_FILE), self.names.of(layout.ROTATION_FILE)

    def _coding(self, trial: Trial) -> Coding:
        sample = training_sample(self.material.data.vectors, max_rows=N_CODING, seed=self.material.settings.seed)
        rows = project(sample, trial.space, rotation=self.rotation, metric=self.material.settings.metric)
        return coding_of(coding_errors(self.template, rows))


def about_run(run: Run, trial: Trial) -> dict[str, Any]:
    """What the manifest tells people, and `check`, of the run and of one of its trials."""
    result = next(one for one in run.trials if one.trial == trial)
    recommended = run.recommendation.status == "ok" and run.recommendation.trial == trial
    corpus, queries = dict(run.info.get("corpus") or {}), dict(run.info.get("queries") or {})
    # A folder travels: it names the corpus, not where it lay, and needs no row numbers of the run's queries.
    corpus["source"] = Path(str(corpus.get("source", ""))).name
    queries.pop("select_rows", None)
    return {
        "run": {name: run.info.get(name) for name in ("ragopt_version", "machine", "billed_on")}
        | {"corpus": corpus, "queries": queries},
        "limits": {name: run.info["arguments"].get(name) for name in ("min_recall", "min_ndcg_ratio", "max_p99_ms")},
        "workload": run.info.get("workload"),
        "own_prices": run.info.get("own_prices", []),
        "priced_models": run.info.get("priced_models", {}),
        "cpu_ms_per_query": result.cpu_ms_per_query,
        "quality": {name: asdict(figure) for name, figure in result.quality.items()},
        "recommendation": recommendation_json(run.recommendation) if recommended else None,
        "built_with": versions(),
    }
