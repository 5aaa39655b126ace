"""Trials that share their codes, and what their search strings ask of those codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragopt.errors import SpecError
from ragopt.index.factory import parse_factory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragopt.index.factory import Factory
    from ragopt.records import Space, Trial

RESCORING_SEARCH, PROBING_SEARCH = "k_factor_rf", "nprobe"


@dataclass(frozen=True, slots=True)
class Group:
    """Trials that share their codes: one space and one factory without its rescoring tier."""

    space: Space
    base: Factory
    trials: tuple[Trial, ...]

    @property
    def nprobes(self) -> tuple[int, ...]:
        """Every nprobe that a trial of this group asks for, ascending; (1,) for codes without lists."""
        return tuple(sorted({search_value(trial.search, PROBING_SEARCH) for trial in self.trials}))

    def deepest(self, n_results: int) -> int:
        """Most vectors that a trial of this group takes from the codes' shortlist."""
        return max(shortlist_depth(trial, n_results) for trial in self.trials)


def groups_of(trials: Sequence[Trial]) -> list[Group]:
    """Group trials by space and codes, keeping the grid's order."""
    members: dict[tuple[Space, str], list[Trial]] = {}
    for trial in trials:
        factory = parse_factory(trial.factory, trial.space.dim)
        members.setdefault((trial.space, factory.base_text), []).append(trial)
    return [Group(space, parse_factory(base, space.dim), tuple(group)) for (space, base), group in members.items()]


def search_value(search: str, name: str) -> int:
    """Return the value of one search parameter, 1 (FAISS's own default) when the string names none.

    >>> search_value("nprobe=16,k_factor_rf=10", "k_factor_rf")
    10
    """
    values = dict(part.split("=", 1) for part in search.split(",") if "=" in part)
    try:
        value = float(values.get(name, "1"))
    except ValueError:
        value = 0.0
    if value < 1 or value != int(value):
        raise SpecError(f"Cannot search with {search!r}", allowed=f"{name} as a whole number from 1",
                        next_step="Correct the search string")  # fmt: skip
    return int(value)


def shortlist_depth(trial: Trial, n_results: int) -> int:
    """Vectors that a trial takes from the codes: those it rescores, or its results when it rescores none."""
    return n_results * search_value(trial.search, RESCORING_SEARCH)
