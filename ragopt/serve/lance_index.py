"""LanceDB's own vector index: what was built and how it is searched, printed and read back with every value checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ragopt.records import Metric

LanceType = Literal["IVF_FLAT", "IVF_SQ", "IVF_PQ", "IVF_RQ", "IVF_HNSW_FLAT", "IVF_HNSW_SQ", "IVF_HNSW_PQ"]
"""Every vector index over float32 vectors that lancedb 0.40 builds, under the name that its `create_index` takes."""

CONFIGS = {
    "IVF_FLAT": "IvfFlat", "IVF_SQ": "IvfSq", "IVF_PQ": "IvfPq", "IVF_RQ": "IvfRq", "IVF_HNSW_FLAT": "HnswFlat",
    "IVF_HNSW_SQ": "HnswSq", "IVF_HNSW_PQ": "HnswPq",
}  # fmt: skip
"""Class of lancedb.index for each."""

BUILD_KEYS = ("num_partitions", "num_sub_vectors", "num_bits", "m", "ef_construction")
DISTANCES: dict[Metric, str] = {"cosine": "cosine", "ip": "dot", "l2": "l2"}
"""Lance's name of each metric."""

GRAPH_ROWS = 1_048_576
"""Vectors of one graph: Lance's own `target_partition_size` for HNSW (lancedb 0.40, docstring of HnswSq)."""
SUB_VECTOR_DIMS = (16, 8, 4)
"""Dimensions that a PQ code of 8 bits stands for: Lance's default of 16, and two and four times as many bytes."""
RQ_BITS = (1, 4)
"""Bits per dimension of RaBitQ: Lance's default, and a code that needs little rescoring."""
MOST_VALUE = 2**40


@dataclass(frozen=True, slots=True)
class LanceSearch:
    """How an index is searched.

    Attributes:
        nprobes: partitions searched; more where they hold too few results.
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
        build: arguments of lancedb's index class besides the distance.
        search: chosen on queries of the run.

    >>> str(LanceIndex("IVF_PQ", {"num_partitions": 10, "num_sub_vectors": 16, "num_bits": 8}, LanceSearch(4, 2)))
    'IVF_PQ(num_partitions=10,num_sub_vectors=16,num_bits=8) | nprobes=4,refine_factor=2'
    """

    index_type: LanceType
    build: Mapping[str, int]
    search: LanceSearch

    def __str__(self) -> str:
        """Return the printed form."""
        build = ",".join(f"{name}={value}" for name, value in self.build.items())
        return f"{self.index_type}({build}) | {self.search}"

    @classmethod
    def parsed(cls, value: Any) -> LanceIndex:
        """Read a manifest's table. Raises KeyError, TypeError or ValueError: it cannot be."""
        kind = value["index_type"]
        if kind not in get_args(LanceType):
            raise ValueError(f"{kind!r} is not one of {', '.join(get_args(LanceType))}")
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


def build_candidates(index_type: LanceType, n_vectors: int, dim: int) -> list[dict[str, int]]:
    """Arguments of the indexes to try, smallest codes first.

    Partitions are LanceDB's documented defaults, the root of the number of vectors, and one graph up to a million;
    m and ef_construction are its defaults.

    >>> build_candidates("IVF_PQ", 10_000, 32)
    [{'num_partitions': 100, 'num_sub_vectors': 2, 'num_bits': 8}, \
{'num_partitions': 100, 'num_sub_vectors': 4, 'num_bits': 8}, \
{'num_partitions': 100, 'num_sub_vectors': 8, 'num_bits': 8}]
    """
    if is_graph(index_type):
        first = {"num_partitions": -(-n_vectors // GRAPH_ROWS), "m": 20, "ef_construction": 300}
    else:
        first = {"num_partitions": max(1, round(math.sqrt(n_vectors)))}
    if index_type.endswith("PQ"):
        widths = [width for width in SUB_VECTOR_DIMS if dim % width == 0] or [1]
        return [{**first, "num_sub_vectors": dim // width, "num_bits": 8} for width in widths]
    if index_type.endswith("RQ"):
        return [{**first, "num_bits": bits} for bits in RQ_BITS]
    return [first]


def create_lance_index(table: Any, index_type: LanceType, build: Mapping[str, int], metric: Metric) -> str:
    """Build an index over the table's vectors, in the place of one that it has; the name of the folder of its files.

    Raises:
        ValueError, RuntimeError: LanceDB refuses the arguments.
    """
    import lancedb.index  # noqa: PLC0415 - loaded when first used

    from ragopt.serve.table import VECTOR  # noqa: PLC0415 - numpy is loaded when first used

    config = getattr(lancedb.index, CONFIGS[index_type])(distance_type=DISTANCES[metric], **build)
    table.create_index(VECTOR, config=config, replace=True)
    return str(index_of(table).index_uuid)


def index_of(table: Any) -> Any:
    """LanceDB's own description of a table's vector index: type, rows in it and not in it, folder."""
    from ragopt.serve.table import VECTOR  # noqa: PLC0415 - numpy is loaded when first used

    return next(one for one in table.list_indices() if one.columns == [VECTOR])
