"""Values to codes: equal values get equal codes, numbered in order of first appearance."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.errors import visible

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST_KEY = 64
"""Characters of a value that is kept as it is; of a longer one 16 bytes of BLAKE2b are kept, which take less memory
than its text. Two of 10^10 different values share one with a probability of 2e-19 (n^2 / 2^129)."""

STRUCTURE = "\0"
"""Begins the key of a list or an object, so that a text that looks like its JSON is another value."""


class Coder:
    """A dictionary from values to codes from 0.

    Args:
        keep: keep every key's text, however long: `texts` then has them.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self._keep = keep
        self._codes: defaultdict[str | bytes, int] = defaultdict()
        self._codes.default_factory = self._codes.__len__
        self._first_numbers = array("q")
        self.texts: list[str] = []

    def __len__(self) -> int:
        """How many different values were coded."""
        return len(self._codes)

    def encode(self, keys: Sequence[str], numbers: NDArray[np.int64]) -> NDArray[np.int32]:
        """Code values.

        Args:
            keys: one per value: see `key_of`.
            numbers: int64 (n,), the line or row of each.

        Returns:
            int32 (n,).
        """
        n_before = len(self._codes)
        short = [key if len(key) <= LONGEST_KEY else _digest(key) for key in keys]
        codes = np.fromiter(map(self._codes.__getitem__, short), dtype=np.int32, count=len(short))
        if len(self._codes) > n_before:
            highest = np.maximum.accumulate(codes)
            before = np.concatenate(([n_before - 1], np.maximum(highest[:-1], n_before - 1)))
            new = np.flatnonzero(codes > before)
            self._first_numbers.frombytes(np.ascontiguousarray(numbers[new], dtype=np.int64).tobytes())
            if self._keep:
                self.texts.extend(keys[row] for row in new.tolist())
        return codes

    def names(self) -> list[str]:
        """Every key by code; only of a coder that met no key longer than `LONGEST_KEY`, or keeps all."""
        return self.texts if self._keep else [str(key) for key in self._codes]

    def describe(self, code: int, unit: str) -> str:
        """Name a value in a message: itself where it is short, else where it stands first.

        Args:
            code: of the value.
            unit: what the log's lines are called: line or row.
        """
        key = next(key for key, found in self._codes.items() if found == code)
        if isinstance(key, str):
            return visible(key.removeprefix(STRUCTURE) if key.startswith(STRUCTURE) else repr(key))
        return f"of {unit} {self._first_numbers[code]:,}"


def key_of(value: Any) -> str:
    """The key of a JSON value: texts as they are, whole numbers as their digits, so that 7 and "7" are one id.

    >>> key_of("7") == key_of(7), key_of(["7"]) == key_of("[7]")
    (True, False)
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return STRUCTURE + json.dumps(value, sort_keys=True, separators=(", ", ": "), default=str)


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=16).digest()
