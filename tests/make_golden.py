"""Write golden indexes into a new folder: ``python tests/make_golden.py indexes/golden/v2``.

Only for a new schema or a new family. The folders that are there must go on opening, so a run refuses one that exists.
"""

import sys
from pathlib import Path

import numpy as np

from ragopt.embed.spaces import fit_rotation, project
from ragopt.index.build import add_blocks, set_search, train_index
from ragopt.index.factory import parse_factory
from ragopt.index.saved import save_index
from ragopt.index.serialized import checked_bytes
from ragopt.records import Space, Trial

DIM, N, N_TRAIN, N_QUERIES, K = 16, 64, 300, 8, 5
MODEL = "golden"

GOLDEN = {
    "flat": (Space(MODEL, DIM, "none"), "Flat", "", "l2"),
    "sq8": (Space(MODEL, DIM, "none"), "SQ8", "", "ip"),
    "sq4": (Space(MODEL, DIM, "none"), "SQ4", "", "ip"),
    "pq": (Space(MODEL, DIM, "none"), "PQ4np", "", "ip"),
    "pq-fastscan": (Space(MODEL, DIM, "none"), "PQ8x4fs", "", "l2"),
    "rabitq": (Space(MODEL, DIM, "none"), "RaBitQ", "", "ip"),
    "rabitq4": (Space(MODEL, DIM, "none"), "RaBitQ4", "", "ip"),
    "ivf-sq8": (Space(MODEL, DIM, "none"), "IVF4,SQ8", "nprobe=2", "ip"),
    "rescored": (Space(MODEL, DIM, "none"), "PCAR8,PQ4x4fs,Refine(SQ8)", "k_factor_rf=4", "ip"),
    "pca-space": (Space(MODEL, 8, "pca"), "SQ8", "", "cosine"),
}
"""Folder name: space, factory, search parameters, metric. Each family of codes, a rescored one, a rotated one."""


def golden_rows():
    """Integer-valued training rows (300, 16), of which 64 are indexed, and queries (8, 16); the same every time."""
    values = np.random.default_rng(20261123).integers(-20, 21, (N_TRAIN + N_QUERIES, DIM)).astype(np.float32)
    return values[:N_TRAIN], values[N_TRAIN:]


def write_golden(folder, name):
    """Write one golden index with its queries and the rows that they find."""
    space, text, search, metric = GOLDEN[name]
    rows, queries = golden_rows()
    if metric == "cosine":
        rows, queries = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (rows, queries))
    rotation = fit_rotation(rows) if space.reduction == "pca" else None
    rows = project(rows, space, rotation=rotation, metric=metric)
    factory = parse_factory(text, space.dim)
    index = train_index(factory, rows, metric=metric, seed=0)
    add_blocks(index, [(0, rows[:N])])
    place = folder / name
    place.mkdir(parents=True)
    save_index(place, index, trial=Trial(space, text, search), metric=metric, index_bytes=checked_bytes(factory, index),
               rotation=rotation, seconds={"train": 0.0, "build": 0.0})  # fmt: skip
    set_search(index, search)
    found = index.search(project(queries, space, rotation=rotation, metric=metric), K)[1]
    np.save(place / "queries.npy", queries)
    np.save(place / "expected.npy", found)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    if target.exists():
        sys.exit(f"{target} exists: golden indexes are never rewritten, choose a new folder")
    for golden in GOLDEN:
        write_golden(target, golden)
