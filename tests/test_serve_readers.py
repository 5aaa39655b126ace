"""Readers beside a writer: an opened version stays whole, and opening one comes to an end."""

import gc
import threading

import numpy as np
import pytest

from ragopt.errors import IndexBusy, IndexFormatError
from ragopt.serve import file_checks
from ragopt.serve import opened as opened_module
from ragopt.serve.canary_replay import replay_canaries
from ragopt.serve.consistency import check_consistency
from ragopt.serve.opened import open_index
from tests.killed import copy_of
from tests.small_served import HashEmbedder, all_documents, build, documents, opened, question


@pytest.fixture(scope="module")
def folder(small, tmp_path_factory):
    """A folder as it was built; tests copy it."""
    return build(small, tmp_path_factory.mktemp("readers") / "index")


def test_a_reader_keeps_everything_of_its_version_while_a_writer_goes_on(folder, ram):
    """Files of a former version are removed: what an opened one has still to read is there, and the same."""
    reader, untouched = (opened(copy_of(folder, ram / name)) for name in ("index", "untouched"))
    with opened(ram / "index") as writer:
        writer.add(documents(["x"]), split=False)
        writer.delete(["b0"])
    assert not (ram / "index" / reader.manifest.state.canary_rows).exists()
    ours, theirs = replay_canaries(reader.snapshot), replay_canaries(untouched.snapshot)
    assert ours.known.all()
    np.testing.assert_array_equal(ours.scores, theirs.scores)
    assert reader.snapshot.template().ntotal == 0
    check_consistency(reader.snapshot)
    assert reader.search(question("b0"), 1)[0].id == "b0"
    assert len(all_documents(reader)) == 300


def test_a_full_check_beside_a_busy_writer_hashes_no_file_twice(folder, ram, monkeypatch):
    """A version that passes while the base is hashed costs a second try, which reads only what is new."""
    copy_of(folder, ram / "index")
    hash_file, hashed = file_checks.sha256_of, []
    with opened(ram / "index") as writer:
        writer.add(documents(["x0"]), split=False)

        def hash_beside_a_writer(path):
            hashed.append(path.name)
            if path.name == "index.faiss" and hashed.count(path.name) < 9:
                monkeypatch.setattr(file_checks, "sha256_of", hash_file)
                writer.add(documents(["x1"]), split=False)
                monkeypatch.setattr(file_checks, "sha256_of", hash_beside_a_writer)
            return hash_file(path)

        monkeypatch.setattr(file_checks, "sha256_of", hash_beside_a_writer)
        reader = opened(ram / "index")
    assert reader.version == 3
    assert hashed.count("index.faiss") == hashed.count("canaries.npy") == hashed.count("template.faiss") == 1
    assert reader.search(question("x1"), 1)[0].id == "x1"


def test_a_file_that_is_damaged_between_two_tries_is_hashed_again(folder, ram, monkeypatch):
    """The hash of a former try counts for that file alone: another length or time of change is another file."""
    index = copy_of(folder, ram / "index")
    base, hash_file = index / "gen-000001" / "index.faiss", file_checks.sha256_of
    with opened(index) as writer:
        writer.add(documents(["x0"]), split=False)
        once = iter([True])

        def damage_after_the_base(path):
            if path.name != "template.faiss" or not next(once, False):
                return hash_file(path)
            monkeypatch.setattr(file_checks, "sha256_of", hash_file)
            writer.add(documents(["x1"]), split=False)
            raw = bytearray(base.read_bytes())
            raw[-1] ^= 1
            base.write_bytes(raw)
            return hash_file(path)

        monkeypatch.setattr(file_checks, "sha256_of", damage_after_the_base)
        with pytest.raises(IndexFormatError, match=r"index\.faiss was changed: its SHA-256 is another"):
            opened(index)


def test_a_folder_that_changes_during_every_try_is_busy_not_damaged(folder, ram, monkeypatch):
    """The error names the writer and says to come again; nothing is said against the disk."""
    index = copy_of(folder, ram / "index")
    hash_file = file_checks.sha256_of
    with opened(index) as writer:
        writer.add(documents(["x"]), split=False)

        def hash_beside_a_writer(path):
            if path.name.startswith("dead-rows"):
                monkeypatch.setattr(file_checks, "sha256_of", hash_file)
                writer.update(documents(["x"]), split=False)
                monkeypatch.setattr(file_checks, "sha256_of", hash_beside_a_writer)
            return hash_file(path)

        monkeypatch.setattr(file_checks, "sha256_of", hash_beside_a_writer)
        with pytest.raises(IndexBusy, match=r"changed by its writer during each of 10 tries.*less busy"):
            opened(index)


class Gate(HashEmbedder):
    """A model that waits, once it was asked, until it is let go on."""

    def __init__(self):
        self.asked, self.go_on = threading.Event(), threading.Event()

    def embed_documents(self, texts):
        """float32 (n, 32), when it is let."""
        self.asked.set()
        assert self.go_on.wait(60)
        return super().embed_documents(texts)


def test_refresh_does_not_wait_for_texts_that_are_embedded(folder, ram):
    """While another thread's `add` is at the model, refresh returns the version that lies there."""
    gate = Gate()
    index = open_index(copy_of(folder, ram / "index"), embedder=gate)
    adding = threading.Thread(target=lambda: index.add(documents(["slow"]), split=False))
    adding.start()
    assert gate.asked.wait(60)
    assert index.refresh() == 1
    assert adding.is_alive()
    gate.go_on.set()
    adding.join()
    assert (index.version, index.refresh()) == (2, 2)


def test_refresh_never_puts_an_older_version_in_the_place_of_a_newer(folder, ram, monkeypatch):
    """A version that was read before a change ended is read again, not served."""
    with opened(copy_of(folder, ram / "index")) as index:
        read = opened_module.open_snapshot
        once = iter([True])

        def read_beside_a_writer(root, verify):
            snapshot = read(root, verify)
            if next(once, False):
                index.add(documents(["x"]), split=False)
            return snapshot

        monkeypatch.setattr(opened_module, "open_snapshot", read_beside_a_writer)
        assert index.refresh() == 2
        assert index.search(question("x"), 1)[0].id == "x"


def test_an_index_that_nobody_holds_any_more_gives_the_lock_back(folder, ram):
    """At once, not when the garbage collector finds a cycle."""
    gc.disable()
    try:
        index = opened(copy_of(folder, ram / "index"))
        index.add(documents(["x"]), split=False)
        del index
        with opened(ram / "index") as other:
            assert other.add(documents(["y"]), split=False).version == 3
    finally:
        gc.enable()
