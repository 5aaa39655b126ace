"""A writer that is killed at any moment leaves the state before or after its change, whole."""

import random
import shutil

import pytest

from tests.killed import Writers, after, copy_of, whole
from tests.small_served import N_BASE, PCA_TRIAL, all_documents, build, given_documents, opened

OPERATIONS = {
    "add": ["add", {f"n{number}": f"new text {number}" for number in range(20)}],
    "update": ["update", {"a1": "another text", "b7": "no longer a vector alone", "n1": "new"}],
    "delete": ["delete", ["a2", "b3", "b4", "missing"]],
    "compact": ["compact", None],
}
STEP_KILLS, TIMED_KILLS = 9, 4
"""Kills per operation: at steps on the file system spread evenly over all, and at random times of its duration, which
land within Lance too. With those of builds and of rows of changes they are some eighty."""
BUILT = {f"b{number}": "" for number in range(N_BASE)}


@pytest.fixture(scope="module")
def writers():
    """A process that forks writers, for all tests."""
    forking = Writers()
    yield forking
    forking.close()


@pytest.fixture(scope="module")
def before(small, tmp_path_factory):
    """A folder with a base, an appended segment, deletions and metadata; and its documents."""
    folder = build(small, tmp_path_factory.mktemp("before") / "index")
    with opened(folder) as index:
        index.add(given_documents({f"a{number}": f"text of a{number}" for number in range(5)}), split=False)
        index.delete(["a0", "b0"])
        return folder, all_documents(index)


def kills(ended, n_steps, n_times, seed):
    """Where to kill an operation that ended so when nobody killed it: steps spread evenly, and random times."""
    last = len(ended.steps)
    at_steps = sorted({1 + number * (last - 1) // (n_steps - 1) for number in range(n_steps)})
    rng = random.Random(seed)
    return [{"kill_at": step} for step in at_steps] + [
        {"kill_after_s": rng.uniform(0, ended.seconds)} for _ in range(n_times)
    ]


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_writer_killed_at_any_step_leaves_the_state_before_or_after(name, writers, before, ram):
    """SIGKILL at steps on the file system and at random times: reopening finds one of two states, whole."""
    folder, state = before
    operation = OPERATIONS[name]
    states = (state, after(state, operation))
    ended = writers.run(copy_of(folder, ram / "index"), [operation])
    assert (ended.status, ended.n_done) == (0, 1)
    whole(ram / "index", states[1:])
    landed, found = [], []
    for number, kill in enumerate(kills(ended, STEP_KILLS, TIMED_KILLS, name)):
        ended = writers.run(copy_of(folder, ram / "index"), [operation], **kill)
        assert ended.killed or ended.n_done
        found.append(whole(ram / "index", states[1:] if ended.n_done else states, compact=not number % 3))
        landed += [ended.steps[-1]] if ended.steps and not ended.n_done else []
    # Most kills land inside the operation, at many places, on both sides of the commit point.
    assert len(landed) > STEP_KILLS / 2
    assert len({step.split()[0] for step in landed}) >= 4
    assert all(state in found for state in states)


def test_nothing_acknowledged_is_lost_in_a_row_of_changes(writers, before, ram):
    """A writer killed in the midst of many changes has kept every one that had returned."""
    folder, state = before
    rng, seconds, n_done = random.Random(5), 0.0, []
    for round_number in range(9):
        operations = [["add", {f"r{n}": f"text {n} of {round_number}" for n in range(3)}]]
        operations += [["update", {f"r{rng.randrange(6)}": f"update {n}"}] for n in range(4)]
        operations += [["delete", ["r0", f"b{rng.randrange(N_BASE)}"]], ["compact", None], ["add", {"z": "last"}]]
        kill = {"kill_after_s": rng.uniform(0, seconds)} if seconds else {}
        ended = writers.run(copy_of(folder, ram / "index"), operations, **kill)
        assert ended.status == 0 or ended.killed
        seconds = seconds or ended.seconds
        n_done.append(ended.n_done)
        states = [state]
        for operation in operations:
            states.append(after(states[-1], operation))
        whole(ram / "index", states[ended.n_done : ended.n_done + 2])
    assert len(set(n_done)) >= 3


@pytest.mark.parametrize("over", [False, True], ids=["new", "over an index"])
def test_a_build_that_is_killed_leaves_nothing_or_the_old_index(over, writers, small, before, ram):
    """SIGKILL during a build: the folder is the old one, or the new one whole; the next build removes what is left."""
    folder, state = before
    out = ram / "index"

    def started():
        shutil.rmtree(out, ignore_errors=True)
        return copy_of(folder, out) if over else out

    ended = writers.run(started(), [["build", str(small)]])
    assert (ended.status, ended.n_done) == (0, 1)
    n_old = 0
    for number, kill in enumerate(kills(ended, 7, 3, over)):
        ended = writers.run(started(), [["build", str(small)]], **kill)
        assert ended.killed or ended.n_done
        if over or out.exists():
            found = all_documents(opened(out, "full"))
            assert found == BUILT or (over and found == state and not ended.n_done)
            n_old += found == state
        if over and not number % 2:
            whole(out, [found])
        build(small, out)
        assert [path.name for path in ram.iterdir()] == ["index"]
        whole(out, [BUILT], compact=False)
    assert bool(n_old) == over


def test_a_trial_with_a_rotation_survives_kills_too(writers, small, ram):
    """The same for an index in a pca space, whose rotation is a file of its own."""
    out = build(small, ram / "built", PCA_TRIAL)
    states = [all_documents(opened(out))]
    operations = [["add", {"p": "a text"}], ["compact", None], ["delete", ["b1"]]]
    for operation in operations:
        states.append(after(states[-1], operation))
    ended = writers.run(copy_of(out, ram / "index"), operations)
    for kill in kills(ended, 7, 0, 0)[1:-1]:
        ended = writers.run(copy_of(out, ram / "index"), operations, **kill)
        assert ended.killed
        whole(ram / "index", states[ended.n_done : ended.n_done + 2], compact=False)
