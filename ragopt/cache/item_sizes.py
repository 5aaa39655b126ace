"""Sizes of the items that a log reads, checked, and in units of one where all are alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.cache.records import Reads

PIECE = 1 << 16
"""Reads looked at together, so that a log in a file is never in memory as a whole."""


@dataclass(frozen=True, slots=True)
class ItemSizes:
    """What the items of a log take in a cache.

    Attributes:
        n_keys: one more than the highest key.
        n_distinct: different items that are read.
        all_bytes: bytes of all of them together.
        each: int64 (n_keys,) bytes of each item; None where all have one size.
        one: bytes of the smallest item; of every item where `each` is None.
    """

    n_keys: int
    n_distinct: int
    all_bytes: int
    each: NDArray[np.int64] | None
    one: int


def item_sizes(reads: Reads) -> ItemSizes:
    """Look over the reads once, in pieces.

    Raises:
        InputError: a key below 0 or without a size, a size below 1 byte.
    """
    given = np.asarray(reads.item_bytes, dtype=np.int64)
    if given.size and given.min() < 1:
        raise InputError(
            f"An item takes {given.min()} bytes in the cache", allowed="1 byte or more", next_step="Check the sizes"
        )
    read = np.zeros(given.size if given.ndim else 0, dtype=np.bool_)
    for start in range(0, len(reads.keys), PIECE):
        keys = np.asarray(reads.keys[start : start + PIECE])
        least, most = int(keys.min()), int(keys.max())
        if least < 0 or (given.ndim and most >= given.size):
            raise InputError(
                f"A read has the key {least if least < 0 else most}",
                allowed=f"0 to {given.size - 1}" if given.ndim else "0 or more",
                next_step="Number the items from 0 and give each its bytes",
            )
        if most >= len(read):
            # Twice the need, so that rising keys do not copy the table at every piece.
            read = np.concatenate([read, np.zeros(2 * (most + 1) - len(read), dtype=np.bool_)])
        read[keys] = True
    found = np.flatnonzero(read)
    if not given.ndim:
        one, n_keys = int(given), int(found[-1]) + 1 if len(found) else 0
        return ItemSizes(n_keys, len(found), one * len(found), None, one)
    bytes_read = given[found]
    one = int(bytes_read.min()) if len(found) else 1
    alike = not len(found) or one == int(bytes_read.max())
    return ItemSizes(len(given), len(found), int(bytes_read.sum()), None if alike else given, one)
