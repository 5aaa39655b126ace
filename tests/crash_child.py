"""Does changes to served folders in processes that are killed; it starts once and forks one for every task.

A task is one line of JSON on standard input: `folder`, `operations`, `log`, and `kill_at`, the number of the step on the
file system at which the process kills itself with SIGKILL (0: never; it is killed from outside). A line of the process's
id goes out when it is forked, one of its exit status when it has ended. The log gets a line when an operation begins and
one when it has returned: what has such a line was acknowledged.
"""

import json
import os
import signal
import sys
import time
import warnings
from pathlib import Path

from tests.small_served import HashEmbedder, build, opened

STEPS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "shutil.copyfile")
"""Audit events of Python that change a file system, `open` among them when it writes (sys.addaudithook)."""


class Steps:
    """Counts steps on the file system below a folder, and kills the process at one of them."""

    def __init__(self, folder: Path, kill_at: int) -> None:
        """Count from now on."""
        self.n, self.kill_at, self.names = 0, kill_at, (str(folder), f".{folder.name}.")
        self.fsync = os.fsync
        os.fsync = self._flushed
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple) -> None:
        if event in STEPS and any(name in str(arguments[0]) for name in self.names):
            if event != "open" or arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self._step()

    def _flushed(self, descriptor: int) -> None:
        self._step()
        self.fsync(descriptor)
        self._step()

    def _step(self) -> None:
        self.n += 1
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


def given_documents(texts: dict[str, str]) -> list:
    """Documents of ids and texts."""
    from ragopt.corpus.records import Document

    return [Document(name, "", text, {"length": len(text)}) for name, text in texts.items()]


def run(task: dict) -> None:
    """Do a task's operations in a folder of its own."""
    folder, index = Path(task["folder"]), None
    log = os.open(task["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    if task["operations"][0][0] != "build":
        index = opened(folder, "quick")
    steps = Steps(folder, task["kill_at"])
    for number, operation in enumerate(task["operations"]):
        os.write(log, f"begin {number} {time.monotonic()} {steps.n}\n".encode())
        index = done(operation, folder, index)
        os.write(log, f"done {number} {time.monotonic()} {steps.n}\n".encode())


def main() -> None:
    """Fork a process per task."""
    import lancedb  # noqa: F401 - once, for all that are forked

    HashEmbedder().embed_queries(["once"])
    warnings.simplefilter("ignore")  # that lancedb's support of forks is experimental
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            status = 1
            try:
                run(json.loads(line))
                status = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                os._exit(status)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
