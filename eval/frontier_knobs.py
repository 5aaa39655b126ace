"""The least knob value whose recall reaches the target: gallop up by doubling, then halve the last step."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontier_peer import Knob, Setting

PLATEAU_GAIN = 0.0005
"""A doubling that gains less changes 5 of 10,000 neighbours: two of them in a row mean that the codes are the limit."""


class KnobSearch:
    """Tries settings once each and remembers them.

    Attributes:
        tried: one record per setting with its recall on the selecting queries.
    """

    def __init__(self, measure: Callable[[Setting], tuple[float, float]], target: float) -> None:
        """Take a function from setting to (mean, lower bound) and the target of the lower bound."""
        self._measure = measure
        self._target = target
        self.tried: list[dict[str, Any]] = []

    def _record(self, setting: Setting) -> dict[str, Any]:
        for record in self.tried:
            if record["setting"] == setting:
                return record
        began = time.process_time()
        mean, low = self._measure(setting)
        seconds = time.process_time() - began
        self.tried.append({"setting": dict(setting), "mean": mean, "low": low, "cpu_seconds": round(seconds, 3)})
        return self.tried[-1]

    def _reaches(self, setting: Setting) -> bool:
        return bool(self._record(setting)["low"] >= self._target)

    def least(self, knob: Knob, fixed: Setting) -> Setting | None:
        """Least value of one knob that reaches the target with the others fixed, or None."""
        below, value, flat = None, knob.default, 0
        while not self._reaches({**fixed, knob.name: value}):
            if below is not None:
                gain = (
                    self._record({**fixed, knob.name: value})["mean"]
                    - self._record({**fixed, knob.name: below})["mean"]
                )
                flat = flat + 1 if gain < PLATEAU_GAIN else 0
            if value >= knob.most or flat == 2:
                return None
            below, value = value, min(2 * value, knob.most)
        while below is not None and value - below > 1:
            middle = (below + value) // 2
            below, value = (below, middle) if self._reaches({**fixed, knob.name: middle}) else (middle, value)
        return {**fixed, knob.name: value}

    def default_or_best(self, default: Setting, knobs: tuple[Knob, ...]) -> Setting | None:
        """Record the default; give it back if it reaches the target, else the best setting of the knobs."""
        return default if self._reaches(default) else self.best(knobs)

    def best(self, knobs: tuple[Knob, ...]) -> Setting | None:
        """Least setting of one knob, or of two: the cheapest pair of a doubled outer and the least inner value.

        The cheapest pair is the one with the least CPU time over the selecting queries.
        """
        if not knobs:
            return None
        *outer, inner = knobs
        if not outer:
            return self.least(inner, {})
        pairs = [self.least(inner, {outer[0].name: value}) for value in doubled(outer[0])]
        reached = [pair for pair in pairs if pair is not None]
        return min(reached, key=lambda pair: self._record(pair)["cpu_seconds"], default=None)


def doubled(knob: Knob) -> list[int]:
    """Values from the default up to the most, each twice the last.

    >>> from frontier_peer import Knob
    >>> doubled(Knob("nprobe", 1, 6))
    [1, 2, 4, 6]
    """
    values = [knob.default]
    while values[-1] < knob.most:
        values.append(min(2 * values[-1], knob.most))
    return values
