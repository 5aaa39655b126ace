"""Builds a finalist shard by shard in processes that kill themselves; it starts once and forks one for every build.

Usage: build_child.py FOLDER TASKS: every task is a list of the steps on the file system at which the processes that
build in one store at the same time end by SIGKILL (0: never), written as JSON; the store of task i is FOLDER/i. What
they trained and encoded goes into FOLDER/i.log: `begin WHAT`, and `end WHAT` when it is whole. One line of JSON
per task on standard output: the exit statuses and the number of steps of the last process.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path

import faiss

from ragopt.artifacts import ArtifactStore
from ragopt.sweep import streamed_build
from ragopt.sweep.built_finalist import build_finalist
from tests.built_example import KILLED, PLAN, data_in, small_steps

STEPS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Steps:
    """Counts changes of a file system below a store and kills the process at one of them."""

    def __init__(self, store: Path, kill_at: int) -> None:
        """Count from now on."""
        self.n, self.kill_at, self.inside = 0, kill_at, f"{store}{os.sep}"
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple) -> None:
        changes = event in STEPS and (event != "open" or (arguments[2] or 0) & WRITES)
        if changes and self.inside in str(arguments[0]):
            self.n += 1
            if self.n == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)


def note(log: Path, what: str) -> None:
    """One line, at once."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{what}\n".encode())
    os.close(descriptor)


def build(store: Path, data: object, kill_at: int) -> int:
    """Build in this process; the number of steps."""
    log, whole = store.with_suffix(".log"), streamed_build.whole_folder

    def noted(folder: Path, fill: object) -> None:
        what = f"{folder.parent.parent.parent.parent.name} {folder.name}"
        note(log, f"begin {what}")
        whole(folder, fill)
        note(log, f"end {what}")

    streamed_build.whole_folder = noted
    steps = Steps(store, kill_at)
    build_finalist(ArtifactStore(store), data, KILLED, PLAN)
    return steps.n


def forked(store: Path, data: object, kill_at: int, answer: int) -> int:
    """The id of a process that builds and says how many steps that took."""
    child = os.fork()
    if child == 0:
        try:
            os.write(answer, f"{build(store, data, kill_at)}\n".encode())
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a forked process must not go on as its parent
            traceback.print_exc()
            os._exit(1)
    return child


def main() -> None:
    """Do all tasks."""
    folder = Path(sys.argv[1])
    faiss.omp_set_num_threads(1)
    small_steps()
    data = data_in(folder / "data")
    for number, kills in enumerate(json.loads(sys.argv[2])):
        reader, writer = os.pipe()
        children = [forked(folder / str(number), data, kill_at, writer) for kill_at in kills]
        statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        os.close(writer)
        with os.fdopen(reader) as answers:
            steps = answers.read().split()
        os.write(1, (json.dumps({"statuses": statuses, "steps": steps}) + "\n").encode())


if __name__ == "__main__":
    main()
