"""The cache settings that a built folder keeps, and what `ragopt.open` makes of its argument `cache`.

They stand in the manifest's `about`, as the run's workload does: sealed with it, carried through every change and
compaction, absent from older folders, and passed over by older versions of ragopt.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from ragopt.cache.settings import CacheSettings
from ragopt.errors import IndexFormatError, InputError
from ragopt.serve.byte_cache import cachebox
from ragopt.serve.caches import Caches

if TYPE_CHECKING:
    from pathlib import Path

    from ragopt.serve.manifest import Manifest
    from ragopt.serve.snapshot import Snapshot

CACHE = "cache"
"""Name in `about`."""

RECOMMENDED = "recommended"

CacheArgument = CacheSettings | Literal["recommended"] | None


def with_cache_settings(manifest: Manifest, settings: CacheSettings | None) -> Manifest:
    """Keep the settings that a run recommends; None keeps none."""
    if settings is None:
        return manifest
    return replace(manifest, about={**manifest.about, CACHE: settings.as_json()})


def recommended_settings(root: Path, manifest: Manifest) -> CacheSettings:
    """Settings that a folder keeps.

    Raises:
        InputError: it keeps none.
        IndexFormatError: they are none.
    """
    kept = manifest.about.get(CACHE)
    if kept is None:
        raise InputError(
            f"The index in {root} keeps no recommended cache",
            allowed="a folder that was built from a run with a recommended cache, or settings of your own",
            next_step="Find sizes with: ragopt cache LOG, and open with cache=ragopt.CacheSettings(result_bytes=...)",
        )
    try:
        return CacheSettings.from_json(kept)
    except InputError as error:
        raise IndexFormatError(
            f"The recommended cache of {root} cannot be read: {error.failed}",
            allowed=error.allowed,
            next_step="Build the index again, or give cache=ragopt.CacheSettings(...)",
        ) from error


def check_cache_argument(cache: object) -> None:
    """Refuse what no index can be opened with, before it is opened.

    Raises:
        InputError: neither settings nor the word.
        MissingExtra: a cache is asked for, and cachebox is not installed.
    """
    is_word = isinstance(cache, str) and cache == RECOMMENDED
    if cache is not None and not isinstance(cache, CacheSettings) and not is_word:
        raise InputError(f"cache is {cache!r}", allowed='None, "recommended", or ragopt.CacheSettings(...)',
                         next_step="Correct cache")  # fmt: skip
    if is_word or (isinstance(cache, CacheSettings) and not cache.is_off):
        cachebox()


def caches_of(cache: CacheArgument, snapshot: Snapshot) -> Caches | None:
    """Make what was asked for; None where nothing was, or every cache is off.

    Raises:
        InputError, IndexFormatError: as `recommended_settings`.
    """
    if cache is None:
        return None
    settings = cache if isinstance(cache, CacheSettings) else recommended_settings(snapshot.root, snapshot.manifest)
    return None if settings.is_off else Caches(settings)
