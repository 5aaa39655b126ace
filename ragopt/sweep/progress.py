"""How a sweep tells what it is doing: phases with counts, and notices."""

from __future__ import annotations

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
