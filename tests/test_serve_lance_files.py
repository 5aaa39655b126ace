"""What the table of a served folder reads lies in that folder: Lance's manifest is asked."""

import hashlib
import shutil

import lancedb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.errors import IndexFormatError
from ragopt.serve.file_checks import files_under
from ragopt.serve.lance_files import fields_of, message_of, outside_files
from ragopt.serve.sealed_json import read_sealed
from tests.damaged import resealed
from tests.small_served import build, documents, opened

TABLE = "gen-000001/chunks.lance"


def varint(value):
    """A number as protobuf writes it, from the specification: 7 bits a byte, lowest first."""
    parts = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(part | 128 for part in parts[:-1]), parts[-1]])


def sealed_again(folder, version):
    """Name every file of the table with its right checksum, at another version of Lance."""
    files = {name: entry for name, entry in read_sealed(folder / "manifest.json")["files"].items() if TABLE not in name}
    for name, path in files_under(folder / TABLE, folder):
        files[name] = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size_bytes": path.stat().st_size}
    (folder / "manifest.json").write_text(resealed(folder, files=files, table_version=version))


def test_a_table_that_reads_the_files_of_another_folder_is_refused(small, tmp_path):
    """A shallow clone with right checksums: `full` names the folder that it reads, before any of it is read."""
    source, folder = (build(small, tmp_path / name) for name in ("source", "index"))
    shutil.rmtree(folder / TABLE)
    table = lancedb.connect(folder / "gen-000001").clone_table("chunks", str(source / TABLE), is_shallow=True)
    assert table.count_rows() == 300
    sealed_again(folder, table.version)
    with pytest.raises(
        IndexFormatError, match=r"the table reads the folder /.*/source/gen-000001/chunks\.lance, which"
    ):
        opened(folder)


def test_a_data_file_that_the_manifest_does_not_name_is_refused(small, tmp_path):
    """It lies in the folder, but nobody would notice a changed byte of it."""
    folder = build(small, tmp_path / "index")
    files = read_sealed(folder / "manifest.json")["files"]
    unnamed = next(name for name in files if name.startswith(f"{TABLE}/data/"))
    del files[unnamed]
    (folder / "manifest.json").write_text(resealed(folder, files=files))
    with pytest.raises(IndexFormatError, match=f"the table reads {unnamed}, which the manifest does not name"):
        opened(folder)


@pytest.mark.parametrize("cut", [0, 3, 16, 100])
def test_a_manifest_of_lance_that_is_cut_is_refused(small, tmp_path, cut):
    """With a right checksum, too: an error with the next step."""
    folder = build(small, tmp_path / "index")
    path = next((folder / TABLE / "_versions").glob("*.manifest"))
    path.write_bytes(path.read_bytes()[:cut])
    sealed_again(folder, read_sealed(folder / "manifest.json")["table_version"])
    with pytest.raises(IndexFormatError, match="is no manifest of Lance that can be read"):
        opened(folder)


def test_a_table_after_every_kind_of_change_reads_only_what_is_named(small, tmp_path):
    """Appended rows, new columns, deletions, a compaction: nothing is outside, and `full` opens it."""
    with opened(build(small, tmp_path / "index")) as index:
        changes = (
            lambda: index.add(documents(["a"]), split=False),
            lambda: index.add(documents(["c"], colour="red"), split=False),
            lambda: index.delete(["b1", "a"]),
            lambda: index.update(documents(["b2"]), split=False),
            index.compact,
            lambda: index.delete(["b3"]),
        )
        for change in changes:
            change()
            assert outside_files(index.folder, index.manifest) == []
    assert opened(index.folder).version == 7


def test_the_data_files_that_are_found_are_those_on_the_disk(tmp_path):
    """Three appends: without any name in the manifest, every file under data/ and no other is outside."""

    class Unnamed:
        table, table_version = "chunks.lance", 3
        files = (f"chunks.lance/_versions/{2**64 - 4}.manifest",)

    table = lancedb.connect(tmp_path).create_table("chunks", pa.table({"x": [1]}))
    table.add(pa.table({"x": [2]}))
    table.add(pa.table({"x": [3]}))
    on_disk = {f"chunks.lance/data/{path.name}" for path in (tmp_path / "chunks.lance" / "data").iterdir()}
    assert len(on_disk) == 3
    assert set(outside_files(tmp_path, Unnamed)) == on_disk


@given(st.lists(st.tuples(st.integers(1, 2**29 - 1), st.integers(0, 2**64 - 1) | st.binary(max_size=300))))
def test_fields_are_read_as_they_were_written(fields):
    """Numbers and bytes of any size come back in order, by the encoding of the specification."""
    message = b""
    for number, value in fields:
        if isinstance(value, int):
            message += varint(number << 3) + varint(value)
        else:
            message += varint(number << 3 | 2) + varint(len(value)) + value
    assert list(fields_of(message)) == fields
    footer = len(b"before").to_bytes(8, "little") + b"\0\0\2\0LANC"
    assert message_of(b"before" + len(message).to_bytes(4, "little") + message + footer) == message


@given(st.binary(max_size=200))
def test_any_bytes_are_fields_or_an_error(raw):
    """What is no message ends in ValueError or IndexError, which become the error of a damaged folder."""
    with pytest.raises(ValueError, match="more than 64 bits"):
        list(fields_of(b"\x80" * 10 + raw))
    for read in (lambda: list(fields_of(raw)), lambda: message_of(raw)):
        try:
            read()
        except (ValueError, IndexError):
            continue
