"""A writer that is killed at any moment, or meets a full disk, leaves the state before or after its change, whole."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest

from ragopt.errors import StorageError
from ragopt.serve.layout import MUTABLE
from tests.crash_child import given_documents
from tests.helpers import ROOT
from tests.small_served import N_BASE, PCA_TRIAL, all_documents, build, documents, opened, small_run

STEP_KILLS, TIMED_KILLS = 12, 8
"""Kills per operation: at steps spread evenly over all of them, and at random times of its duration."""

OPERATIONS = {
    "add": ["add", {f"n{number}": f"new text {number}" for number in range(20)}],
    "update": ["update", {"a1": "another text", "b7": "no longer a vector alone", "n1": "new"}],
    "delete": ["delete", ["a2", "b3", "b4", "missing"]],
    "compact": ["compact", None],
}


class Children:
    """The process that forks writers."""

    def __init__(self):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "tests" / "crash_child.py"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT,
        )  # fmt: skip

    def run(self, folder, operations, *, kill_at=0, kill_after_s=None):
        """Run operations in a process; (exit status, lines of its log).

        `kill_after_s` counts from the beginning of the first operation.
        """
        log = folder.with_name(f"{folder.name}.log")
        log.unlink(missing_ok=True)
        task = {"folder": str(folder), "operations": operations, "log": str(log), "kill_at": kill_at}
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        pid = int(self.process.stdout.readline())
        if kill_after_s is not None:
            while not log.exists() or not log.stat().st_size:
                time.sleep(0.0005)
            time.sleep(kill_after_s)
            os.kill(pid, signal.SIGKILL)
        status = int(self.process.stdout.readline())
        return status, [line.split() for line in log.read_text().splitlines()]


@pytest.fixture(scope="module")
def children():
    """A process that forks writers, for all tests."""
    forking = Children()
    yield forking
    forking.process.stdin.close()
    forking.process.wait()
    forking.process.stdout.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small finished run."""
    return small_run(tmp_path_factory.mktemp("swept"))


@pytest.fixture(scope="module")
def before(run, tmp_path_factory):
    """A folder with a base, an appended segment, deletions and metadata; and its documents."""
    folder = build(run, tmp_path_factory.mktemp("before") / "index")
    with opened(folder) as index:
        index.add(given_documents({f"a{number}": f"text of a{number}" for number in range(5)}), split=False)
        index.delete(["a0", "b0"])
        return folder, all_documents(index)


def after(state, operation):
    """The documents that an operation leaves."""
    kind, given = operation
    if kind in ("add", "update"):
        return {**state, **given}
    if kind == "delete":
        return {name: text for name, text in state.items() if name not in given}
    return {f"b{number}": "" for number in range(N_BASE)} if kind == "build" else state


def whole(folder, allowed):
    """Open with every checksum, compare with one of the allowed states, search, go on writing, and clean up."""
    with opened(folder, "full") as index:
        now = all_documents(index)
        assert now in allowed
        found(index, now)
        later = {"later": "a text after the kill"}
        index.add(given_documents(later), split=False)
        now = {**now, **later}
        assert all_documents(index) == now
        index.compact()
        found(index, now)
    assert all_documents(opened(folder, "full")) == now
    named = {"manifest.json", "acknowledged.json", "writer.lock", *index.manifest.files}
    named.add(f"gen-{index.manifest.generation:06d}/generation.lock")
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - named
    assert not [name for name in left if not name.endswith(MUTABLE)]


def found(index, now):
    """Every document that has a text is the first hit of that text, and no search finds anything else."""
    texts = {name: text for name, text in now.items() if text}
    hits = index.search(list(texts.values()), k=3)
    assert [(some[0].document, some[0].text) for some in hits] == list(texts.items())
    [every] = index.search(["anything"], k=len(now) + 10)
    assert {hit.document for hit in every} <= set(now)
    assert index.n_chunks == len(now)
    assert len(every) > len(now) * 0.9  # FastScan leaves out rows whose sum is the least there can be


def copy_of(folder, tmp_path):
    """A fresh copy."""
    target = tmp_path / "index"
    shutil.rmtree(target, ignore_errors=True)
    return shutil.copytree(folder, target)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_writer_killed_at_any_step_leaves_the_state_before_or_after(name, children, before, tmp_path):
    """SIGKILL at steps on the file system and at random times: reopening finds one of two states, whole."""
    folder, state = before
    operation = OPERATIONS[name]
    states = (state, after(state, operation))
    status, log = children.run(copy_of(folder, tmp_path), [operation])
    assert status == 0
    whole(tmp_path / "index", states[1:])
    n_steps, seconds = int(log[1][3]), float(log[1][2]) - float(log[0][2])
    at_steps = sorted({1 + number * (n_steps - 1) // (STEP_KILLS - 1) for number in range(STEP_KILLS)})
    rng = random.Random(name)
    kills = [{"kill_at": step} for step in at_steps]
    kills += [{"kill_after_s": rng.uniform(0, seconds)} for _ in range(TIMED_KILLS)]
    inside = 0
    for kill in kills:
        status, log = children.run(copy_of(folder, tmp_path), [operation], **kill)
        acknowledged = log[-1][0] == "done"
        assert status == -signal.SIGKILL or acknowledged
        inside += not acknowledged
        whole(tmp_path / "index", states[1:] if acknowledged else states)
    assert inside >= len(at_steps)


def test_nothing_acknowledged_is_lost_in_a_row_of_changes(children, before, tmp_path):
    """A writer killed in the midst of many changes has kept every one that had returned."""
    folder, state = before
    rng = random.Random(5)
    for round_number in range(8):
        operations = [["add", {f"r{n}": f"text {n} of {round_number}" for n in range(3)}]]
        operations += [["update", {f"r{rng.randrange(6)}": f"update {n}"}] for n in range(4)]
        operations += [["delete", ["r0", f"b{rng.randrange(N_BASE)}"]], ["compact", None], ["add", {"z": "last"}]]
        copy_of(folder, tmp_path)
        status, log = children.run(tmp_path / "index", operations, kill_after_s=rng.uniform(0, 1.0))
        assert status in (0, -signal.SIGKILL)
        states = [state]
        for operation in operations:
            states.append(after(states[-1], operation))
        n_done = sum(line[0] == "done" for line in log)
        whole(tmp_path / "index", states[n_done : n_done + 2])


@pytest.mark.parametrize("over", [False, True], ids=["new", "over an index"])
def test_a_build_that_is_killed_leaves_nothing_or_the_old_index(over, children, run, before, tmp_path):
    """SIGKILL during a build: the folder is the old one, or the new one whole; the next build removes what is left."""
    folder, state = before
    out, new = tmp_path / "index", after({}, ["build", None])
    operation = ["build", str(run)]

    def started():
        shutil.rmtree(out, ignore_errors=True)
        return copy_of(folder, tmp_path) if over else out

    status, log = children.run(started(), [operation])
    assert status == 0
    n_steps, seconds = int(log[1][3]), float(log[1][2]) - float(log[0][2])
    rng = random.Random(over)
    kills = [{"kill_at": 1 + number * (n_steps - 1) // 9} for number in range(10)]
    kills += [{"kill_after_s": rng.uniform(0, seconds)} for _ in range(6)]
    for kill in kills:
        status, log = children.run(started(), [operation], **kill)
        acknowledged = log[-1][0] == "done"
        assert status == -signal.SIGKILL or acknowledged
        if acknowledged:
            assert all_documents(opened(out)) == new
        elif over:
            assert all_documents(opened(out)) in (state, new)
        elif out.exists():
            assert all_documents(opened(out)) == new
        build(run, out)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "index.log"]
        whole(out, [new])


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_disk_that_is_full_keeps_the_old_state(name, before, tmp_path):
    """Whatever file no longer fits, Lance's own included, the change is a StorageError and nothing has changed."""
    folder, state = before
    operation, failed = OPERATIONS[name], 0
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (0, 90, 150, 500, 700, 800, 1000, 1500, 2000, 3000, 5000, 9000, 13000, 1 << 20):
        index = opened(copy_of(folder, tmp_path), "quick")
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, unlimited[1]))
        try:
            change(index, operation)
        except StorageError as error:
            failed += 1
            assert error.next_step
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
            assert all_documents(index) == state
            change(index, operation)  # the same writer goes on
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        index.close()
        whole(tmp_path / "index", [after(state, operation)])
    assert failed >= 10


def change(index, operation):
    kind, given = operation
    if kind in ("add", "update"):
        return getattr(index, kind)(given_documents(given), split=False)
    return index.delete(given) if kind == "delete" else index.compact()


def test_a_full_disk_at_any_step_of_a_change_is_a_storage_error(before, tmp_path, monkeypatch):
    """ENOSPC from the n-th flush, for every n: a StorageError and the old state, until the last file is written."""
    folder, state = before
    real, outcomes = os.fsync, []
    for fail_at in range(1, 40):
        index, count = opened(copy_of(folder, tmp_path), "quick"), 0

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
        now = all_documents(opened(folder if not outcomes else tmp_path / "index"))
        assert now in (state, {**state, "full": "text of full"})
        if outcomes[-1]:
            break
    assert outcomes.count(True) == 1
    assert len(outcomes) > 10


def test_a_failure_behind_the_commit_point_is_followed(before, tmp_path, monkeypatch):
    """A change that fails after its manifest is in place has come about: the writer goes on from there."""
    folder, state = before
    index = opened(copy_of(folder, tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr("ragopt.serve.commit.make_current", fails_after_the_manifest())
        with pytest.raises(StorageError):
            index.add(documents(["half"]), split=False)
    now = {**state, "half": "text of half"}
    assert all_documents(index) == now
    index.add(documents(["next"]), split=False)
    assert all_documents(opened(folder=tmp_path / "index")) == {**now, "next": "text of next"}


def fails_after_the_manifest():
    from ragopt.serve import manifest as module

    def make_current(root, manifest):
        module.make_current(root, manifest)
        raise StorageError("cannot write", next_step="try again")

    return make_current


def test_a_trial_with_a_rotation_survives_kills_too(children, run, tmp_path):
    """The same for an index in a pca space, whose rotation is a file of its own."""
    out = build(run, tmp_path / "index", PCA_TRIAL)
    state = all_documents(opened(out))
    operations = [["add", {"p": "a text"}], ["compact", None], ["delete", ["b1"]]]
    status, log = children.run(out, operations, kill_at=45)
    n_done = sum(line[0] == "done" for line in log)
    assert status == -signal.SIGKILL
    states = [state]
    for operation in operations:
        states.append(after(states[-1], operation))
    whole(out, states[n_done : n_done + 2])
