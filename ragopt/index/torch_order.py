"""Let torch add in a fixed order, so that the same seed gives the same centroids on a GPU."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_lock = threading.Lock()
_depth = 0
_before = (False, False)


@contextlib.contextmanager
def fixed_order(torch: Any) -> Iterator[None]:
    """Ask for torch's deterministic algorithms while any thread is inside, and give the setting back after the last.

    The setting is one for the process, and several indexes may be trained at once.
    """
    global _depth, _before  # noqa: PLW0603 - torch's setting is one for the process, so is this count
    with _lock:
        if _depth == 0:
            _before = (
                torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled(),
            )  # fmt: skip
            torch.use_deterministic_algorithms(mode=True)
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                torch.use_deterministic_algorithms(mode=_before[0], warn_only=_before[1])
