"""A served folder that somebody wrote with right checksums and wrong values is refused, in bounded memory."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest

from ragopt.serve.sealed_json import read_sealed
from tests.damaged import SEALED, checked_files, forged, outcomes, refused, resealed, two_folders, written
from tests.small_served import build, given_documents, opened

MOST_MIB_MORE = 200
"""Resident memory that refusing may take beyond a process that has opened the folder and searched it: a manifest is
read up to 64 MiB, then refused."""


@pytest.fixture(scope="module")
def folder(small, tmp_path_factory):
    """A folder with two segments and deletions."""
    return two_folders(small, tmp_path_factory.mktemp("hostile"))[0]


def changed(folder, path, value):
    """A manifest in which one value, found by its path of keys, is another."""
    content = json.loads((folder / "manifest.json").read_text())
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return [written("manifest.json", resealed(folder, **content))]


COUNTS = [-1, 2**70, 1e300, "1", None, True, [], 1.5]
VALUES = {
    ("schema",): [0, 2, "1", None],
    ("format",): ["", None, "ragopt"],
    ("version",): [*COUNTS, 0],
    ("generation",): [*COUNTS, 0, 2, 10**18],
    ("engine",): ["", "lancedb", None, 1],
    ("trial",): ["", "x", None, "vectors@32:none", "vectors@999999999999:none | Flat", "vectors@16:none | SQ8",
                 "vectors@32:pca | PQ8x4fs,Refine(SQ8)",
                 "vectors@32:none | PQ8x4fs,Refine(SQ8) | k_factor_rf=9999999999",
                 "vectors@32:none | PQ8x4fs,Refine(SQ8) | rm=1", "vectors@32:none | PQ8x4fs,Refine(SQ8) | nprobe=2"],
    ("metric",): ["", "l2", "euclid", None],
    ("k",): COUNTS,
    ("n_results",): COUNTS,
    ("full_dim",): [*COUNTS, 0, 31, 64, 2**16, 2**40],
    ("seed",): [-1, "1", None],
    ("model",): [None, [], "hash"],
    ("chunk",): [None, {}, {"chunk_tokens": -1, "chunk_overlap": 0}, {"chunk_tokens": "9", "chunk_overlap": 0},
                 {"chunk_tokens": 8, "chunk_overlap": 9}],
    ("segments",): [[], {}, None, [None], [[]], "x"],
    ("segments", 0, "n_rows"): [*COUNTS, 0, 299, 301, 2**40, 2**62],
    ("segments", 0, "index"): ["", None, "index.faiss", "gen-000001/lines-base.npy", "gen-000001/template.faiss"],
    ("segments", 0, "lines"): ["", None, "gen-000001/index.faiss", "gen-000001/lines-000003.npy"],
    ("segments", 1, "lines"): ["gen-000001/lines-base.npy"],
    ("state",): [None, {}, []],
    ("state", "dead_rows"): ["", None, "gen-000001/dead-lines-000004.npy", "gen-000001/lines-base.npy"],
    ("state", "dead_lines"): ["", "gen-000001/dead-rows-000004.npy"],
    ("state", "added_errors"): ["", None, "gen-000001/canary-scores-000004.npy"],
    ("state", "canary_rows"): ["", "gen-000001/canary-scores-000004.npy"],
    ("template",): ["", None, "gen-000001/index.faiss", "gen-000001/canaries.npy"],
    ("rotation",): ["gen-000001/canaries.npy", None],
    ("canaries",): ["", None, "gen-000001/lines-base.npy"],
    ("questions",): [None, "gen-000001/nothing.json"],
    ("table",): ["", None, "gen-000001", "gen-000002/chunks.lance", "../first/gen-000001/chunks.lance", "/tmp/x"],  # noqa: S108 - refused
    ("table_version",): [*COUNTS, 0, 1, 2, 99, 2**63, 2**64],
    ("columns",): [None, [], {"length": "blob"}, {"length": "string"}, {"nothing": "int64"}, {}],
    ("with_vectors",): [None, "no", 1, True],
    ("coding",): [None, {}, {"n": -1, "mean": 0.1, "variance": 0.1}, {"n": 1, "mean": -0.1, "variance": 0.1},
                  {"n": 1, "mean": "nan", "variance": 0.1}, {"n": 1, "mean": 0.1, "variance": None}],
    ("files",): [None, [], {}, "x"],
    ("about",): [None, [], "x"],
}  # fmt: skip
NAMES = ("../x", "gen-000001/../../x", "gen-000001/../gen-000001/index.faiss", "/etc/hostname",
         "gen-000001//index.faiss",
         "gen-000001/./index.faiss",
         "gen-000001/", "gen-000001/a\0b", "gen-000001/a\nb", "gen-000001/a\\b", "",
         "gen-000002/index.faiss", "manifest.json", "gen-000001/" + "a" * 5000, "gen-000001/no-such-file")  # fmt: skip
ENTRIES = (None, [], {}, {"sha256": "0" * 64}, {"sha256": "0" * 64, "size_bytes": -1}, {"sha256": 0, "size_bytes": 1},
           {"sha256": "0" * 64, "size_bytes": 2**62}, {"sha256": "z" * 64, "size_bytes": 13411},
           {"sha256": "0" * 64, "size_bytes": 1e9}, {"sha256": "0" * 63 + "\n", "size_bytes": 1})  # fmt: skip


def test_every_wrong_value_of_a_manifest_is_refused_in_bounded_memory(folder):
    """Negative and huge counts, wrong types, parts of another kind, trials that do not fit: an error each."""
    cases = [changed(folder, path, value) for path, values in VALUES.items() for value in values]
    cases += [[written("manifest.json", resealed(folder, **{path[0]: ...}))] for path in VALUES]
    cases += [[["longer", "manifest.json", 2**40]]]  # a hole in a file: one terabyte that takes no space
    unharmed = outcomes(folder, [])[1]
    lines, peak = outcomes(folder, cases)
    told = (
        [(path, value) for path, values in VALUES.items() for value in values]
        + [(path, ...) for path in VALUES]
        + ["long"]
    )
    wrong = [(what, line) for what, line in zip(told, lines, strict=True)
             if not line.startswith("refused IndexFormatError")]  # fmt: skip
    assert not wrong
    assert peak < unharmed + MOST_MIB_MORE


def test_names_that_leave_the_folder_and_odd_entries_are_refused(folder):
    """Absolute names, `..`, names of other generations, entries without a checksum: before any such file is read."""
    entry = read_sealed(folder / "manifest.json")["files"]["gen-000001/index.faiss"]
    cases = [changed(folder, ("files", name), entry) for name in NAMES]
    cases += [changed(folder, ("files", "gen-000001/index.faiss"), one) for one in ENTRIES]
    cases += [changed(folder, ("segments", 0, "index"), name) for name in NAMES]
    refused(folder, cases)


def test_a_generation_or_a_table_that_is_a_link_is_refused(folder):
    """A folder of the index that lies elsewhere is not followed, though every file in it is right."""
    names = ("gen-000001", "gen-000001/chunks.lance", "gen-000001/chunks.lance/data")
    refused(folder, [[["link", name, 0]] for name in names])


def test_json_that_is_no_manifest_is_refused(folder):
    """NaN, keys that come twice, deep nesting, other spacing, no UTF-8, tens of megabytes."""
    good = (folder / "manifest.json").read_text()
    twice = good.replace('"version":', '"version":99,"version":', 1)
    texts = [
        "", "null", "[]", "{}", "1e999", '"x"', good[:-1], good + "\n", good + good, " " + good, twice,
        good.replace('"k":5', '"k":NaN'), good.replace('"k":5', '"k":Infinity'), good.replace('"k":5', '"k":5.0'),
        "[" * 200_000, '{"a":' * 200_000, '{"about":' + "[" * 900 + "]" * 900 + "}", good.encode("utf-16"),
        b"\xff\xfe" + good.encode(), "\ufeff" + good, good.replace('"k":5', '"k":' + "9" * 10_000),
        "[" + "0," * 9_000_000,
    ]  # fmt: skip
    assert all(text != good for text in texts)
    cases = [[written(name, text)] for name in SEALED for text in texts]
    cases += [[written("acknowledged.json", resealed(folder, version=value))] for value in ("9", None, 10**30, 1.5)]
    refused(folder, cases)


def npy(array):
    """Bytes of an array's file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=array.dtype == object)
    return buffer.getvalue()


class Boom:
    """Makes a folder when it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        """What pickle calls."""
        return os.mkdir, (str(self.place),)


def arrays_of(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.npy"))


def test_a_pickled_array_is_refused_and_never_run(folder, tmp_path):
    """Every array replaced by a pickled object with its right checksum: refused, and its code has not run."""
    place = tmp_path / "ran"
    data = npy(np.array([Boom(place)], dtype=object))
    assert len(arrays_of(folder)) == 8
    refused(folder, [forged(folder, name, data) for name in arrays_of(folder)])
    assert not place.exists()


def test_arrays_that_do_not_fit_are_refused(folder):
    """Right checksums over wrong shapes, types, orders and numbers, and headers that promise more than there is."""
    cases = []
    for name in arrays_of(folder):
        good = np.load(folder / name, allow_pickle=False)
        header = npy(good)[:128]
        wrong = [good.astype(np.int32), good.astype(">f8"), good.reshape(-1, 1, 1), np.asfortranarray(good[None]),
                 np.array(0, good.dtype), np.zeros((3, 3), good.dtype)]  # fmt: skip
        if "canar" not in name and "errors" not in name and len(good) > 1:
            wrong += [good[::-1], good + np.array(1_000_000, good.dtype), np.concatenate([good[:1], good])]
        cases += [forged(folder, name, npy(array)) for array in wrong if not np.array_equal(array, good)]
        if "errors" in name:
            wrong = [-good, good * np.inf, good * np.nan, good[1:], np.resize(good, 311)]
            cases += [forged(folder, name, npy(array)) for array in wrong]
        shape = str(good.shape).encode()
        cases.append(forged(folder, name, header.replace(shape, b"(%d,)" % 2**50)[:128]))
        cases.append(forged(folder, name, header + b"\0" * 8))
        # A bracket of the header's literal of Python that never closes, and one that does too often.
        cases += [forged(folder, name, npy(good).replace(b"}", one, 1)) for one in (b"{", b"(", b")", b"\0", b"\xff")]
    refused(folder, cases)


def test_versions_put_back_are_refused(small, tmp_path):
    """An older manifest over a newer folder, and files of one generation in another, are refused."""
    index = opened(build(small, tmp_path / "index"))
    first = (tmp_path / "index" / "manifest.json").read_bytes()
    index.add(given_documents({"a3": "text of a3"}), split=False)
    index.delete(["b1"])
    second = (tmp_path / "index" / "manifest.json").read_bytes()
    reader = opened(tmp_path / "index")  # keeps the first generation's files
    index.compact()
    index.close()
    folder = Path(tmp_path / "index")
    cases = [[written("manifest.json", first)], [written("manifest.json", second)]]
    old, new = folder / "gen-000001", folder / "gen-000002"
    same = [path.name for path in new.glob("*.*") if path.is_file() and (old / path.name).is_file()
            and path.read_bytes() != (old / path.name).read_bytes()]  # fmt: skip
    assert same == ["index.faiss"]
    cases += [[["copy", f"gen-000002/{name}", str(old / name)]] for name in same]
    lines = refused(folder, cases)
    assert all("was put back" in line for line in lines[:2])
    assert reader.n_chunks == 300


def test_quick_finds_every_length_and_every_byte_of_small_files(folder):
    """What `quick` promises: a byte of a file beyond its limit passes, and full verification finds it."""
    size = (folder / "gen-000001/index.faiss").stat().st_size
    flips = [[["flip", "gen-000001/index.faiss", seed]] for seed in range(5)]
    lengths = [[[kind, "gen-000001/index.faiss", 0]] for kind in ("truncate", "append")]
    refused(folder, flips + lengths, verify="quick")
    # The last bytes of the file are codes, so that a search still can be made.
    data = bytearray((folder / "gen-000001/index.faiss").read_bytes())
    data[-20] ^= 1
    code = [[written("gen-000001/index.faiss", bytes(data))]]
    assert outcomes(folder, code, verify="quick", small_bytes=size - 1)[0][0] in ("same", "other")
    lines = outcomes(folder, code, verify="full", small_bytes=size - 1)[0]
    lines += outcomes(folder, lengths, verify="quick", small_bytes=size - 1)[0]
    assert [line[:24] for line in lines] == ["refused IndexFormatError"] * 3


def test_quick_over_large_damaged_files_ends_in_an_error_or_an_answer(folder):
    """Where `quick` compares lengths only, a flipped bit may change an answer, but ends no process."""
    # Lance (lancedb 0.40) aborts over one flip in seventy of a list of deletions: those up to 64 KiB are hashed.
    names = [name for name in checked_files(folder) if name not in SEALED and "_deletions" not in name]
    cases = [[["flip", name, seed * 100 + number]] for seed in range(10) for number, name in enumerate(names)]
    lines = outcomes(folder, cases, verify="quick", small_bytes=0)[0]
    # A filter that Lance cannot apply to what it reads is blamed on the filter.
    known = ("refused IndexFormatError", "refused InputError: The filter", "same", "other")
    assert [line for line in lines if not line.startswith(known)] == []
    assert sum(line.startswith("refused") for line in lines) > 20
