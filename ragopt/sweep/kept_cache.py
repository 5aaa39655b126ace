"""The cache advice of a run: in ``run.json`` whole, in ``recommendation.json`` what is recommended."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from ragopt.artifacts import write_atomically
from ragopt.cache.advice_json import advice_json, advice_of, summary_json
from ragopt.sweep.run_folder import RECOMMENDATION_FILE, RUN_FILE, pretty_json, recommendation_json
from ragopt.sweep.run_seal import check_seal, sealed_with, sha256_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ragopt.cache.advice import CacheAdvice
    from ragopt.records import Run

KEY = "cache"
"""Of ``run.json``."""


def with_cache(run: Run, advice: CacheAdvice) -> Run:
    """Give a run a cache advice, in the place of an older one."""
    recommendation = replace(run.recommendation, cache=summary_json(advice))
    return replace(run, info={**run.info, KEY: advice_json(advice)}, recommendation=recommendation)


def cache_of(run: Run) -> CacheAdvice | None:
    """The cache advice of a run; None where it has none for the trial and the target that it recommends.

    None too where ``recommendation.json``, which `ragopt build` follows, still holds an older one.

    Raises:
        ArtifactError: it is of another version, or was changed.
    """
    if KEY not in run.info or run.recommendation.cache is None:
        return None
    advice = advice_of(run.info[KEY])
    # Where the writing of a newer advice was cut off, the two files are of different ones.
    return advice if summary_json(advice) == run.recommendation.cache else None


def write_cache(run: Run) -> None:
    """Write a run's cache advice into its folder, where the run is finished already.

    ``run.json`` first allows ``recommendation.json`` to be the new or the old one, then only the new one: whoever reads
    between, or after a kill, finds a whole run.

    Raises:
        ArtifactError: the folder's ``run.json`` was changed.
        StorageError: the folder cannot be written.
    """
    kept = json.loads((run.path / RUN_FILE).read_text(encoding="utf-8"))
    checksums = dict(check_seal(run.path, RUN_FILE, kept))
    decided = pretty_json(recommendation_json(run.recommendation))
    old, new = checksums[RECOMMENDATION_FILE], sha256_of(decided)
    either = [new, *(old if isinstance(old, list) else [old])]
    _seal(run, {**checksums, RECOMMENDATION_FILE: either})
    write_atomically(run.path / RECOMMENDATION_FILE, decided)
    _seal(run, {**checksums, RECOMMENDATION_FILE: new})


def _seal(run: Run, checksums: Mapping[str, str | list[str]]) -> None:
    write_atomically(run.path / RUN_FILE, pretty_json(sealed_with(run.info, checksums)))
