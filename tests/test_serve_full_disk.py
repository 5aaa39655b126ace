"""A writer that meets a full disk, or fails behind its commit point, leaves the state before or after, whole."""

import gc
import os
import resource

import pytest

from ragopt.errors import StorageError
from ragopt.serve import manifest as manifest_module
from tests.killed import after, copy_of, whole
from tests.small_served import all_documents, build, documents, given_documents, opened

OPERATIONS = {
    "add": ["add", {f"n{number}": f"new text {number}" for number in range(20)}],
    "update": ["update", {"a1": "another text", "b7": "no longer a vector alone", "n1": "new"}],
    "delete": ["delete", ["a2", "b3", "b4", "missing"]],
    "compact": ["compact", None],
}
LIMITS = (0, 150, 700, 1000, 2000, 5000, 13000, 1 << 20)
"""Lengths in bytes that no file may exceed: between those of the files that a change writes."""


@pytest.fixture(scope="module")
def before(small, tmp_path_factory):
    """A folder with a base, an appended segment, deletions and metadata; and its documents."""
    folder = build(small, tmp_path_factory.mktemp("before") / "index")
    with opened(folder) as index:
        index.add(given_documents({f"a{number}": f"text of a{number}" for number in range(5)}), split=False)
        index.delete(["a0", "b0"])
        return folder, all_documents(index)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_disk_that_is_full_keeps_the_old_state(name, before, ram):
    """Whatever file no longer fits, Lance's own included, the change is a StorageError and nothing has changed."""
    folder, state = before
    operation, failed = OPERATIONS[name], 0
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    for n, limit in enumerate(LIMITS):
        index = opened(copy_of(folder, ram / "index"), "quick")
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, unlimited[1]))
        try:
            change(index, operation)
        except StorageError:
            failed += 1
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
            assert all_documents(index) == state
            change(index, operation)  # the same writer goes on
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        index.close()
        del index  # its generation is in use as long as somebody holds it: the frames of the error's traceback do
        gc.collect()
        whole(ram / "index", [after(state, operation)], compact=not n % 4)
    assert failed >= 6


def change(index, operation):
    kind, given = operation
    if kind in ("add", "update"):
        return getattr(index, kind)(given_documents(given), split=False)
    return index.delete(given) if kind == "delete" else index.compact()


def test_a_full_disk_at_any_step_of_a_change_is_a_storage_error(before, ram, monkeypatch):
    """ENOSPC from the n-th flush, for every n: a StorageError and the old state, until the last file is written."""
    folder, state = before
    real, outcomes = os.fsync, []
    for fail_at in range(1, 40):
        index, count = opened(copy_of(folder, ram / "index"), "quick"), 0

        def fsync(descriptor, fail_at=fail_at):
            nonlocal count
            count += 1
            if count == fail_at:
                raise OSError(28, "No space left on device")
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        try:
            index.add(documents(["full"]), split=False)
            outcomes.append(True)
        except StorageError:
            outcomes.append(False)
        monkeypatch.setattr(os, "fsync", real)
        index.close()
        now = all_documents(opened(ram / "index"))
        assert now in (state, {**state, "full": "text of full"})
        if outcomes[-1]:
            break
    assert outcomes.count(True) == 1
    assert len(outcomes) > 10


def test_a_failure_behind_the_commit_point_is_followed(before, ram, monkeypatch):
    """A change that fails after its manifest is in place has come about: the writer goes on from there."""
    folder, state = before
    index = opened(copy_of(folder, ram / "index"))
    with monkeypatch.context() as patch:
        patch.setattr("ragopt.serve.commit.make_current", fails_after_the_manifest())
        with pytest.raises(StorageError):
            index.add(documents(["half"]), split=False)
    now = {**state, "half": "text of half"}
    assert all_documents(index) == now
    index.add(documents(["next"]), split=False)
    assert all_documents(opened(ram / "index")) == {**now, "next": "text of next"}


def fails_after_the_manifest():
    def make_current(root, manifest):
        manifest_module.make_current(root, manifest)
        raise StorageError("cannot write", next_step="try again")

    return make_current
