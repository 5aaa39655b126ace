"""How a sweep tells what it is doing: phases with counts, and notices."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

Phase = str
PHASES = ("corpus", "embed", "queries", "exact", "select", "confirm", "report")


class Progress(Protocol):
    """Listens to a sweep; the command line draws bars, the Python API may ignore everything."""

    def phase(self, name: Phase, title: str) -> Callable[[int, int], None]:
        """Begin a phase; the returned function takes (done, total), total 0 while it is unknown."""

    def notice(self, text: str) -> None:
        """Say something that the user should know now."""


class Silent:
    """A Progress that says nothing."""

    def phase(self, name: Phase, title: str) -> Callable[[int, int], None]:
        """Ignore the phase."""
        del name, title
        return lambda _done, _total: None

    def notice(self, text: str) -> None:
        """Ignore the notice."""


class Timed:
    """A Progress that passes everything on and keeps the wall seconds of each phase, until the next one begins."""

    def __init__(self, inner: Progress) -> None:
        """Pass everything on to `inner`."""
        self._inner = inner
        self._began = time.perf_counter()
        self._phase = "start"
        self._seconds: dict[str, float] = {}

    def phase(self, name: Phase, title: str) -> Callable[[int, int], None]:
        """Close the running phase and begin another."""
        self._close()
        self._phase = name
        return self._inner.phase(name, title)

    def notice(self, text: str) -> None:
        """Pass a notice on."""
        self._inner.notice(text)

    def _close(self) -> None:
        now = time.perf_counter()
        self._seconds[self._phase] = self._seconds.get(self._phase, 0.0) + now - self._began
        self._began = now

    def seconds(self) -> dict[str, float]:
        """Wall seconds by phase so far, to the millisecond."""
        self._close()
        return {name: round(value, 3) for name, value in self._seconds.items()}
