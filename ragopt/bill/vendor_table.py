"""Read a table of a vendor's file, key by key, so that every error names file, table, key and what is allowed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from ragopt.errors import PriceError


@dataclass(slots=True)
class Table:
    """A TOML table of which each key is asked for once; `done` refuses those that nobody asked for.

    Attributes:
        file: the file's path, as messages name it.
        where: the table's place in it, `[[charge]] 2` for example.
        content: what it holds.
    """

    file: str
    where: str
    content: Mapping[str, Any]
    _asked: list[str] = field(default_factory=list)

    def has(self, key: str) -> bool:
        """Say whether a key is there, without asking for its value."""
        self._asked.append(key)
        return key in self.content

    def text(self, key: str, default: str | None = None, *, choices: Iterable[str] = ()) -> str:
        """Return some text; one of `choices` where there are any. Raises PriceError on anything else."""
        value = self._value(key, default)
        allowed = tuple(choices)
        if not isinstance(value, str) or not (value.strip() or value == default) or (allowed and value not in allowed):
            raise self._wrong(key, value, ", ".join(allowed) or "some text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; empty where it is missing."""
        value = self._value(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
            raise self._wrong(key, value, "a list of texts")
        return tuple(value)

    def number(self, key: str, default: Decimal | None = None, *, above_zero: bool = False) -> Decimal:
        """Return a number of 0 or more, exactly. Raises PriceError on anything else, and where it is missing."""
        return self._number(key, self._value(key, default), above_zero=above_zero)

    def maybe_number(self, key: str) -> Decimal | None:
        """Return a number above 0; None where it is missing."""
        return self.number(key, above_zero=True) if self.has(key) else None

    def pairs(self, key: str) -> tuple[tuple[Decimal, Decimal], ...]:
        """Return a list of pairs of numbers above 0, both ascending; empty where it is missing."""
        value = self._value(key, [])
        if not isinstance(value, list) or not all(isinstance(one, list) and len(one) == 2 for one in value):
            raise self._wrong(key, value, "a list of pairs")
        found = tuple(tuple(self._number(key, one, above_zero=True) for one in pair) for pair in value)
        if len(found) == 1 or any(low >= high for column in zip(*found, strict=True) for low, high in _steps(column)):
            raise self._wrong(key, value, "at least two pairs, ascending")
        return tuple((x, y) for x, y in found)

    def numbers(self, key: str) -> tuple[Decimal, ...]:
        """Return a list of ascending numbers above 0; empty where it is missing."""
        value = self._value(key, [])
        if not isinstance(value, list):
            raise self._wrong(key, value, "a list of numbers")
        found = tuple(self._number(key, one, above_zero=True) for one in value)
        if any(low >= high for low, high in _steps(found)):
            raise self._wrong(key, value, "ascending numbers")
        return found

    def flag(self, key: str) -> bool:
        """Return true or false; false where it is missing."""
        value = self._value(key, default=False)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true, false")
        return value

    def date(self, key: str) -> str:
        """Return a day as YYYY-MM-DD."""
        value = self._value(key, None)
        if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
            raise self._wrong(key, value, "a date like 2026-07-20")
        return value.isoformat()

    def table(self, key: str) -> Table | None:
        """Return a table inside this one; None where it is missing."""
        value = self._value(key, {})
        if not isinstance(value, dict):
            raise self._wrong(key, value, "a table")
        return Table(self.file, f"{self.where} {key}".strip(), value) if value else None

    def tables(self, key: str) -> tuple[Table, ...]:
        """Return a list of tables inside this one; empty where it is missing."""
        value = self._value(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self._wrong(key, value, "a list of tables")
        return tuple(
            Table(self.file, f"{self.where} [[{key}]] {number}".strip(), one)
            for number, one in enumerate(value, start=1)
        )

    def done(self) -> None:
        """Raise PriceError when there is a key that nobody asked for."""
        unknown = sorted(set(self.content) - set(self._asked))
        if unknown:
            raise PriceError(
                f"{self._place()} has an unknown key {unknown[0]!r}",
                allowed=", ".join(dict.fromkeys(self._asked)),
                next_step=f"Rename or remove it in {self.file}",
            )

    def _value(self, key: str, default: object) -> Any:
        self._asked.append(key)
        if key in self.content:
            return self.content[key]
        if default is None:
            raise PriceError(f"{self._place()} has no {key}", next_step=f"Fill {key} in {self.file}")
        return default

    def _number(self, key: str, value: object, *, above_zero: bool) -> Decimal:
        try:
            fits = isinstance(value, (int, str, Decimal)) and not isinstance(value, bool)
            number = Decimal(value) if fits else Decimal("NaN")  # type: ignore[arg-type]
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or number < 0 or (above_zero and not number):
            least = "above 0" if above_zero else "of 0 or more"
            raise self._wrong(key, value, f'a whole number, or a decimal in quotes like "0.5", {least}')
        return number

    def _wrong(self, key: str, value: object, allowed: str) -> PriceError:
        return PriceError(
            f"{self._place()} has {key} {value!r}", allowed=allowed, next_step=f"Correct {key} in {self.file}"
        )

    def _place(self) -> str:
        return f"{self.where} of {self.file}" if self.where else self.file


def _steps(values: tuple[Decimal, ...]) -> Iterable[tuple[Decimal, Decimal]]:
    return pairwise(values)
