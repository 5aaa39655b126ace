import json

import lancedb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ragopt.artifacts import ArtifactStore
from ragopt.embed.ready import open_ready_vectors, read_ids
from ragopt.embed.stored_rows import unit_rows
from ragopt.errors import InputError

MATRIX = np.random.default_rng(5).integers(-50, 50, (10_000, 6)).astype(np.float32)
MATRIX[:, 0] = 51  # no zero rows
FLOAT32 = pa.float32()


def ready(folder, path, *, column=None, metric="cosine", progress=None):
    return open_ready_vectors(
        ArtifactStore(folder / "cache"), str(path), column=column, metric=metric, progress=progress
    )


def everything(vectors):
    return np.concatenate([block for _, block in vectors.blocks()])


def lists(matrix, kind=FLOAT32, *, fixed=True):
    values = pa.array(matrix.astype(kind.to_pandas_dtype()).ravel())
    if fixed:
        return pa.FixedSizeListArray.from_arrays(values, matrix.shape[1])
    return pa.ListArray.from_arrays(np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1], values)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_npy(tmp_path, dtype, order, metric):
    """Every allowed type and memory order gives the same float32 rows, of unit length for cosine."""
    np.save(tmp_path / "v.npy", np.asarray(MATRIX.astype(dtype), order=order))
    vectors = ready(tmp_path, tmp_path / "v.npy", metric=metric)
    assert np.array_equal(everything(vectors), unit_rows(MATRIX) if metric == "cosine" else MATRIX)


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64(), pa.int8()])
@pytest.mark.parametrize("fixed", [True, False])
def test_parquet(tmp_path, kind, fixed):
    """List and fixed-size-list columns are found without being named and read across row groups."""
    table = pa.table({"id": [str(row) for row in range(10_000)], "vec": lists(MATRIX, kind, fixed=fixed)})
    pq.write_table(table, tmp_path / "v.parquet", row_group_size=3000)
    assert np.array_equal(everything(ready(tmp_path, tmp_path / "v.parquet", metric="ip")), MATRIX)


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("batch_rows", [1000, 100_000])
def test_arrow(tmp_path, compression, batch_rows):
    """An Arrow IPC file gives its rows, in batches of any size; what was compressed is not taken for mapped pages."""
    table = pa.table({"vec": lists(MATRIX)})
    options = pa.ipc.IpcWriteOptions(compression=compression)
    path = str(tmp_path / "v.arrow")
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=batch_rows)
    for _ in range(2):  # a damaged heap shows later
        assert np.array_equal(everything(ready(tmp_path, tmp_path / "v.arrow", metric="ip")), MATRIX)


def test_a_damaged_arrow_file_is_named(tmp_path):
    """Bytes that are no Arrow file are an error with the file's name."""
    (tmp_path / "v.arrow").write_bytes(b"ARROW1, or not")
    with pytest.raises(InputError, match=r"Cannot read .*v\.arrow"):
        ready(tmp_path, tmp_path / "v.arrow")


def test_lance(tmp_path):
    """A Lance folder of several appends is read in insertion order."""
    table = None
    for part in np.array_split(MATRIX, 4):
        rows = pa.table({"id": range(len(part)), "vec": lists(part), "other": lists(part * 2)})
        if table is None:
            table = lancedb.connect(tmp_path).create_table("passages", rows)
        else:
            table.add(rows)
    vectors = ready(tmp_path, tmp_path / "passages.lance", column="vec", metric="ip")
    assert np.array_equal(everything(vectors), MATRIX)
    with pytest.raises(InputError, match="Name one of: vec, other"):
        ready(tmp_path, tmp_path / "passages.lance")
    table.delete("id >= 2")  # leaves rows 0 and 1 of each of the four parts
    fewer = ready(tmp_path, tmp_path / "passages.lance", column="vec", metric="ip")
    assert np.array_equal(everything(fewer), np.concatenate([part[:2] for part in np.array_split(MATRIX, 4)]))


def test_the_copy_is_keyed_by_content(tmp_path):
    """The same bytes under another name are converted once; other bytes or another metric are not mixed up."""
    np.save(tmp_path / "a.npy", MATRIX)
    np.save(tmp_path / "b.npy", MATRIX)
    np.save(tmp_path / "c.npy", -MATRIX)
    a, b, c = (ready(tmp_path, tmp_path / name) for name in ("a.npy", "b.npy", "c.npy"))
    assert a.path == b.path
    assert a.path != c.path
    assert a.path != ready(tmp_path, tmp_path / "a.npy", metric="ip").path
    np.save(tmp_path / "a.npy", -MATRIX)
    assert ready(tmp_path, tmp_path / "a.npy").path == c.path


def test_progress_counts_checking_and_converting(tmp_path):
    """Progress runs from the first checked bytes to twice the number of rows and never goes back."""
    np.save(tmp_path / "v.npy", MATRIX)
    for _ in range(2):
        calls = []
        ready(tmp_path, tmp_path / "v.npy", progress=lambda done, total, calls=calls: calls.append((done, total)))
        assert calls[-1] == (20_000, 20_000)
        assert calls == sorted(calls)


def test_conversion_resumes(tmp_path):
    """An interrupted conversion keeps whole blocks and ends with the same bytes."""
    np.save(tmp_path / "v.npy", MATRIX)

    def stop(done, _total):
        if done >= 10_000 + 8192:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ready(tmp_path, tmp_path / "v.npy", progress=stop)
    (info,) = (tmp_path / "cache").rglob("vectors.json")
    assert json.loads(info.read_text())["n"] == 8192
    assert np.array_equal(everything(ready(tmp_path, tmp_path / "v.npy")), unit_rows(MATRIX))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(4, np.float32), r"array of shape \(4,\)"),
        (np.ones((2, 3, 4), np.float32), r"array of shape \(2, 3, 4\)"),
        (np.ones((0, 4), np.float32), r"array of shape \(0, 4\)"),
        (np.ones((4, 0), np.float32), r"array of shape \(4, 0\)"),
        (np.ones((2, 2), np.int64), "holds int64 values"),
        (np.ones((2, 2), np.complex64), "holds complex64 values"),
        (np.array([["a", "b"]]), "holds <U1 values"),
        (np.array([[1, None]], dtype=object), "Cannot read"),
        (np.array([[1, 2], [np.nan, 1]], np.float16), r"row 1 \(counting from 0\) of .*v.npy holds nan at position 0"),
        (np.array([[1, 2], [1, 1e39]]), r"row 1 .* holds 1e\+39 at position 1"),
        (np.array([[1, 2], [0, 0]], np.int8), r"row 1 .* is all zeros"),
    ],
)
def test_bad_npy(tmp_path, array, message):
    """Wrong shapes, types and values are named with what was found, and objects are never unpickled."""
    np.save(tmp_path / "v.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=message):
        ready(tmp_path, tmp_path / "v.npy")
    assert not list((tmp_path / "cache").rglob("recipe.json"))


def test_a_bad_row_deep_in_the_file_has_its_own_number(tmp_path):
    """Row numbers count from the start of the file, not of the block."""
    matrix = MATRIX.copy()
    matrix[9_999] = 0
    np.save(tmp_path / "v.npy", matrix)
    with pytest.raises(InputError, match="row 9999 "):
        ready(tmp_path, tmp_path / "v.npy")


@pytest.mark.parametrize("name", ["v.npy", "v.parquet", "v.lance", "v.csv", "v.npz"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense", "folder"])
def test_files_that_are_none(tmp_path, name, content):
    """A missing, empty, foreign or unknown file is one clear error, and nothing is made beside it."""
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=name) as caught:
        ready(tmp_path, path)
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ([] if content is None else [name])


def test_a_path_without_end_is_refused(tmp_path):
    """A name that no file system takes is an input error for vectors and for ids."""
    path = str(tmp_path / f"{'x' * 300}.npy")
    with pytest.raises(InputError, match=r"Cannot read .*File name too long"):
        ready(tmp_path, path)
    with pytest.raises(InputError, match=r"Cannot read .*File name too long"):
        read_ids(path, n=1)


def test_a_cut_file_is_refused(tmp_path):
    """A file that lost its end is not taken for a smaller one."""
    np.save(tmp_path / "v.npy", MATRIX)
    pq.write_table(pa.table({"vec": lists(MATRIX)}), tmp_path / "v.parquet")
    for path in (tmp_path / "v.npy", tmp_path / "v.parquet"):
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(InputError, match="Cannot read"):
            ready(tmp_path, path)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([[1.0, 2.0], [1.0, 2.0, 3.0]]), "Row 1 of .* has 3 components, the rows before it 2"),
        (pa.array([[1.0, 2.0], None]), r"Row 1 of .* has no vector \(null\)"),
        (pa.array([[1.0, 2.0], [3.0, None]]), "Row 1 of .* has a null component"),
        (pa.array([[], []], pa.list_(pa.float32())), "Row 0 of .* is an empty list"),
        (pa.array([], pa.list_(pa.float32())), "holds no rows"),
        (pa.array(["a", "b"]), "several or no columns with vectors; its columns are vec"),
        (pa.array([[1, 2], [3, 4]]), "its columns are vec"),
    ],
)
def test_bad_parquet(tmp_path, column, message):
    """Ragged, null, empty and foreign columns are named by row or by what the file holds."""
    pq.write_table(pa.table({"vec": column}), tmp_path / "v.parquet")
    with pytest.raises(InputError, match=message):
        ready(tmp_path, tmp_path / "v.parquet")


def test_a_column_must_exist(tmp_path):
    """A wrong column name lists the right ones, and a .npy file has none."""
    pq.write_table(pa.table({"vec": lists(MATRIX[:5])}), tmp_path / "v.parquet")
    with pytest.raises(InputError, match=r"no column 'embedding' with vectors.*Name one of: vec"):
        ready(tmp_path, tmp_path / "v.parquet", column="embedding")
    np.save(tmp_path / "v.npy", MATRIX[:5])
    with pytest.raises(InputError, match="has no columns"):
        ready(tmp_path, tmp_path / "v.npy", column="vec")


def write_ids(folder, name, ids):
    path = folder / name
    if name.endswith(".txt"):
        path.write_text("".join(f"{identifier}\n" for identifier in ids), encoding="utf-8")
    elif name.endswith(".npy"):
        np.save(path, np.array(ids))
    elif name.endswith(".parquet"):
        pq.write_table(pa.table({"id": ids}), path)
    else:
        path.write_text("".join(json.dumps({"_id": identifier, "id": 0}) + "\n" for identifier in ids))
    return str(path)


@pytest.mark.parametrize("name", ["ids.txt", "ids.npy", "ids.parquet", "ids.jsonl"])
def test_ids(tmp_path, name):
    """Every format gives the same ids, in order, leading zeros and all."""
    ids = ["007", "b c", "é東", "9"]
    assert read_ids(write_ids(tmp_path, name, ids), n=4) == ids


def test_ids_may_be_numbers_or_left_out(tmp_path):
    """Integers become their decimal text; without a file the row number is the id."""
    assert read_ids(write_ids(tmp_path, "ids.npy", [5, -3]), n=2) == ["5", "-3"]
    assert read_ids(write_ids(tmp_path, "ids.parquet", [5, 3]), n=2) == ["5", "3"]
    (tmp_path / "ids.jsonl").write_text('"a"\n7\n{"id": "c"}')
    assert read_ids(str(tmp_path / "ids.jsonl"), n=3) == ["a", "7", "c"]
    assert read_ids(None, n=3) == ["0", "1", "2"]


@pytest.mark.parametrize("name", ["ids.txt", "ids.npy", "ids.parquet", "ids.jsonl"])
def test_wrong_ids(tmp_path, name):
    """Too few, too many, repeated and empty ids are refused with numbers."""
    path = write_ids(tmp_path, name, ["a", "b", "a"])
    with pytest.raises(InputError, match="holds 3 ids for 4 vectors"):
        read_ids(path, n=4)
    with pytest.raises(InputError, match=r"'a' stands twice .* at 0 and 2"):
        read_ids(path, n=3)
    with pytest.raises(InputError, match=r"Id 1 .* is empty"):
        read_ids(write_ids(tmp_path, name, ["a", "", "b"]), n=3)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("ids.txt", b"a\n\xff\n", "line 2 is not UTF-8"),
        ("ids.jsonl", b'"a"\n{oops\n', "line 2 is not JSON"),
        ("ids.jsonl", b'"a"\n{"text": "x"}\n', "line 2 holds no id but None"),
        ("ids.jsonl", b"true\n1.5\n", "line 1 holds no id but True"),
        ("ids.npy", b"nonsense", "Cannot read"),
        ("ids.parquet", b"nonsense", "Cannot read"),
        ("ids.csv", b"a\nb\n", "Cannot read ids"),
        ("ids.txt", None, "There is no file"),
    ],
)
def test_unreadable_ids(tmp_path, name, content, message):
    """A file that is none names the line that is wrong."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_ids(str(tmp_path / name), n=2)


def test_ids_need_one_column_and_one_dimension(tmp_path):
    """Two columns, a matrix or floats are no ids, and objects are never unpickled."""
    pq.write_table(pa.table({"a": ["1"], "b": ["2"]}), tmp_path / "two.parquet")
    with pytest.raises(InputError, match="has the columns a, b"):
        read_ids(str(tmp_path / "two.parquet"), n=1)
    for array in (np.ones((2, 2), int), np.ones(2), np.array(["a", 1], dtype=object)):
        np.save(tmp_path / "ids.npy", array, allow_pickle=True)
        with pytest.raises(InputError, match=r"ids\.npy"):
            read_ids(str(tmp_path / "ids.npy"), n=2)
