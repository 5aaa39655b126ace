"""Which trials a sweep tries: the default grid, or a recipe file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from ragopt.embed.spaces import default_dims, default_spaces
from ragopt.errors import InputError, SpecError
from ragopt.index.factory import Factory, parse_factory
from ragopt.index.search_parameters import SEARCH_PART
from ragopt.records import Space, Trial
from ragopt.sweep.settings import SELECT_TRAIN_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ragopt.sweep.settings import SweepSettings

RESCORING_FACTORS = (2, 5, 10, 20, 40)
"""Rescoring depth over k. At 40 even 12-byte codes keep .99 of the neighbours (faiss 1.15.1, 22,067 x 384, 2026-11)."""

RESCORING_TIERS = ("SQ8", "SQfp16")
"""SQ8 alone keeps .995 of the neighbours (22,067 x 384, table A), which is all that codes under it can reach; SQfp16
keeps them all at twice the disk."""

IVF_MIN_VECTORS = 50_000
"""Below this a full scan of short codes is faster than choosing lists (measured: 0.04 ms a query at 22,067 x 24 B)."""

NPROBES = (4, 16, 64)

POINTS_PER_CENTROID = 39
"""Fewest training rows per centroid that FAISS trains on without complaint (ClusteringParameters, FAISS 1.15)."""

SLOW_CODECS = ("RaBitQ4", "RaBitQ2")
"""Ten times slower to encode than others (45 and 25 microseconds a vector of 384 dimensions, 2026-11): tried at full
dimension and behind a rotation, not where vectors are cut."""

BASELINE = "Flat"


def _parts_near(dim: int, wanted: int) -> int:
    """Largest number of equal parts of `dim` that is at most `wanted`."""
    return next(parts for parts in range(max(wanted, 1), 0, -1) if dim % parts == 0)


def default_codecs(dim: int) -> tuple[str, ...]:
    """Codecs for a space of `dim` dimensions, searched alone, from most to fewest bytes per family."""
    eight_bit = dict.fromkeys(f"PQ{_parts_near(dim, dim // share)}np" for share in (4, 8, 16))
    four_bit = dict.fromkeys(f"PQ{_parts_near(dim, dim // share)}x4fs" for share in (2, 4, 8))
    return ("SQ8", "SQ6", "SQ4", *eight_bit, *four_bit, "RaBitQ4", "RaBitQ2", "RaBitQ")


def rescored_codecs(dim: int) -> tuple[str, ...]:
    """Codecs for a space of `dim` dimensions under a rescoring tier: shorter ones, the tier makes up for them."""
    eight_bit = dict.fromkeys(f"PQ{_parts_near(dim, dim // share)}np" for share in (4, 8, 16, 32))
    four_bit = dict.fromkeys(f"PQ{_parts_near(dim, dim // share)}x4fs" for share in (2, 4, 8))
    return (*eight_bit, *four_bit, "RaBitQ")


def _rescored(space: Space, base: str) -> Iterable[Trial]:
    return (
        Trial(space, f"{base},Refine({tier})", f"k_factor_rf={factor}")
        for tier in RESCORING_TIERS
        for factor in RESCORING_FACTORS
    )


def _ivf(space: Space, n_vectors: int) -> Iterable[Trial]:
    # 4 sqrt(n) lists are FAISS's own guideline (wiki, Guidelines to choose an index), bounded by what can be trained.
    wanted = min(4 * n_vectors**0.5, SELECT_TRAIN_ROWS / POINTS_PER_CENTROID)
    nlist = 2 ** int(wanted).bit_length() // 2
    for codec in ("SQ8", f"PQ{_parts_near(space.dim, space.dim // 4)}x4fs", "RaBitQ"):
        for nprobe in NPROBES:
            yield Trial(space, f"IVF{nlist},{codec}", f"nprobe={nprobe}")
            if codec != "SQ8":
                for factor in RESCORING_FACTORS[1:4]:
                    search = f"nprobe={nprobe},k_factor_rf={factor}"
                    yield Trial(space, f"IVF{nlist},{codec},Refine(SQ8)", search)


def default_grid(model: str, full_dim: int, n_vectors: int) -> tuple[Trial, ...]:
    """Return the default trials of one model, the float32 baseline first.

    Every codec over every space; short codes also under rescoring at full dimension, with the dimension reduced
    by FAISS's own PCA inside the factory, because rescoring inside a reduced space cannot find what the reduction lost.
    IVF from 50,000 vectors on.
    """
    full = Space(model, full_dim, "none")
    trials = [Trial(full, BASELINE)]
    trials += [
        Trial(space, codec)
        for space in default_spaces(model, full_dim)
        for codec in default_codecs(space.dim)
        if space.reduction != "trunc" or codec not in SLOW_CODECS
    ]
    for codec in ("SQ4", *rescored_codecs(full_dim)):
        trials += _rescored(full, codec)
    for dim in default_dims(full_dim):
        for codec in rescored_codecs(dim):
            trials += _rescored(full, f"PCAR{dim},{codec}")
    if n_vectors > IVF_MIN_VECTORS:
        trials += _ivf(full, n_vectors)
    return tuple(dict.fromkeys(trials))


def _texts(table: dict[str, object], key: str, path: Path, *, default: Sequence[str] | None) -> list[str]:
    value = table.get(key, default)
    if not isinstance(value, list | tuple) or not value or not all(isinstance(item, str) for item in value):
        raise InputError(
            f"{path}: {key} is {value!r} in a [[grid]] table",
            allowed="a list of at least one text",
            next_step=f'Write it like {key} = ["..."]',
        )
    return list(value)


def _tables(recipe: dict[str, object], path: Path) -> list[dict[str, object]]:
    tables = recipe.get("grid")
    found = [table for table in tables if isinstance(table, dict)] if isinstance(tables, list) else []
    if set(recipe) - {"grid", "about"} or not found or found != tables:
        raise InputError(f"--grid {path} has the keys {', '.join(recipe) or '(none)'}", allowed="about, [[grid]]",
                         next_step="See indexes/recipes/ for examples")  # fmt: skip
    return found


def read_grid(path: Path, model: str, full_dim: int) -> tuple[Trial, ...]:
    """Read a recipe: ``[[grid]]`` tables of `spaces`, `factories` and `search`, each table crossed.

    `spaces` are written without the model, ``128:pca``; ``full`` is the model's full dimension. The float32 baseline
    is added when the recipe leaves it out.

    Raises:
        InputError: the file is missing, is no TOML, or has another key.
        SpecError: a space or factory that cannot be used.
    """
    try:
        recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"--grid {path} does not exist", next_step="See indexes/recipes/ for examples") from error
    except OSError as error:
        raise InputError(f"Cannot read --grid {path}: {error.strerror}", next_step="Name a recipe file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--grid {path} is not TOML: {error}", next_step="Correct the file") from error
    tables = _tables(recipe, path)
    full = Space(model, full_dim, "none")
    trials = [Trial(full, BASELINE)]
    for table in tables:
        unknown = set(table) - {"spaces", "factories", "search"}
        if unknown:
            raise InputError(f"{path}: unknown key {min(unknown)!r} in a [[grid]] table",
                             allowed="spaces, factories, search", next_step="Correct the key")  # fmt: skip
        for text in _texts(table, "spaces", path, default=["full"]):
            space = full if text == "full" else Space.parse(f"{model}@{text}")
            _check_space(space, full_dim, path)
            for factory in _texts(table, "factories", path, default=None):
                parsed = parse_factory(factory, space.dim)
                _check_rescoring(parsed, space, path)
                for search in _texts(table, "search", path, default=[""]):
                    _check_search(parsed, search, path)
                    trials.append(Trial(space, factory, search))
    return tuple(dict.fromkeys(trials))


def _check_rescoring(factory: Factory, space: Space, path: Path) -> None:
    """Refuse rescoring inside a reduced space: it cannot find again what the reduction lost."""
    if factory.refine is not None and space.reduction != "none":
        raise SpecError(
            f"{path}: {factory} would rescore inside {space}, where the model's own vectors are gone",
            allowed="Refine(...) with the space full, the reduction inside the factory",
            next_step=f'Write spaces = ["full"] and PCAR{space.dim},{factory}',
        )


def _check_search(factory: Factory, search: str, path: Path) -> None:
    """Refuse a search string that its factory has no parameter for: FAISS would find out after building."""
    for part in filter(None, search.split(",")):
        match = SEARCH_PART.fullmatch(part)
        if match is None or int(match[2]) < 1:
            raise SpecError(
                f"{path}: {part!r} of the search string {search!r} cannot be read",
                allowed="nprobe=, k_factor_rf=, efSearch= with whole numbers from 1, joined by commas without spaces",
                next_step="Correct the search string",
            )
    for name, fits, needs in (
        ("nprobe", factory.nlist > 0, "IVF"),
        ("k_factor_rf", factory.refine is not None, "Refine(...)"),
        ("efSearch", factory.is_graph, "HNSW"),
    ):
        if f"{name}=" in search and not fits:
            raise SpecError(
                f"{path}: {factory} has no {name}, which the search string {search!r} sets",
                allowed=f"{name} with a factory that has {needs}",
                next_step="Put this factory into a [[grid]] table of its own",
            )


def _check_space(space: Space, full_dim: int, path: Path) -> None:
    if space.dim > full_dim or (space.reduction == "none" and space.dim != full_dim):
        raise InputError(
            f"{path}: the space {space} does not fit a model of {full_dim} dimensions",
            allowed=f"full, or 1 to {full_dim} with trunc, pca or joint",
            next_step="Write it like 128:pca",
        )


def grid_for(settings: SweepSettings, model: str, full_dim: int, n_vectors: int) -> tuple[Trial, ...]:
    """Return the trials of one model: those of the recipe that the user named, else the default grid."""
    if settings.grid:
        return read_grid(Path(settings.grid), model, full_dim)
    return default_grid(model, full_dim, n_vectors)
