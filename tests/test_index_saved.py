import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ragopt.embed.spaces import fit_rotation, project
from ragopt.errors import IndexFormatError
from ragopt.index.build import add_blocks, set_search, train_index
from ragopt.index.factory import parse_factory
from ragopt.index.saved import INDEX_FILE, MANIFEST_FILE, ROTATION_FILE, SCHEMA, open_index, save_index
from ragopt.index.serialized import checked_bytes
from ragopt.records import Space, Trial

DIM = 16
GOLDEN = Path(__file__).resolve().parent.parent / "indexes" / "golden"
FAMILIES = ["Flat", "SQ8", "SQ4", "SQfp16", "PQ4np", "PQ8x4fs", "RaBitQ", "RaBitQ4", "IVF4,SQ8", "IVF4,PQ8x4fs",
            "IVF4,RaBitQ", "RR16,SQ8", "PCAR8,PQ4x4fs,Refine(SQ8)", "IVF4,PQ4np,RFlat"]  # fmt: skip


@pytest.fixture
def rows(rng):
    return rng.normal(size=(300, DIM)).astype(np.float32)


def save(folder, rows, text="SQ8", *, metric="ip", search="", reduction="none", rotation=None):
    factory = parse_factory(text, rows.shape[1])
    index = train_index(factory, rows, metric=metric, seed=0)
    add_blocks(index, [(0, rows)])
    folder.mkdir()
    trial = Trial(Space("any", rows.shape[1], reduction), text, search)
    save_index(folder, index, trial=trial, metric=metric, index_bytes=checked_bytes(factory, index),
               rotation=rotation, seconds={"train": 1.5, "build": 0.25})  # fmt: skip
    return index, trial


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("text", FAMILIES)
def test_opened_index_answers_as_the_built_one(text, metric, rows, tmp_path):
    """Rows and distances are equal before saving and after opening memory-mapped, and the manifest says it all."""
    index, trial = save(tmp_path / "saved", rows, text, metric=metric)
    opened = open_index(tmp_path / "saved", verify="full")
    lists, tier = text.startswith("IVF"), text.endswith(("Refine(SQ8)", "RFlat"))
    search = ",".join(["nprobe=3"] * lists + ["k_factor_rf=4"] * tier)
    for one in (index, opened.index):
        set_search(one, search)
    for mine, theirs in zip(index.search(rows[:25], 7), opened.index.search(rows[:25], 7), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    if text == "PQ8x4fs":
        assert opened.index.implem == 13
    assert (opened.trial, opened.metric, opened.n, opened.rotation) == (trial, metric, 300, None)
    assert opened.index_bytes == checked_bytes(parse_factory(text, DIM), index)
    assert opened.index_bytes.file_bytes == (tmp_path / "saved" / INDEX_FILE).stat().st_size
    assert opened.manifest["seconds"] == {"train": 1.5, "build": 0.25}
    assert sorted(path.name for path in (tmp_path / "saved").iterdir()) == [INDEX_FILE, MANIFEST_FILE]


def test_rotation_is_kept(rows, tmp_path):
    """A `pca` space comes back with the very rotation that its vectors were turned by."""
    space, rotation = Space("any", 8, "pca"), fit_rotation(rows)
    reduced = project(rows, space, rotation=rotation, metric="ip")
    index, _ = save(tmp_path / "saved", reduced, reduction="pca", rotation=rotation)
    opened = open_index(tmp_path / "saved", verify="full")
    np.testing.assert_array_equal(opened.rotation.matrix, rotation.matrix)
    np.testing.assert_array_equal(opened.rotation.explained, rotation.explained)
    assert set(opened.manifest["files"]) == {INDEX_FILE, ROTATION_FILE}
    queries = project(rows[:9], opened.trial.space, rotation=opened.rotation, metric=opened.metric)
    np.testing.assert_array_equal(opened.index.search(queries, 4)[1], index.search(reduced[:9], 4)[1])


def test_quick_opening_takes_no_time(rng, tmp_path):
    """A 38 MB index opens in under 100 ms, because it is mapped and not read."""
    save(tmp_path / "saved", rng.normal(size=(300, DIM)).astype(np.float32))  # loads what is loaded once
    open_index(tmp_path / "saved")
    save(tmp_path / "large", rng.normal(size=(100_000, 96)).astype(np.float32), "Flat")
    began = time.perf_counter()
    opened = open_index(tmp_path / "large", verify="quick")
    assert time.perf_counter() - began < 0.1
    assert opened.index.ntotal == 100_000


def cut(folder):
    path = folder / INDEX_FILE
    path.write_bytes(path.read_bytes()[:-1])


def flip(folder, position=-1):
    path = folder / INDEX_FILE
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def change(folder, **values):
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut, "index.faiss is not the file that its manifest names"),
        (lambda folder: (folder / INDEX_FILE).unlink(), "(None bytes, "),
        (lambda folder: (folder / MANIFEST_FILE).unlink(), "holds no readable manifest.json"),
        (lambda folder: (folder / MANIFEST_FILE).write_text('{"schema": 1, '), "holds no readable manifest.json"),
        (lambda folder: (folder / MANIFEST_FILE).write_bytes(b"\xff\xfe"), "holds no readable manifest.json"),
        (lambda folder: (folder / MANIFEST_FILE).write_text("[]"), "manifest.json is no JSON object"),
        (lambda folder: (folder / MANIFEST_FILE).write_text('{"schema": 1, "n": 3}'), "lacks files, index_bytes,"),
        (lambda folder: change(folder, schema=SCHEMA + 1), f"has schema {SCHEMA + 1}. Allowed: {SCHEMA}."),
        (lambda folder: flip(folder, 0), "FAISS cannot read"),
        (shutil.rmtree, "holds no readable manifest.json"),
    ],
)
def test_quick_opening_sees(damage, words, rows, tmp_path):
    """A cut or missing file, an unreadable manifest, a newer schema and a foreign file are errors without checksums."""
    save(tmp_path / "saved", rows)
    damage(tmp_path / "saved")
    with pytest.raises(IndexFormatError) as caught:
        open_index(tmp_path / "saved", verify="quick")
    assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("position", [0, 700, -1])
def test_only_full_verification_sees_a_flipped_bit(position, rows, tmp_path):
    """One bit in the codes passes the quick check of lengths and fails the checksums."""
    save(tmp_path / "saved", rows)
    open_index(tmp_path / "saved", verify="full")
    flip(tmp_path / "saved", position)
    if position:
        assert open_index(tmp_path / "saved", verify="quick").n == 300
    with pytest.raises(IndexFormatError, match="is not the file that its manifest names"):
        open_index(tmp_path / "saved", verify="full")


def test_bytes_of_another_index_are_refused(rows, tmp_path):
    """Sizes that are not those of the index never reach a manifest."""
    factory = parse_factory("SQ8", DIM)
    index = train_index(factory, rows, metric="ip", seed=0)
    empty = checked_bytes(factory, index)
    add_blocks(index, [(0, rows)])
    with pytest.raises(IndexFormatError, match=f"its index_bytes say {empty.file_bytes}"):
        save_index(tmp_path, index, trial=Trial(Space("any", DIM, "none"), "SQ8"), metric="ip", index_bytes=empty,
                   rotation=None, seconds={})  # fmt: skip
    assert not (tmp_path / MANIFEST_FILE).exists()


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from ragopt.embed.spaces import Rotation
from ragopt.errors import StorageError
from ragopt.index.build import train_index
from ragopt.index.factory import parse_factory
from ragopt.index.saved import save_index
from ragopt.index.serialized import checked_bytes
from ragopt.records import Space, Trial
folder, n, limit, turned = Path(sys.argv[1]), *map(int, sys.argv[2:])
rows = np.random.default_rng(0).normal(size=(n, 16)).astype(np.float32)
factory = parse_factory("SQ8", 16)
index = train_index(factory, rows, metric="ip", seed=0)
index.add(rows)
sizes = checked_bytes(factory, index)
rotation = Rotation(np.zeros((99, 99), np.float32), np.zeros(99)) if turned else None
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    save_index(folder, index, trial=Trial(Space("any", 16, "none"), "SQ8"), metric="ip", index_bytes=sizes,
               rotation=rotation, seconds={})
except StorageError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("n", "limit", "turned", "file"),
    [(9000, 20_000, 0, INDEX_FILE), (100, 1_000, 0, INDEX_FILE), (250, 4_096, 0, INDEX_FILE),
     (100, 4_096, 1, ROTATION_FILE), (2, 250, 0, MANIFEST_FILE)],
)  # fmt: skip
def test_full_disk(n, limit, turned, file, tmp_path):
    """A disk that fills up at any file is a StorageError, also in FAISS's last buffer, and leaves no manifest."""
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path), str(n), str(limit), str(turned)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"Cannot write {tmp_path / file}: ")
    assert "Free some space or choose another disk with --cache-dir" in done.stdout
    assert not (tmp_path / MANIFEST_FILE).exists()
    with pytest.raises(IndexFormatError, match=r"holds no readable manifest\.json"):
        open_index(tmp_path)


@pytest.mark.parametrize("folder", sorted(GOLDEN.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_golden_index_opens_and_answers(folder):
    """An index that an earlier version wrote opens with full verification and finds the rows it found then."""
    saved = open_index(folder, verify="full")
    queries = project(np.load(folder / "queries.npy"), saved.trial.space, rotation=saved.rotation, metric=saved.metric)
    set_search(saved.index, saved.trial.search)
    expected = np.load(folder / "expected.npy")
    scores, found = saved.index.search(queries, expected.shape[1])
    for row, other, score in zip(found.tolist(), expected.tolist(), scores, strict=True):
        ties = len(set(score.tolist())) < len(score)
        assert set(row) == set(other) if ties else row == other
    assert saved.index_bytes == checked_bytes(parse_factory(saved.trial.factory, saved.trial.space.dim), saved.index)


def test_golden_has_every_family():
    """No family of codes that the grid uses is without a golden index, and all of them stay small."""
    folders = sorted(GOLDEN.glob("*/*"))
    texts = {json.loads((folder / MANIFEST_FILE).read_text())["trial"].split(" | ")[1] for folder in folders}
    families = {parse_factory(text, 8 if text == "SQ8" else DIM).codec.family for text in texts}
    assert families == {"Flat", "SQ", "PQ", "PQfs", "RaBitQ"}
    assert any("IVF" in text for text in texts)
    assert any("Refine" in text for text in texts)
    assert sum(path.stat().st_size for path in GOLDEN.rglob("*") if path.is_file()) < 300_000
