"""Build the index of a finished run into a folder that `ragopt.open` serves."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.artifacts import ArtifactStore, canonical_json, fsync_folder, storage_errors, write_atomically
from ragopt.embed.sample import training_sample
from ragopt.embed.spaces import project
from ragopt.errors import IndexFormatError, InputError
from ragopt.index import saved
from ragopt.index.coding_error import coding_errors
from ragopt.index.template import template_of
from ragopt.measure.intervals import mean_interval
from ragopt.measure.neighbours import recall_vs_exact
from ragopt.serve import layout
from ragopt.serve.arrays import write_array
from ragopt.serve.canaries import DEPTH, N_CANARIES
from ragopt.serve.check_material import with_check_material
from ragopt.serve.generation import (
    BASE_LINES,
    Names,
    flushed_entries,
    table_name,
    write_faiss,
    write_state,
    write_table,
)
from ragopt.serve.leftovers import remove_other_generations
from ragopt.serve.lines_of_run import lines_of_run, metadata_columns
from ragopt.serve.locks import hold_generation, hold_writer
from ragopt.serve.manifest import Coding, Manifest, Segment, make_current
from ragopt.serve.manifest_reading import read_manifest
from ragopt.serve.nearest import nearest_rows
from ragopt.serve.run_material import RunMaterial, material_of_run, settings_of_run
from ragopt.serve.snapshot import opened_version
from ragopt.serve.table import batch_of, schema_of
from ragopt.sweep.built_finalist import build_finalist
from ragopt.sweep.model_stage import find_exact
from ragopt.sweep.run_folder import recommendation_json
from ragopt.sweep.run_info import versions

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from ragopt.corpus.metadata import ColumnKind
    from ragopt.records import Run, Trial
    from ragopt.sweep.progress import Progress

N_CODING = 2048
"""Training rows whose coding error is kept: their mean is known to 2 % where single errors vary by half of it
(1.96 * 0.5 / sqrt(2048))."""


@dataclass(frozen=True, slots=True)
class Built:
    """What `build_index` wrote, and that it finds what the run found.

    Attributes:
        folder: the served folder. trial: printed form. n_chunks: vectors. version: of the folder. k: results counted.
        recall: recall_vs_exact@k measured on the opened folder; low and high are its 95 % interval, over n_queries
            confirmation queries of the run.
        n_different: queries whose recall_vs_exact is another than in the run; None where the run did not build it.
        size_bytes: of the files that the manifest names.
    """

    folder: Path
    trial: str
    n_chunks: int
    version: int
    k: int
    recall: float
    low: float
    high: float
    n_queries: int
    n_different: int | None
    size_bytes: int


def build_index(  # noqa: PLR0913 - what, where, and from which files
    run: Run,
    *,
    out: Path,
    cache_dir: Path,
    progress: Progress,
    trial: Trial | None = None,
    corpus: str | None = None,
    with_vectors: bool = False,
) -> Built:
    """Build a trial of a run over its whole corpus, and measure the folder before anybody can open it.

    An index that stands at `out` already is replaced in one step: readers go on with the old one until they refresh.

    Args:
        run: finished.
        out: folder to write; new, empty, or a served index.
        cache_dir: artifact store of the run; what is not there any more is made again.
        progress: told of every phase.
        trial: of the run; None takes the recommended one.
        corpus: where the corpus lies now; None where the run found it.
        with_vectors: whether the table holds the full vectors too, 4 bytes times the model's dimension each.

    Raises:
        InputError: no such trial, another corpus than the run's, or `out` holds something else.
        IndexFormatError: the built index does not find what the run found.
        IndexBusy: somebody writes the index at `out`.
    """
    chosen = chosen_trial(run, trial)
    check_out(out)
    settings = settings_of_run(run, cache_dir, corpus=corpus)
    material = material_of_run(run, chosen, settings, progress)
    report = progress.phase("build", f"Building {chosen}")
    folder = build_finalist(ArtifactStore(cache_dir), material.data, chosen, material.plan)
    report(1, 3)

    def write(root: Path, generation: str, version: int, number: int) -> Manifest:
        parts = _Parts(root, generation, material, chosen, folder, with_vectors=with_vectors)
        manifest = with_check_material(root, parts.write(run, version, number), run, material)
        report(2, 3)
        return manifest

    built = _committed(out, write, lambda root, manifest: _measured(root, manifest, run, material))
    report(3, 3)
    return built


def chosen_trial(run: Run, trial: Trial | None) -> Trial:
    """The trial to build. Raises InputError: the run has none of that name, or recommends none."""
    if trial is None:
        if run.recommendation.status != "ok":
            raise InputError(
                f"The run in {run.folder} recommends nothing: {run.recommendation.why[0]}",
                next_step="Name a trial with --trial, or decide again with other limits: ragopt recommend RUN",
            )
        return run.recommendation.trial
    known = {result.trial for result in run.trials}
    if trial not in known:
        raise InputError(f"The run in {run.folder} has no trial {str(trial)!r}",
                         allowed="a printed trial of trials.parquet",
                         next_step="Copy one from the report")  # fmt: skip
    return trial


def check_out(out: Path) -> None:
    """Refuse a folder that holds something else than a served index. Raises InputError."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / layout.MANIFEST_FILE).exists()):
        raise InputError(f"--out {out} holds something else than an index of ragopt",
                         allowed="a new folder, an empty one, or an index that is to be replaced",
                         next_step="Name another folder with --out")  # fmt: skip


def _committed(out: Path, write: Any, measure: Any) -> Built:
    """Write a generation beside what is there, measure it, then make it current in one step."""
    if (out / layout.MANIFEST_FILE).exists():
        with hold_writer(out):
            old = read_manifest(out)
            number = old.generation + 1
            name = layout.generation_name(number)
            remove_other_generations(out, layout.generation_name(old.generation))
            manifest = write(out, name, old.version + 1, number)
            built: Built = measure(out, manifest)
            make_current(out, manifest)
            remove_other_generations(out, name)
            return built
    beside = out.with_name(f".{out.name}.{uuid.uuid4().hex}.tmp")
    with storage_errors(out):
        _remove_leftovers(out)
        beside.mkdir(parents=True)
    try:
        with hold_writer(beside):
            manifest = write(beside, layout.generation_name(1), 1, 1)
            built = measure(beside, manifest)
            make_current(beside, manifest)
            with storage_errors(out):
                beside.rename(out)
                fsync_folder(out.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return replace(built, folder=out)


def _remove_leftovers(out: Path) -> None:
    """Remove what killed builds of the same folder left; a build at work holds its own lock."""
    from ragopt.errors import IndexBusy  # noqa: PLC0415 - beside its use

    for folder in out.parent.glob(f".{out.name}.*.tmp"):
        try:
            with hold_writer(folder):
                shutil.rmtree(folder, ignore_errors=True)
        except IndexBusy:
            continue


class _Parts:
    """The files of a first generation, written one after the other."""

    def __init__(
        self, root: Path, generation: str, material: RunMaterial, trial: Trial, folder: Path, *, with_vectors: bool
    ) -> None:
        self.root, self.names = root, Names(generation)
        self.material, self.trial, self.built, self.with_vectors = material, trial, folder, with_vectors
        self.folder = root / generation
        with storage_errors(self.folder):
            self.folder.mkdir()

    def write(self, run: Run, version: int, number: int) -> Manifest:
        """Write every file and say what they are."""
        data, settings = self.material.data, self.material.settings
        template, rotation = self._index()
        columns = metadata_columns(self.material)
        table, _ = write_table(self.folder, schema_of(columns, data.vectors.dim if self.with_vectors else 0),
                               self._batches(columns))  # fmt: skip
        questions = self._canaries()
        nothing = (np.empty(0, np.int64), np.empty(0, np.uint64))
        state = write_state(self.root, self.names, version, dead=nothing, canaries=self._neighbours())
        index = self.names.of(layout.INDEX_FILE)
        return Manifest(
            version=version,
            generation=number,
            engine="faiss",
            trial=str(self.trial),
            metric=settings.metric,
            k=settings.k,
            n_results=self.material.plan.n_results,
            full_dim=data.vectors.dim,
            seed=settings.seed,
            model=dict(self.material.embedder.identity) if self.material.embedder else {},
            chunk=settings.chunk,
            segments=(Segment(index, self.names.of(BASE_LINES), data.vectors.n),),
            state=state,
            template=template,
            rotation=rotation,
            canaries=self.names.of("canaries.npy"),
            questions=questions,
            table=table_name(self.names.generation),
            table_version=table.version,
            columns=columns,
            with_vectors=self.with_vectors,
            coding=self._coding(),
            coding_added=Coding(0, 0.0, 0.0),
            files=flushed_entries(self.root, self.names.generation),
            about=about_run(run, self.trial),
        )

    def _index(self) -> tuple[str, str]:
        """Copy the built index, and write its empty template and its rotation."""
        import faiss  # noqa: PLC0415 - loaded when first used

        source = self.built / saved.INDEX_FILE
        with storage_errors(self.folder):
            shutil.copyfile(source, self.folder / layout.INDEX_FILE)
        self.template = template_of(faiss.read_index(str(source)))
        write_faiss(self.template, self.folder / layout.TEMPLATE_FILE)
        self.rotation = saved.open_index(self.built, verify="full").rotation
        if self.rotation is None:
            return self.names.of(layout.TEMPLATE_FILE), ""
        write_array(self.folder / layout.ROTATION_FILE, self.rotation.matrix)
        return self.names.of(layout.TEMPLATE_FILE), self.names.of(layout.ROTATION_FILE)

    def _batches(self, columns: dict[str, ColumnKind]) -> Iterator[pa.RecordBatch]:
        for lines in lines_of_run(self.material):
            rows = np.array([line.row for line in lines], np.int64)
            yield batch_of(lines, columns, self.material.data.vectors.rows(rows) if self.with_vectors else None)

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
                              k=depth, metric=settings.metric)  # fmt: skip
        return exact.ids[:, :depth].astype(np.int64), exact.scores[:, :depth].astype(np.float64)

    def _coding(self) -> Coding:
        sample = training_sample(self.material.data.vectors, max_rows=N_CODING, seed=self.material.settings.seed)
        rows = project(sample, self.trial.space, rotation=self.rotation, metric=self.material.settings.metric)
        errors = coding_errors(self.template, rows)
        return Coding(len(errors), float(errors.mean()), float(errors.var(ddof=1)) if len(errors) > 1 else 0.0)


def about_run(run: Run, trial: Trial) -> dict[str, Any]:
    """What the manifest tells people, and `check`, of the run."""
    result = next(one for one in run.trials if one.trial == trial)
    recommended = run.recommendation.status == "ok" and run.recommendation.trial == trial
    return {
        "run": {name: run.info.get(name) for name in ("ragopt_version", "corpus", "queries", "machine", "billed_on")},
        "limits": {name: run.info["arguments"].get(name) for name in ("min_recall", "min_ndcg_ratio", "max_p99_ms")},
        "workload": run.info.get("workload"),
        "own_prices": run.info.get("own_prices", []),
        "priced_models": run.info.get("priced_models", {}),
        "cpu_ms_per_query": result.cpu_ms_per_query,
        "quality": {name: asdict(figure) for name, figure in result.quality.items()},
        "recommendation": recommendation_json(run.recommendation) if recommended else None,
        "built_with": versions(),
    }


def _measured(root: Path, manifest: Manifest, run: Run, material: RunMaterial) -> Built:
    """Search the written files with the run's confirmation queries, and compare with what the run measured.

    Raises:
        IndexFormatError: recall_vs_exact lies outside the run's own interval.
    """
    data, k = material.data, manifest.k
    lease = hold_generation(root / layout.generation_name(manifest.generation))
    snapshot = opened_version(root, manifest, lease)
    rows = nearest_rows(snapshot, data.confirm_queries, manifest.n_results)[1]
    lease.close()
    scores = recall_vs_exact(rows, data.confirm_exact, k=k)
    now = mean_interval(scores)
    result = next(one for one in run.trials if str(one.trial) == manifest.trial)
    name = f"recall_vs_exact@{k}"
    n_different = None
    if result.confirmed:
        before, kept = result.quality[name], result.per_query[name]
        n_different = int((scores != kept).sum()) if len(kept) == len(scores) else len(scores)
        if n_different and not before.low <= now.value <= before.high:
            raise IndexFormatError(
                f"The built index has {name} {now.value:.4f}, the run measured {before.value:.4f}",
                allowed=f"{before.low:.4f} to {before.high:.4f}, the run's 95 % interval",
                next_step="Check that FAISS is of the run's version, or sweep again",
            )
    size = sum(entry.size_bytes for entry in manifest.files.values())
    return Built(root, manifest.trial, data.vectors.n, manifest.version, k, now.value, now.low, now.high, len(scores),
                 n_different, size)  # fmt: skip
