"""A folder that is moved, swapped or put back under an opened index: nothing is written into another one."""

import hashlib
import shutil
from pathlib import Path

import pytest

from ragopt.errors import IndexFormatError
from ragopt.serve import commit
from tests.small_served import DIM, HashEmbedder, all_documents, build, documents, opened, question


@pytest.fixture
def two(small, ram):
    """Two folders with the same version number and generation, of which only the second holds `fresh`."""
    for name, document in (("live", "stale"), ("next", "fresh")):
        with opened(build(small, ram / name)) as index:
            index.add(documents([document]), split=False)
    return ram


def swap(folder):
    """Put `next` in the place of `live`, which becomes `old`."""
    (folder / "live").rename(folder / "old")
    (folder / "next").rename(folder / "live")


def contents(folder):
    """SHA-256 of every file, by name; the hint that Lance rewrites and locks are files too."""
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*") if path.is_file()}  # fmt: skip


CHANGES = {
    "add": lambda index: index.add(documents(["more"]), split=False),
    "update": lambda index: index.update(documents(["stale"]), split=False),
    "delete": lambda index: index.delete(["b1"]),
    "compact": lambda index: index.compact(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_writer_does_not_touch_a_folder_that_was_put_in_the_place_of_its_own(two, change):
    """Refused with the next step, byte for byte untouched, every time; opened again it writes there."""
    index = opened(two / "live")
    index.delete(["b0"])
    with opened(two / "next") as other:
        other.delete(["b0"])
    swap(two)
    before = contents(two / "live")
    for _ in range(2):
        with pytest.raises(IndexFormatError, match=r"live was replaced by another folder.*open it again"):
            CHANGES[change](index)
    assert contents(two / "live") == before
    index.close()
    assert "fresh" in all_documents(opened(two / "live"))
    with opened(two / "live") as again:
        assert CHANGES[change](again).version == 4
    assert "stale" in all_documents(opened(two / "old"))


def test_a_folder_that_is_replaced_while_texts_are_embedded_is_not_written(two):
    """What took hours is refused too: the place is looked at again behind the model."""

    class Swapping(HashEmbedder):
        def embed_documents(self, texts):
            swap(two)
            return super().embed_documents(texts)

    index = opened(two / "live")
    index._embedder = Swapping()
    before = contents(two / "next")
    with pytest.raises(IndexFormatError, match="was replaced"):
        index.add(documents(["more"]), split=False)
    assert contents(two / "live") == before


def test_a_folder_that_is_replaced_while_files_are_written_gets_no_new_version(two, monkeypatch):
    """The last look is before the manifest is replaced: the other folder keeps its version and its documents."""
    index = opened(two / "live")
    index.delete(["b0"])
    hashed = commit.entries_of

    def swapping(named, known):
        entries = hashed(named, known)
        swap(two)
        return entries

    monkeypatch.setattr(commit, "entries_of", swapping)
    before = contents(two / "next")
    with pytest.raises(IndexFormatError, match="was replaced"):
        index.add(documents(["more"]), split=False)
    assert contents(two / "live") == before
    assert "fresh" in all_documents(opened(two / "live"))
    index.close()
    assert "more" not in all_documents(opened(two / "old"))


def test_a_writer_does_not_write_after_a_manifest_that_was_put_back(two):
    """A copy of the whole folder restored in place has the same lock's file and another version: refused."""
    index = opened(two / "live")
    shutil.copytree(two / "live", two / "backup")
    index.delete(["b0"])
    shutil.copytree(two / "backup", two / "live", dirs_exist_ok=True)
    with pytest.raises(IndexFormatError, match="no longer the version 3"):
        index.delete(["b1"])
    assert index.refresh() == 2
    with pytest.raises(IndexFormatError, match="no longer the version 3"):
        index.delete(["b1"])
    index.close()
    assert index.delete(["b1"]).version == 3
    assert {"b0"} <= set(all_documents(opened(two / "live")))


def test_refresh_serves_a_folder_of_the_same_version_number_that_took_the_place(two):
    """The number is equal, the documents are not: searches find those of the folder that lies there now."""
    index = opened(two / "live")
    swap(two)
    assert index.refresh() == 2
    assert index.search(question("fresh"), 1)[0].id == "fresh"
    assert "stale" not in all_documents(index)


def test_refresh_follows_a_copy_with_the_same_manifest(two):
    """The lease moves to the folder that lies there: a compaction leaves its generation while it is read."""
    index = opened(two / "live")
    shutil.copytree(two / "live", two / "copy")
    (two / "live").rename(two / "old")
    (two / "copy").rename(two / "live")
    index.refresh()
    with opened(two / "live") as writer:
        writer.compact()
    assert (two / "live" / "gen-000001").is_dir()
    assert index.search(question("stale"), 1)[0].id == "stale"


def test_refresh_refuses_a_folder_of_another_model(two):
    """The model that is open would embed questions into another space: an error, and the old version goes on."""

    class Narrow(HashEmbedder):
        dim = DIM // 2

    index = opened(two / "live")
    manifest = index.manifest
    index._embedder = Narrow()
    swap(two)
    with pytest.raises(IndexFormatError, match="is not the one that this index was built with"):
        index.refresh()
    assert index.manifest == manifest


def test_an_index_that_was_opened_by_a_relative_path_survives_a_change_of_folder(two, monkeypatch):
    """Searches, changes and refresh go to the folder that was opened, not to one of that name elsewhere."""
    monkeypatch.chdir(two)
    index = opened(Path("live"), "quick")
    monkeypatch.chdir("/")
    assert index.search(question("stale"), 1)[0].id == "stale"
    assert index.add(documents(["more"]), split=False).version == 3
    assert index.refresh() == 3
    index.close()
    assert "more" in all_documents(opened(two / "live"))
