"""Let torch add in a fixed order, so that the same seed gives the same centroids on a GPU."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ragopt.index.process_setting import ProcessSetting

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

_order = ProcessSetting()


def fixed_order(torch: Any) -> AbstractContextManager[None]:
    """Ask for torch's deterministic algorithms while any thread is inside, and give the setting back after the last.

    The setting is one for the process, and several indexes may be trained at once.
    """
    return _order.held(partial(_fix, torch))


def _fix(torch: Any) -> Callable[[], None]:
    mode, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.use_deterministic_algorithms(mode=True)
    return partial(torch.use_deterministic_algorithms, mode=mode, warn_only=warn_only)
