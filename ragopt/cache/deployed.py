"""LRU and LFU as the cachebox library runs them: the policies that a service can deploy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragopt.errors import MissingExtra

if TYPE_CHECKING:
    from ragopt.cache.records import Policy


class Deployed:
    """A cachebox cache of items of any size: it evicts until the new item fits.

    LRU evicts what was read longest ago, LFU what was read least often since it came in, of equals the one that came
    in first (cachebox 6.2.10, whose documentation says "the oldest"; the tests hold it against a reference).
    """

    def __init__(self, policy: Policy, capacity: int) -> None:
        """Hold items of `capacity` together, at least 1, in the unit of the sizes given to `read`.

        Raises:
            MissingExtra: cachebox is not installed.
        """
        try:
            import cachebox  # noqa: PLC0415 - loaded when first used
        except ImportError as error:
            raise MissingExtra.for_extra(f"Replaying a cache under {policy}", "cache") from error
        kind: Any = {"LRU": cachebox.LRUCache, "LFU": cachebox.LFUCache}[policy]
        self._cache = kind(capacity, getsizeof=lambda _, size: size)

    def read(self, key: int, size: int) -> bool:
        """Read an item that is no larger than the cache, put it in if it was not there; True when it was."""
        if self._cache.get(key, None) is not None:
            return True
        self._cache.insert(key, size)
        return False

    def drop(self, key: int) -> None:
        """Take an expired item out, if it is there."""
        self._cache.pop(key, None)
