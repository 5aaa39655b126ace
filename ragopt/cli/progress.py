"""Progress on standard error: bars in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
from typing import Self

LINE_SECONDS = 10.0
"""Least time between two plain lines of one phase: a log stays short, and a watcher sees life."""


class TerminalProgress:
    """A Progress (see `ragopt.sweep.progress`) that draws with rich, or writes lines when nobody watches."""

    def __init__(self, *, quiet: bool = False) -> None:
        """Write to standard error; `quiet` writes nothing but keeps counting."""
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            console=self.console, disable=not self.console.is_terminal or quiet,
        )  # fmt: skip

    def __enter__(self) -> Self:
        """Start drawing."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing and leave the cursor on a fresh line."""
        self._bars.stop()

    def notice(self, text: str) -> None:
        """Say something above the bars."""
        self.console.print(escape(text), soft_wrap=not self.console.is_terminal)

    def phase(self, name: str, title: str) -> Callable[[int, int], None]:
        """Begin a phase: a bar of its own, or a line that names it."""
        if self.console.is_terminal:
            task = self._bars.add_task(escape(title), total=None)
            return lambda done, total: self._draw(task, done, total)
        self.notice(f"[{name}] {title}")
        return _Lines(self, name).report

    def _draw(self, task: TaskID, done: int, total: int) -> None:
        self._bars.update(task, completed=done, total=total or None)


class _Lines:
    """Plain progress lines of one phase, at most one in `LINE_SECONDS` and one at its end."""

    def __init__(self, progress: TerminalProgress, name: str) -> None:
        self.progress, self.name = progress, name
        self.last = time.monotonic()

    def report(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.last >= LINE_SECONDS and done != total:
            self.last = now
            self.progress.notice(f"[{self.name}] {done:,} of {total:,}" if total else f"[{self.name}] {done:,}")
