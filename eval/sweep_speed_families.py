"""Families of factories, and a seeded draw that leaves none of them out.

A grid of 130 factories over a million vectors takes a plain loop hours: it is timed on a few of each family, and the
mean of the family stands for the rest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from ragopt.index.factory import split_factory
from ragopt.records import Trial

if TYPE_CHECKING:
    from collections.abc import Sequence

Factories = dict[tuple[str, str], list[Trial]]
"""(printed space, factory) to its trials."""

RESCORING = re.compile(r"Refine\(.*\)|RFlat")
CODECS = (("PQfs", r"PQ\d+x4fs.*"), ("PQ", r"PQ.*"), ("SQ", r"SQ.*"), ("RaBitQ", r"RaBitQ.*"), ("Flat", r"Flat"))


def factories_of(trials: Sequence[Trial]) -> Factories:
    """Group trials by what a plain loop builds once, in the order of the trials."""
    found: Factories = {}
    for trial in trials:
        found.setdefault((str(trial.space), trial.factory), []).append(trial)
    return found


def is_rescored(factory: str) -> bool:
    """Whether a factory has a rescoring tier."""
    return RESCORING.fullmatch(split_factory(factory)[-1]) is not None


def family(factory: str) -> str:
    """What decides the time of a factory: inverted lists, a graph, or else its codec.

    >>> [family(text) for text in ("PCAR128,PQ64x4fs,Refine(SQ8)", "IVF256,SQ8", "PQ96np")]
    ['PQfs', 'IVF', 'PQ']
    """
    parts = split_factory(factory)
    for prefix in ("IVF", "HNSW"):
        if any(part.startswith(prefix) for part in parts):
            return prefix
    codec = [part for part in parts if not RESCORING.fullmatch(part)][-1]
    return next((name for name, pattern in CODECS if re.fullmatch(pattern, codec)), codec)


def members(factories: Factories) -> dict[str, list[tuple[str, str]]]:
    """The factories of each family, in the order of the trials."""
    found: dict[str, list[tuple[str, str]]] = {}
    for key in factories:
        found.setdefault(family(key[1]), []).append(key)
    return found


def draw_factories(factories: Factories, n: int, *, seed: int) -> list[tuple[str, str]]:
    """Draw about `n` factories: one of each family, the rest in proportion, spread over each family.

    Within a family they are sorted by rescoring, space and factory, and every so-manieth is taken from a seeded start
    on, so that large and small codes, with and without rescoring, are drawn alike.

    Returns:
        Keys in the order of the trials; all of them when there are no more than `n`.
    """
    if n >= len(factories):
        return list(factories)
    rng = np.random.default_rng(seed)
    drawn: set[tuple[str, str]] = set()
    for keys in members(factories).values():
        wanted = max(1, round(n * len(keys) / len(factories)))
        ordered = sorted(keys, key=lambda key: (is_rescored(key[1]), key))
        start = rng.random()
        drawn |= {ordered[int((start + place) * len(keys) / wanted)] for place in range(wanted)}
    return [key for key in factories if key in drawn]
