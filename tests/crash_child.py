"""Does changes to served folders in processes that are killed; it starts once and forks one for every task.

A task is one line of JSON on standard input: `folder`, `operations`, and `kill_at`, the number of the step on the file
system at which the process kills itself with SIGKILL (0: never; it may be killed from outside). What happens goes out
line by line on standard output, a pipe: `begin PID`, `step WHAT`, `done N` when operation N has returned and is so
acknowledged, `ended STATUS`.
"""

import json
import os
import signal
import sys
import traceback
import warnings
from pathlib import Path

import faiss
import lancedb  # noqa: F401 - once, for all that are forked

import ragopt.serve.compaction
import ragopt.serve.writer  # noqa: F401 - as above
from tests.small_served import build, given_documents, opened

STEPS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "shutil.copyfile", "os.truncate")
"""Audit events of Python that change a file system, `open` among them when it writes (sys.addaudithook)."""
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def tell(*words: object) -> None:
    """One line on the pipe, whole: it is shorter than PIPE_BUF."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Steps:
    """Tells of every step on the file system below a folder before it is done, and kills the process at one of them."""

    def __init__(self, folder: Path, kill_at: int) -> None:
        """Count from now on."""
        self.n, self.kill_at, self.names = 0, kill_at, (str(folder), f".{folder.name}.")
        self.fsync = os.fsync
        os.fsync = self._flushed
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple) -> None:
        changes = event in STEPS and (event != "open" or arguments[2] & WRITES)
        if changes and any(name in str(arguments[0]) for name in self.names):
            self._step(event, Path(str(arguments[0])).name)

    def _flushed(self, descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        self._step("fsync", name)
        self.fsync(descriptor)
        self._step("fsynced", name)

    def _step(self, event: str, name: str) -> None:
        self.n += 1
        tell("step", event, name)
        if self.n == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def done(operation: list, folder: Path, index: object) -> object:
    """Do one operation: build, add, update, delete, compact; the opened index, if any."""
    kind, given = operation
    if kind == "build":
        build(Path(given), folder)
        return None
    index = index or opened(folder, "quick")
    if kind in ("add", "update"):
        change = index.add if kind == "add" else index.update
        change(given_documents(given), split=False)
    elif kind == "delete":
        index.delete(given)
    else:
        index.compact()
    return index


def run(task: dict) -> None:
    """Do a task's operations in a folder of its own."""
    folder, index = Path(task["folder"]), None
    if task["operations"][0][0] != "build":
        index = opened(folder, "quick")
    Steps(folder, task["kill_at"])
    for number, operation in enumerate(task["operations"]):
        tell("begin", os.getpid())
        index = done(operation, folder, index)
        tell("done", number)


def main() -> None:
    """Fork a process per task."""
    faiss.omp_set_num_threads(1)
    warnings.simplefilter("ignore")  # that lancedb's support of forks is experimental
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            status = 1
            try:
                run(json.loads(line))
                status = 0
            except Exception:  # noqa: BLE001 - whatever it was, it is shown, and the status tells of it
                traceback.print_exc()
            finally:
                os._exit(status)
        tell("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    main()
