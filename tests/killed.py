"""Starts writers of served folders that are killed, and checks what they leave."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragopt.serve.layout import MUTABLE
from tests.helpers import ROOT
from tests.small_served import all_documents, given_documents, opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ragopt.serve.opened import Index

    Operation = list[Any]
    State = dict[str, str]


@dataclass
class Ended:
    """How a writer ended: exit status, operations acknowledged, steps on the file system that it came to, seconds."""

    status: int = 0
    n_done: int = 0
    seconds: float = 0.0
    steps: list[str] = field(default_factory=list)

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.status == -signal.SIGKILL


class Writers:
    """The process that forks writers; all of them tell of what they do on one pipe."""

    def __init__(self) -> None:
        """Start it."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "tests" / "crash_child.py"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT,
        )  # fmt: skip

    def run(
        self, folder: Path, operations: Sequence[Operation], *, kill_at: int = 0, kill_after_s: float | None = None
    ) -> Ended:
        """Run operations in a process of their own; `kill_after_s` counts from the beginning of the first one."""
        task = {"folder": str(folder), "operations": operations, "kill_at": kill_at}
        print(json.dumps(task), file=self.process.stdin, flush=True)
        ended, start = Ended(), 0.0
        for line in iter(self.process.stdout.readline, ""):
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "begin" and not start:
                start = time.perf_counter()
                if kill_after_s is not None:
                    time.sleep(kill_after_s)
                    with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                        os.kill(int(rest), signal.SIGKILL)
            elif word == "step":
                ended.steps.append(rest)
            elif word == "done":
                ended.n_done += 1
                ended.seconds = time.perf_counter() - start
            elif word == "ended":
                ended.status = int(rest)
                return ended
        raise AssertionError("the process that forks writers has ended")

    def close(self) -> None:
        """End it."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def after(state: State, operation: Operation) -> State:
    """The documents that an operation leaves."""
    kind, given = operation
    if kind in ("add", "update"):
        return {**state, **given}
    return {name: text for name, text in state.items() if name not in given} if kind == "delete" else state


def copy_of(folder: Path, target: Path) -> Path:
    """A fresh copy at a place that may hold another."""
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(folder, target))


def whole(folder: Path, allowed: Iterable[State], *, compact: bool = True) -> State:
    """Open with every checksum, compare with one of the allowed states, search, go on writing; what was found.

    With `compact`, a compaction then leaves no file that the manifest does not name.
    """
    with opened(folder, "full") as index:
        found = all_documents(index)
        assert found in allowed
        _searched(index, found)
        index.add(given_documents({"later": "a text after the kill"}), split=False)
        now = {**found, "later": "a text after the kill"}
        assert all_documents(index) == now
        if compact:
            index.compact()
            _searched(index, now)
    again = opened(folder, "full")
    assert all_documents(again) == now
    if compact:
        named = {"manifest.json", "acknowledged.json", "writer.lock", *again.manifest.files}
        named.add(f"gen-{again.manifest.generation:06d}/generation.lock")
        left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - named
        left = {name for name in left if not name.endswith(MUTABLE)}
        assert not left, sorted(left)
    return found


def _searched(index: Index, now: State) -> None:
    """Every document that has a text is the first hit of that text, and no search finds anything else."""
    texts = {name: text for name, text in now.items() if text}
    hits = index.search(list(texts.values()), k=3)
    assert [(some[0].document, some[0].text) for some in hits] == list(texts.items())
    [every] = index.search(["anything"], k=len(now) + 10)
    assert {hit.document for hit in every} <= set(now)
    assert index.n_chunks == len(now)
    assert len(every) > len(now) * 0.9  # FastScan leaves out rows whose sum is the least there can be
