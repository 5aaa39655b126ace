"""A setting of the whole process that several threads ask for: the first changes it, the last gives it back."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class ProcessSetting:
    """Counts the threads that want a setting of a library to differ from what it was."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._give_back: Callable[[], None] = lambda: None

    @contextlib.contextmanager
    def held(self, change: Callable[[], Callable[[], None]]) -> Iterator[None]:
        """Keep a setting changed while any thread is inside.

        Args:
            change: sets it, and returns what gives back the setting of before; called by the first thread alone.
        """
        with self._lock:
            if self._inside == 0:
                self._give_back = change()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._give_back()
