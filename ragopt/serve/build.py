"""Build the index of a finished run into a folder that `ragopt.open` serves."""

from __future__ import annotations

import errno
import glob
import shutil
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragopt.artifacts import ArtifactStore, fsync_folder, storage_errors
from ragopt.devices import AUTO, check_device_name
from ragopt.errors import InputError
from ragopt.serve import layout
from ragopt.serve.cache_argument import with_cache_settings
from ragopt.serve.check_material import with_check_material
from ragopt.serve.lance_build import LanceParts, check_enough_queries
from ragopt.serve.leftovers import remove_other_generations
from ragopt.serve.locks import hold_writer
from ragopt.serve.manifest import Manifest, make_current
from ragopt.serve.manifest_reading import read_manifest
from ragopt.serve.parts import FaissParts
from ragopt.serve.run_material import material_of_run, settings_of_run
from ragopt.sweep.built_finalist import build_finalist
from ragopt.sweep.planned_memory import check_building
from ragopt.sweep.settings import check_max_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from ragopt.cache.settings import CacheSettings
    from ragopt.records import Run, Trial
    from ragopt.serve.built import Built
    from ragopt.serve.lance_build import LanceTarget
    from ragopt.sweep.progress import Progress


def build_index(  # noqa: PLR0913 - what, where, and from which files
    run: Run,
    *,
    out: Path,
    cache_dir: Path,
    progress: Progress,
    trial: Trial | None = None,
    corpus: str | None = None,
    with_vectors: bool = False,
    lance: LanceTarget | None = None,
    cache: CacheSettings | None = None,
    device: str = AUTO,
    max_memory_bytes: int | None = None,
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
        lance: builds LanceDB's own index over the full vectors of the trial's model, which the table then holds.
        cache: sizes that ``ragopt.open(DIR, cache="recommended")`` takes; None keeps none.
        device: where exact neighbours are looked for, texts embedded and the index trained.
        max_memory_bytes: most memory to take; None is no limit.

    Raises:
        InputError: no such trial, another corpus than the run's, `out` holds something else, or no index of LanceDB is
            good enough.
        IndexFormatError: the built index does not find what the run found.
        IndexBusy: somebody writes the index at `out`.
    """
    chosen = chosen_trial(run, trial)
    place = out.resolve()
    check_max_memory(max_memory_bytes)
    check_device_name(device)
    check_out(place)
    check_building(run, chosen, max_memory_bytes)
    settings = settings_of_run(run, cache_dir, corpus=corpus, device=device, max_memory_bytes=max_memory_bytes)
    min_recall = lance.least_recall(run) if lance else 0.0
    material = material_of_run(run, chosen, settings, progress)
    report = progress.phase("build", f"Building {lance.index_type if lance else chosen}")
    if lance:
        check_enough_queries(len(material.data.confirm_queries), min_recall, material.plan.seed)
    else:
        folder = build_finalist(ArtifactStore(cache_dir), material.data, chosen, material.plan)
    report(1, 3)

    def make(root: Path, generation: str, version: int, number: int) -> tuple[Manifest, Built]:
        if lance:
            lance_parts = LanceParts(root, generation, material, lance.index_type, min_recall)
            manifest, built = lance_parts.write(run, version, number, chosen)
        else:
            parts = FaissParts(root, generation, material)
            manifest, built = parts.write(run, version, number, chosen, folder, with_vectors=with_vectors)
        report(2, 3)
        return with_cache_settings(with_check_material(root, manifest, run, material), cache), built

    built = _committed(place, make)
    report(3, 3)
    return replace(built, folder=out)


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
    """Refuse a place where nothing can be built, before anything is.

    Raises:
        InputError: it holds something else than a served index.
        IndexFormatError: the index that stands there is damaged. IndexBusy: somebody writes it.
        StorageError: its parent cannot be made.
    """
    if (out / layout.MANIFEST_FILE).exists():
        read_manifest(out)
        with hold_writer(out):
            return
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise _something_else(out)
    if out == Path.cwd():
        raise InputError("--out is the folder that you are in: it would be replaced under your feet",
                         allowed="a folder that is made new, or renamed over",
                         next_step="Name a folder in it, like --out index")  # fmt: skip
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)


def _something_else(out: Path) -> InputError:
    return InputError(f"--out {out} holds something else than an index of ragopt",
                      allowed="a new folder, an empty one, or an index that is to be replaced",
                      next_step="Name another folder with --out")  # fmt: skip


def _committed(out: Path, make: Callable[[Path, str, int, int], tuple[Manifest, Built]]) -> Built:
    """Write a generation beside what is there, measured, then make it current in one step.

    Args:
        out: the folder.
        make: writes into a folder the generation of a name, as a version, with a number.
    """
    if (out / layout.MANIFEST_FILE).exists():
        with hold_writer(out):
            old = read_manifest(out)
            number = old.generation + 1
            name = layout.generation_name(number)
            remove_other_generations(out, layout.generation_name(old.generation))
            manifest, built = make(out, name, old.version + 1, number)
            make_current(out, manifest)
            remove_other_generations(out, name)
            return replace(built, columns=tuple(manifest.columns), replaced_version=old.version)
    beside = out.with_name(f".{out.name}.{uuid.uuid4().hex}.tmp")
    with storage_errors(out):
        _remove_leftovers(out)
        beside.mkdir(parents=True)
    try:
        with hold_writer(beside):
            manifest, built = make(beside, layout.generation_name(1), 1, 1)
            make_current(beside, manifest)
            with storage_errors(out):
                _put_in_place(beside, out)
                fsync_folder(out.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return replace(built, columns=tuple(manifest.columns))


def _put_in_place(beside: Path, out: Path) -> None:
    try:
        beside.rename(out)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise _something_else(out) from error  # another build of the same folder was faster
        raise


def _remove_leftovers(out: Path) -> None:
    """Remove what killed builds of the same folder left; a build at work holds its own lock."""
    from ragopt.errors import IndexBusy  # noqa: PLC0415 - beside its use

    for folder in out.parent.glob(f".{glob.escape(out.name)}.*.tmp"):
        try:
            with hold_writer(folder):
                shutil.rmtree(folder, ignore_errors=True)
        except IndexBusy:
            continue
