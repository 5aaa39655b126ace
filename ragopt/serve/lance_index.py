"""LanceDB's own vector index: what was built and how it is searched, printed and read back with every value checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from ragopt.errors import InputError
from ragopt.serve.lance_writes import first_line, lance_writes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ragopt.records import Metric

LanceType = Literal["IVF_FLAT", "IVF_SQ", "IVF_PQ", "IVF_RQ", "IVF_HNSW_FLAT", "IVF_HNSW_SQ", "IVF_HNSW_PQ"]
"""Every vector index over float32 vectors that lancedb 0.40 builds, under the name that its `create_index` takes."""

LANCE_TYPES = get_args(LanceType)

CONFIGS = {
    "IVF_FLAT": "IvfFlat", "IVF_SQ": "IvfSq", "IVF_PQ": "IvfPq", "IVF_RQ": "IvfRq", "IVF_HNSW_FLAT": "HnswFlat",
    "IVF_HNSW_SQ": "HnswSq", "IVF_HNSW_PQ": "HnswPq",
}  # fmt: skip
"""Class of lancedb.index for each."""

BUILD_KEYS = ("num_partitions", "num_sub_vectors", "num_bits", "m", "ef_construction")
"""Arguments that ragopt gives, in the order in which they are printed."""
DISTANCES: dict[Metric, str] = {"cosine": "cosine", "ip": "dot", "l2": "l2"}
"""Lance's name of each metric."""

GRAPH_ROWS = 1_048_576
"""Vectors of one graph: Lance's own `target_partition_size` for HNSW (lancedb 0.40, docstring of HnswSq)."""
SUB_VECTOR_DIMS = (16, 8, 4, 2, 1)
"""Dimensions that a PQ code of 8 bits stands for: Lance's default of 16, and less where they do not divide."""
RQ_BITS = 1
"""Bits per dimension of RaBitQ: Lance's default."""
PARTITION_ROWS = 256
"""Lance trains no more partitions of IVF_PQ than it has so many vectors for (its default `sample_rate`; lancedb 0.40
warns and takes fewer): a printed number of partitions would not be that of the index."""
MOST_VALUE = 2**40
OTHER_INDEX = "Build with --lance-index IVF_FLAT, which trains no codes, or with --target faiss"


@dataclass(frozen=True, slots=True)
class LanceSearch:
    """How an index is searched.

    Attributes:
        nprobes: partitions searched; where they hold too few results, every vector is compared.
        refine_factor: times the number of results, vectors rescored exactly; 0 where the index keeps vectors whole.
        ef: candidates of a graph's search per partition; 0 where there is no graph.
    """

    nprobes: int
    refine_factor: int = 0
    ef: int = 0

    def __str__(self) -> str:
        """Show what is used."""
        parts = {"nprobes": self.nprobes, "refine_factor": self.refine_factor, "ef": self.ef}
        return ",".join(f"{name}={value}" for name, value in parts.items() if value)


@dataclass(frozen=True, slots=True)
class LanceIndex:
    """An index of LanceDB.

    Attributes:
        index_type: its kind.
        build: arguments of lancedb's index class besides the distance; a compaction that leaves few vectors takes
            fewer partitions.
        search: chosen on queries of the run.

    >>> str(LanceIndex("IVF_PQ", {"num_partitions": 10, "num_sub_vectors": 16, "num_bits": 8}, LanceSearch(4, 2)))
    'IVF_PQ(num_partitions=10,num_sub_vectors=16,num_bits=8) | nprobes=4,refine_factor=2'
    """

    index_type: LanceType
    build: Mapping[str, int]
    search: LanceSearch

    def __str__(self) -> str:
        """Return the printed form."""
        build = ",".join(f"{name}={self.build[name]}" for name in BUILD_KEYS if name in self.build)
        return f"{self.index_type}({build}) | {self.search}"

    @classmethod
    def parsed(cls, value: Any) -> LanceIndex:
        """Read a manifest's table. Raises KeyError, TypeError or ValueError: it cannot be."""
        kind = value["index_type"]
        if kind not in LANCE_TYPES:
            raise ValueError(f"{kind!r} is not one of {', '.join(LANCE_TYPES)}")
        build = dict(value["build"])
        search = dict(value["search"])
        counts = {**build, **search}
        if not set(build) <= set(BUILD_KEYS) or not all(_is_count(one) for one in counts.values()):
            raise ValueError(f"{counts} are no parameters of a LanceDB index")
        return cls(cast("LanceType", kind), build, LanceSearch(**search))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_VALUE


def is_graph(index_type: LanceType) -> bool:
    """Whether partitions are searched by a graph."""
    return "HNSW" in index_type


def keeps_vectors(index_type: LanceType) -> bool:
    """Whether the index holds whole vectors, so that nothing is rescored."""
    return index_type.endswith("FLAT")


def build_arguments(index_type: LanceType, n_vectors: int, dim: int) -> dict[str, int]:
    """Arguments of the index to build: codes, m and ef_construction by LanceDB's own defaults.

    Partitions are the root of the number of vectors, LanceDB's documented default, and one graph up to a million.
    Codes are not widened: the rescoring with full vectors makes up for what they lose, at a cost that is tuned.

    >>> build_arguments("IVF_PQ", 10_000, 32)
    {'num_partitions': 39, 'num_sub_vectors': 2, 'num_bits': 8}
    """
    if is_graph(index_type):
        first = {"num_partitions": -(-n_vectors // GRAPH_ROWS), "m": 20, "ef_construction": 300}
    else:
        first = {"num_partitions": max(1, min(round(math.sqrt(n_vectors)), n_vectors // PARTITION_ROWS))}
    if index_type.endswith("PQ"):
        width = next(width for width in SUB_VECTOR_DIMS if dim % width == 0)
        return {**first, "num_sub_vectors": dim // width, "num_bits": 8}
    return {**first, "num_bits": RQ_BITS} if index_type.endswith("RQ") else first


def create_lance_index(
    table: Any, folder: Path, index_type: LanceType, build: Mapping[str, int], metric: Metric
) -> None:
    """Build an index over the table's vectors.

    Args:
        table: of lancedb, at its newest version.
        folder: where it lies.
        index_type: its kind.
        build: arguments; fewer partitions are made where the table has fewer than `PARTITION_ROWS` vectors for each.
        metric: of the vectors.

    Raises:
        InputError: LanceDB refuses.
        StorageError: the disk is full.
    """
    import lancedb.index  # noqa: PLC0415 - loaded when first used

    from ragopt.serve.table import VECTOR  # noqa: PLC0415 - numpy is loaded when first used

    most = max(1, table.count_rows() // PARTITION_ROWS)
    arguments = {**build, "num_partitions": min(build["num_partitions"], most)}
    config = getattr(lancedb.index, CONFIGS[index_type])(distance_type=DISTANCES[metric], **arguments)
    try:
        with lance_writes(folder):
            table.create_index(VECTOR, config=config, replace=True)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"LanceDB cannot build {index_type} over these vectors: {first_line(error)}",
                         next_step=OTHER_INDEX) from error  # fmt: skip


def index_of(table: Any) -> Any:
    """LanceDB's own description of a table's vector index: type, rows in it and not in it, folder."""
    from ragopt.serve.table import VECTOR  # noqa: PLC0415 - numpy is loaded when first used

    return next(one for one in table.list_indices() if one.columns == [VECTOR])
