"""Bytes of the links of an HNSW graph, by formula (faiss/impl/HNSW.cpp and index_write.cpp, FAISS 1.15.1).

A vector lies on the lowest level, where it keeps 2M links, and on the next level up with probability 1 / M, where it
keeps M: levels are random, so only their expected number is known before the graph is built.
"""

from __future__ import annotations

from ragopt.index.codec_size import LENGTH

LINK_BYTES = 4
"""A link is an int32 row number."""
LEAST_PROBABILITY = 1e-9
"""FAISS makes no level that a vector reaches less often (HNSW::set_default_probas)."""
ROW_FIELDS = 4 + 8
"""Per vector beside its links: its number of levels and where its links begin."""
FIELDS = 5 * LENGTH + 8 + 5 * 4
"""Lengths of five arrays and where the last one ends; entry_point, max_level, efConstruction, efSearch, upper_beam."""


def expected_upper_levels(links: int) -> float:
    """Levels above the lowest that a vector is on, on average: 1/M + 1/M^2 + ..."""
    return 1 / (links - 1)


def link_bytes_per_vector(links: int, upper_levels: float) -> float:
    """Bytes per vector of a graph whose vectors are on `upper_levels` levels above the lowest, on average."""
    return ROW_FIELDS + LINK_BYTES * links * (2 + upper_levels)


def graph_fixed_bytes(links: int) -> int:
    """Bytes of a graph that do not grow: the probability of each level, the links up to each, and counters."""
    level, levels = 1 - 1 / links, 0
    while level >= LEAST_PROBABILITY:
        level, levels = level / links, levels + 1
    return FIELDS + 8 * levels + 4 * (levels + 1)
