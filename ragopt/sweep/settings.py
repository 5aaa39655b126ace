"""Everything that a sweep is told, checked once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from ragopt.choose import Limits, Objective
from ragopt.corpus.records import ReadOptions
from ragopt.corpus.splitting import ChunkOptions
from ragopt.devices import CPU, Device, check_device_name
from ragopt.errors import InputError
from ragopt.records import Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ragopt.bill.workload_fields import Value

CostModel = Literal["measured", "scan"]

SELECT_TRAIN_ROWS = 16_384
"""Training rows while selecting: 64 per centroid of an 8-bit quantizer (FAISS asks for 39 to 256; Clustering.h)."""

CONFIRM_TRAIN_ROWS = 65_536
"""Training rows of a finalist: 256 per centroid, the most that FAISS uses (ClusteringParameters, FAISS 1.15)."""

MAX_RESCORED = 1_000
"""Most vectors that one search rescores, unless --max-rescored says otherwise: 1,000 random reads are what a volume of
3,000 reads a second serves three times a second, and 10 ms of one NVMe drive at 100,000 (docs/method.md#rescoring)."""

JUDGED_DEPTH = 10
"""nDCG@10 and MRR@10 look at ten results, however few neighbours --k counts."""

MOST = 2**31 - 1
"""Largest count or seed: FAISS keeps its seeds in a signed 32-bit integer (ClusteringParameters, FAISS 1.15)."""

FEWEST_HOLDOUT_QUERIES = 100
"""Fewer queries than this left over are no confirmation: their interval is wider than most limits."""


READY_MODEL = "vectors"
"""Printed model of vectors that the user has embedded: ragopt does not know by what."""


def check_max_memory(max_memory_bytes: object) -> None:
    """Raise InputError for what is no number of bytes above 0; None is no limit."""
    if max_memory_bytes is None:
        return
    if not isinstance(max_memory_bytes, int) or isinstance(max_memory_bytes, bool) or max_memory_bytes < 1:
        raise InputError(f"max_memory_bytes is {max_memory_bytes!r}",
                         allowed="a whole number of bytes, 1 or more, or None",
                         next_step="Write 2_000_000_000, or --max-memory 2GB on the command line")  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReadyVectors:
    """Vectors that the user has embedded already."""

    vectors: str
    query_vectors: str
    vector_ids: str | None = None
    query_ids: str | None = None
    column: str | None = None


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """How every trial is built and searched.

    Attributes:
        metric: of the vectors.
        k: neighbours that recall_vs_exact counts.
        n_results: results that every search asks for; at least k.
        seed: of samples and k-means.
        device: where exact neighbours are looked for and indexes trained.
        n_select_workers, n_build_workers: side by side at most while codecs are estimated, and while indexes are
            built; 0 is one per core.
        max_memory_bytes: limit that the plan keeps; None is none.
        base_memory_bytes: what is resident before any vectors; known where there is a limit.
    """

    metric: Metric
    k: int
    n_results: int
    seed: int
    device: Device = CPU
    n_select_workers: int = 0
    n_build_workers: int = 0
    max_memory_bytes: int | None = None
    base_memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """What to sweep, on which queries, within which limits, and where results lie.

    Attributes:
        corpus: `python-docs`, a folder or a file; None when `ready` is given.
        ready: vectors that are embedded already; None when `corpus` is given.
        models: embedding models, swept side by side.
        device: `auto` or a device by name, see `ragopt.devices.choose_device`.
        queries, qrels: files; None takes what the corpus brings, else known-item queries are made from it.
        n_queries: most queries to select with; `confirm_queries`: most others to measure finalists with.
        finalists: most trials to build for confirmation, the exact baseline not counted.
        grid: a recipe file; None is the default grid.
        descend: whether to search for fewer bytes below the grid; a recipe is never added to.
        max_rescored: most vectors that one search may rescore in that search.
        workload: fields of `ragopt.bill.workload.Workload` that were given; the others are measured or its defaults.
        prices: a file of prices that replace others.
        max_memory_bytes: most memory that the sweep may take; None is no limit.
        out: run folder. cache_dir: artifact store.
    """

    corpus: str | None = None
    ready: ReadyVectors | None = None
    models: tuple[str, ...] = ("wordllama",)
    device: str = "auto"
    read: ReadOptions = field(default_factory=ReadOptions)
    chunk: ChunkOptions = field(default_factory=ChunkOptions)
    queries: str | None = None
    qrels: str | None = None
    metric: Metric = "cosine"
    k: int = 10
    seed: int = 0
    n_queries: int = 1000
    confirm_queries: int = 2000
    finalists: int = 8
    grid: str | None = None
    descend: bool = True
    max_rescored: int = MAX_RESCORED
    limits: Limits = field(default_factory=Limits)
    objective: Objective = "usd"
    cost_model: CostModel = "measured"
    workload: Mapping[str, Value] = field(default_factory=dict)
    prices: Path | None = None
    max_memory_bytes: int | None = None
    out: Path = Path("ragopt-run")
    cache_dir: Path = Path("ragopt-cache")

    @property
    def descends(self) -> bool:
        """Whether fewer bytes are searched for below the grid."""
        return self.descend and not self.grid and self.limits.min_recall is not None

    def n_results(self, n_vectors: int) -> int:
        """Results that every search asks for: k, and at least the ten that judged quality looks at."""
        return min(max(self.k, JUDGED_DEPTH), n_vectors)

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other, and take the workload's p99 limit. Raises InputError."""
        p99_limit_ms = self.workload.get("p99_limit_ms")
        if p99_limit_ms is not None and self.limits.max_p99_ms is None:
            # The service's own limit holds for the search too; --max-p99-ms says otherwise.
            object.__setattr__(self, "limits", replace(self.limits, max_p99_ms=float(p99_limit_ms)))
        if (self.corpus is None) == (self.ready is None):
            raise InputError("A sweep needs a corpus or ready vectors, not both or neither",
                             next_step="Give a corpus folder, or --vectors with --query-vectors")  # fmt: skip
        for option, value, low in (
            ("--k", self.k, 1),
            ("--n-queries", self.n_queries, 2),
            ("--confirm-queries", self.confirm_queries, 0),
            ("--finalists", self.finalists, 1),
            ("--max-rescored", self.max_rescored, 1),
            ("--seed", self.seed, 0),
        ):
            if not low <= value <= MOST:
                raise InputError(f"{option} {value} is too {'small' if value < low else 'large'}",
                                 allowed=f"{low} to {MOST}", next_step=f"Correct {option}")  # fmt: skip
        check_device_name(self.device)
        check_max_memory(self.max_memory_bytes)
        for option, text, allowed in (
            ("--metric", self.metric, get_args(Metric)),
            ("--objective", self.objective, get_args(Objective)),
            ("--cost-model", self.cost_model, get_args(CostModel)),
        ):
            if text not in allowed:
                raise InputError(f"{option} {text!r} is unknown", allowed=", ".join(allowed),
                                 next_step=f"Correct {option}")  # fmt: skip
        if not self.models or len(set(self.models)) != len(self.models):
            raise InputError(f"--model was given twice or not at all: {', '.join(self.models)}",
                             next_step="Name each model once")  # fmt: skip
