"""A finalist's index, built over the whole corpus, saved and found again.

Small ones are built in memory. Where the codes are too many for that, or for the memory that may be used, they are
encoded shard by shard and the same file, byte for byte, is written from the shards.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from typing import TYPE_CHECKING, Any

from ragopt.artifacts import canonical_json, storage_errors, write_atomically
from ragopt.embed.sample import training_sample
from ragopt.index.build import faiss_metric, with_refine
from ragopt.index.factory import parse_factory
from ragopt.index.joined_file import checked_file, write_joined, write_refined
from ragopt.index.saved import INDEX_FILE, MANIFEST_FILE, save_index, save_manifest
from ragopt.index.serialized import checked_bytes
from ragopt.index.size import index_bytes
from ragopt.index.trained import adder_on
from ragopt.records import Trial
from ragopt.sweep.built_parts import Part, built_recipe
from ragopt.sweep.disk_room import require_space
from ragopt.sweep.model_stage import ModelData, rotation_of
from ragopt.sweep.settings import CONFIRM_TRAIN_ROWS, SearchPlan
from ragopt.sweep.streamed_build import StreamedPart, is_streamed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

    from ragopt.artifacts import ArtifactStore
    from ragopt.embed.spaces import Rotation
    from ragopt.index.factory import Factory

__all__ = ["build_codes", "build_finalist", "built_recipe"]

CODES_FILE, SECONDS_FILE = "codes.faiss", "seconds.json"

NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""How file systems without hard links, or with no more of them, answer (link(2))."""


def build_codes(store: ArtifactStore, data: ModelData, trial: Trial, plan: SearchPlan) -> Path:
    """Train and fill a trial's codes without their rescoring tier, or find them: trials of other tiers share them.

    Raises:
        StorageError: the disk has no room for the file and, where they are streamed, the shards; before any work.
    """
    part = _codes_of(data, trial, plan)
    recipe = _codes_recipe(part)
    if is_streamed(part.factory, part.n, plan.max_memory_bytes):
        return _stream_codes(store, recipe, part)

    def make(folder: Path) -> None:
        import faiss  # noqa: PLC0415 - loaded when first used

        index, seconds = _filled(part)
        faiss.write_index(index, str(folder / CODES_FILE))
        write_atomically(folder / SECONDS_FILE, canonical_json(seconds))

    return store.get_or_make(recipe, make)


def build_finalist(store: ArtifactStore, data: ModelData, trial: Trial, plan: SearchPlan) -> Path:
    """Build a trial's index over the whole corpus, or find it built; returns its folder for `open_index`.

    Raises:
        StorageError: the disk has no room for the file and, where it is streamed, the shards; before any work.
    """
    recipe: Mapping[str, Any] = {"kind": "built", "format": 3, **built_recipe(data, trial, plan)}
    factory = parse_factory(trial.factory, trial.space.dim)
    if is_streamed(factory, data.vectors.n, plan.max_memory_bytes):
        return _stream_finalist(store, recipe, data, trial, plan)

    def make(folder: Path) -> None:
        import faiss  # noqa: PLC0415 - loaded when first used

        codes = build_codes(store, data, trial, plan)
        index: Any = faiss.read_index(str(codes / CODES_FILE))
        seconds = _seconds_of(codes)
        if factory.refine:
            tier, of_tier = _filled(Part(data, Trial(trial.space, factory.refine_text), plan))
            index = with_refine(index, tier)
            seconds = {name: value + of_tier[name] for name, value in seconds.items()}
        save_index(
            folder,
            index,
            trial=Trial(trial.space, trial.factory),
            metric=plan.metric,
            index_bytes=checked_bytes(factory, index),
            rotation=_rotation(data, trial, plan),
            seconds=seconds,
        )

    return store.get_or_make(recipe, make)


def _codes_of(data: ModelData, trial: Trial, plan: SearchPlan) -> Part:
    factory = parse_factory(trial.factory, trial.space.dim)
    return Part(data, Trial(trial.space, factory.base_text), plan)


def _codes_recipe(part: Part) -> Mapping[str, Any]:
    return {"kind": "built-codes", "format": 1, **built_recipe(part.data, part.trial, part.plan)}


def _stream_codes(store: ArtifactStore, recipe: Mapping[str, Any], part: Part) -> Path:
    def make(work: Path) -> None:
        streamed = StreamedPart(part, work / CODES_FILE)
        if not (work / SECONDS_FILE).exists():
            final_bytes = index_bytes(part.factory, part.n).file_bytes
            require_space(work, streamed.missing_bytes(final_bytes), f"Building {part.trial}")
            shards = streamed.make()

            def fill(out: BinaryIO) -> None:
                write_joined(out, part.factory, shards.trained, part.n, shards.folders)

            joining = streamed.write(fill, lambda path: checked_file(part.factory, part.n, path, path))
            seconds = {**shards.seconds, "build": shards.seconds["build"] + joining}
            write_atomically(work / SECONDS_FILE, canonical_json(seconds))
        streamed.remove()

    return store.resume_or_make(recipe, make)


def _stream_finalist(
    store: ArtifactStore, recipe: Mapping[str, Any], data: ModelData, trial: Trial, plan: SearchPlan
) -> Path:
    """Write a finalist's file from that of its codes and, if it has a tier, from the shards of that."""
    factory = parse_factory(trial.factory, trial.space.dim)

    def save(folder: Path, codes: Path, seconds: dict[str, float]) -> None:
        sizes = checked_file(factory, data.vectors.n, folder / INDEX_FILE, codes / CODES_FILE)
        save_manifest(folder, data.vectors.n, trial=Trial(trial.space, trial.factory), metric=plan.metric,
                      index_bytes=sizes, rotation=_rotation(data, trial, plan), seconds=seconds)  # fmt: skip

    def make(folder: Path) -> None:
        codes = build_codes(store, data, trial, plan)
        _link_codes(codes, folder)
        save(folder, codes, _seconds_of(codes))

    def resume(work: Path) -> None:
        tier = StreamedPart(Part(data, Trial(trial.space, factory.refine_text), plan), work / INDEX_FILE)
        if not (work / MANIFEST_FILE).exists():
            _check_space(store, tier, trial)
            codes = build_codes(store, data, trial, plan)
            save(work, codes, _write_tier(codes, tier, factory))
        tier.remove()

    return store.resume_or_make(recipe, resume) if factory.refine else store.get_or_make(recipe, make)


def _check_space(store: ArtifactStore, tier: StreamedPart, trial: Trial) -> None:
    part = _codes_of(tier.part.data, trial, tier.part.plan)
    codes_bytes = 0 if store.has(_codes_recipe(part)) else index_bytes(part.factory, part.n).file_bytes
    final_bytes = index_bytes(parse_factory(trial.factory, trial.space.dim), part.n).file_bytes
    require_space(tier.target.parent, codes_bytes + tier.missing_bytes(final_bytes), f"Building {trial}")


def _write_tier(codes: Path, tier: StreamedPart, factory: Factory) -> dict[str, float]:
    """Write a file of codes and rescoring tier; wall seconds of both."""
    shards, part = tier.make(), tier.part
    metric = faiss_metric(part.plan.metric)

    def fill(out: BinaryIO) -> None:
        write_refined(out, codes / CODES_FILE, factory, metric, part.n, (shards.trained, shards.folders))

    seconds = dict(shards.seconds)
    seconds["build"] += tier.write(fill, lambda path: checked_file(factory, part.n, path, codes / CODES_FILE))
    return {name: value + seconds[name] for name, value in _seconds_of(codes).items()}


def _link_codes(codes: Path, folder: Path) -> None:
    """Let the file of the codes be the finalist's too."""
    source, target = codes / CODES_FILE, folder / INDEX_FILE
    with storage_errors(target):
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            require_space(folder, source.stat().st_size, f"Copying {source}")
            shutil.copyfile(source, target)


def _seconds_of(codes: Path) -> dict[str, float]:
    seconds: dict[str, float] = json.loads((codes / SECONDS_FILE).read_text(encoding="utf-8"))
    return seconds


def _filled(part: Part) -> tuple[Any, dict[str, float]]:
    """Train an index and add the whole corpus, block by block; wall seconds of `train` and `build`."""
    index, train_seconds = part.trained()
    began = time.perf_counter()
    adder_on(part.plan.device, part.factory)(index, part.blocks(0, part.n))
    return index, {"train": train_seconds, "build": time.perf_counter() - began}


def _rotation(data: ModelData, trial: Trial, plan: SearchPlan) -> Rotation | None:
    if trial.space.reduction not in ("pca", "joint"):
        return None
    sample = training_sample(data.vectors, max_rows=CONFIRM_TRAIN_ROWS, seed=plan.seed)
    return rotation_of(data, trial.space, sample)
