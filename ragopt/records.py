"""The records that rooms hand to each other: frozen, with units in every name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from ragopt.errors import SpecError, visible
from ragopt.units import to_cents

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    import numpy as np
    from numpy.typing import NDArray

Reduction = Literal["none", "trunc", "pca", "joint"]
Metric = Literal["cosine", "ip", "l2"]
Part = Literal["compute", "memory", "storage", "queries", "writes", "rebuild", "minimum", "embedding", "text",
               "documents", "rerank", "generation", "egress"]  # fmt: skip
"""What a bill line pays for. The parts up to `minimum` are a target's own; the others are the same at every target."""
Status = Literal["estimated", "dropped", "unsuitable", "finalist", "recommended"]

TRIAL_SEPARATOR = " | "

REPR_CHARACTERS = 200
"""Of a name in a repr: a printed trial is under 200 characters, a hostile name may be any length."""


@dataclass(frozen=True, slots=True, order=True)
class Space:
    """A model at a dimension by a reduction; printed as ``model@dim:reduction``.

    >>> str(Space.parse("wordllama@64:trunc"))
    'wordllama@64:trunc'
    """

    model: str
    dim: int
    reduction: Reduction

    def __str__(self) -> str:
        """Return the printed form, which `parse` reads back."""
        return f"{self.model}@{self.dim}:{self.reduction}"

    @staticmethod
    def is_printed(text: str) -> bool:
        """Tell whether `parse` reads this text."""
        model, _, rest = text.strip().rpartition("@")
        dim, _, reduction = rest.partition(":")
        return bool(model) and dim.isdecimal() and int(dim) > 0 and reduction in get_args(Reduction)

    @classmethod
    def parse(cls, text: str) -> Space:
        """Read the printed form back. Raises SpecError on any other text."""
        model, _, rest = text.strip().rpartition("@")
        dim, _, reduction = rest.partition(":")
        if not cls.is_printed(text):
            raise SpecError(
                f"Cannot read the space {text!r}",
                allowed="model@dim:reduction with reduction none, trunc, pca or joint",
                next_step="Write it like wordllama@64:trunc",
            )
        return cls(model, int(dim), cast("Reduction", reduction))


@dataclass(frozen=True, slots=True, order=True)
class Trial:
    """A space, a FAISS factory string and a FAISS ParameterSpace string.

    >>> str(Trial.parse("wordllama@256:none | PQ64np,Refine(SQ8) | k_factor_rf=10"))
    'wordllama@256:none | PQ64np,Refine(SQ8) | k_factor_rf=10'
    """

    space: Space
    factory: str
    search: str = ""

    def __str__(self) -> str:
        """Return the printed form, which `parse` reads back."""
        parts = [str(self.space), self.factory]
        if self.search:
            parts.append(self.search)
        return TRIAL_SEPARATOR.join(parts)

    @classmethod
    def parse(cls, text: str) -> Trial:
        """Read the printed form back. Raises SpecError on any other text."""
        # From the right: the name of a model may hold the separator, the other parts never do.
        for n_after in (1, 2):
            space, *after = (part.strip() for part in text.rsplit(TRIAL_SEPARATOR.strip(), n_after))
            if len(after) == n_after and all(after) and Space.is_printed(space):
                return cls(Space.parse(space), *after)
        raise SpecError(
            f"Cannot read the trial {text!r}",
            allowed="space | factory or space | factory | search",
            next_step="Write it like wordllama@256:none | PQ64np,Refine(SQ8) | k_factor_rf=10",
        )


@dataclass(frozen=True, slots=True)
class Quality:
    """A mean over queries with its 95 % interval.

    Attributes:
        value: mean over `n_queries` queries.
        low: lower end of the 95 % interval.
        high: upper end of the 95 % interval.
        n_queries: queries that `value` was measured on.
        estimated: what the candidates said of this trial before it was built; None when it was not estimated.
    """

    value: float
    low: float
    high: float
    n_queries: int
    estimated: float | None = None


@dataclass(frozen=True, slots=True)
class IndexBytes:
    """Where an index's bytes live.

    Attributes:
        ram_bytes_per_vector: codes, list ids and links: what grows with the corpus and stays in RAM.
        ram_fixed_bytes: codebooks, rotation, centroids, padding, headers, tables made on opening: what does not grow.
        disk_bytes_per_vector: the rescoring tier.
        file_bytes: length of the serialized index.
    """

    ram_bytes_per_vector: float
    ram_fixed_bytes: int
    disk_bytes_per_vector: float
    file_bytes: int


@dataclass(frozen=True, slots=True)
class LatencyMs:
    """Single-thread time of one search in milliseconds, over `n_queries` warm queries, none of them repeated."""

    p50: float
    p95: float
    p99: float
    n_queries: int


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line of a monthly bill: quantity times unit price, with the price's source and date.

    Attributes:
        item: what is paid for, in words.
        quantity: how much of it.
        unit: of `quantity`.
        usd_per_unit: the price.
        usd: quantity x usd_per_unit, rounded to the cent, halves up.
        source: where the price was read.
        as_of: the day on which it was true, YYYY-MM-DD.
        part: which part of the service it pays for.
        formula: how the quantity comes from the workload.
        caution: why the price deserves a second look (an undated copy, an estimate); empty when it does not.
        undated: whether the price's page carries no date, so that `as_of` is the day of reading it.
    """

    item: str
    quantity: Decimal
    unit: str
    usd_per_unit: Decimal
    usd: Decimal
    source: str
    as_of: str
    part: Part = "compute"
    formula: str = ""
    caution: str = ""
    undated: bool = False


@dataclass(frozen=True, slots=True)
class Bill:
    """A monthly bill at one target; `usd_per_month` is exactly the sum of the lines.

    Attributes:
        target: name of the place where the index is served, `faiss-ram-nvme` for example.
        usd_per_month: sum of `lines`, to the cent.
        low: the same bill at the favourable end of the measured inputs' spread.
        high: the same bill at the unfavourable end.
        lines: every line, zero lines left out.
        usd_before_minimum: what a month in use costs before a monthly minimum is filled up and without the share of
            what is paid once (the first load); None stands for `usd_per_month`.
        notes: what a reader should know: assumptions, and prices that deserve a second look.
    """

    target: str
    usd_per_month: Decimal
    low: Decimal
    high: Decimal
    lines: tuple[BillLine, ...]
    usd_before_minimum: Decimal | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Show target, money with its range and how many lines there are, in one line."""
        n = len(self.lines)
        return f"<Bill {_usd_words(self)}, {n} line{'s' * (n != 1)}>"


@dataclass(frozen=True, slots=True)
class RecallForecast:
    """recall_vs_exact@k at a larger corpus, with the same quantizer and search parameters.

    Attributes:
        n_vectors: size of the corpus that it is for.
        value: None where only a range can be given.
        low: lower end; None where nothing can be said.
        high: upper end.
        method: how it was found, in words.
        reason: why there is no value or no lower end; empty when there are both.
    """

    n_vectors: int
    value: float | None
    low: float | None
    high: float
    method: str
    reason: str


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One trial with everything that was measured of it: one row of ``trials.parquet``.

    Attributes:
        trial: what was tried.
        status: where the sweep left it.
        reason: why it has that status, in words; empty when there is nothing to say.
        confirmed: whether the figures come from the confirmation build rather than from selection.
        quality: by name, `recall_vs_exact@10` for example; empty when unsuitable.
        index_bytes: None when unsuitable.
        latency: None when it was not measured.
        cold: latency with no page of the rescoring tier in RAM; None without a tier, or when it was not measured.
        cold_reason: why a tier has no cold latency; empty otherwise.
        forecast: of recall at the size that is billed; None when that is the corpus's own size.
        upper_bound: whether an unbuilt trial's recall had not converged, so that it can only rule the trial out.
        estimate_gap: estimated minus built recall_vs_exact on the same selection queries; None until confirmed.
        qps: queries per second on one thread; None when it was not measured.
        qps_all_cores: queries per second of a batch on all cores; None when it was not measured.
        cpu_ms_per_query: what the bill charges for a search, by the run's cost model.
        cpu_ms_low: lower end of the 95 % interval of `cpu_ms_per_query`.
        cpu_ms_high: upper end of that interval.
        train_seconds: wall time of training.
        build_seconds: wall time of encoding and adding.
        bills: by target name.
        per_query: float32 (n_queries,) score of each query by quality name, so that trials compare as pairs; of a built
            trial also `recall_by_chunks@<d>`, the share of the judged documents among its first d chunks.
    """

    trial: Trial
    status: Status
    reason: str = ""
    confirmed: bool = False
    quality: Mapping[str, Quality] = field(default_factory=dict)
    index_bytes: IndexBytes | None = None
    latency: LatencyMs | None = None
    cold: LatencyMs | None = None
    cold_reason: str = ""
    forecast: RecallForecast | None = None
    upper_bound: bool = False
    estimate_gap: float | None = None
    qps: float | None = None
    qps_all_cores: float | None = None
    cpu_ms_per_query: float | None = None
    cpu_ms_low: float | None = None
    cpu_ms_high: float | None = None
    train_seconds: float | None = None
    build_seconds: float | None = None
    bills: Mapping[str, Bill] = field(default_factory=dict)
    per_query: Mapping[str, NDArray[np.float32]] = field(default_factory=dict, compare=False, repr=False)

    def __repr__(self) -> str:
        """Show trial, status, where its figures come from, quality, bytes and least bill, in one line."""
        least = min(self.bills.values(), key=lambda bill: bill.usd_per_month, default=None)
        parts = [
            "measured on a built index" if self.confirmed else _in_one_line(self.reason),
            *_quality_words(self.quality),
            *([_bytes_words(self.index_bytes)] if self.index_bytes else []),
            *([f"least bill {_usd_words(least)}"] if least else []),
        ]
        told = "; ".join(part for part in parts if part)
        return f"<TrialResult {_in_one_line(str(self.trial))}: {self.status}{'; ' * bool(told)}{told}>"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What ``recommendation.json`` holds; see docs/method.md for the meaning of each field.

    Attributes:
        status: `ok`, or `nothing_fits` when no trial meets the limits (the rest then describes the closest trial).
        trial: the chosen trial.
        confirmed: whether its figures come from a confirmation build on the whole corpus.
        target: name of the target that `bill` is for.
        quality: by name, with intervals.
        index_bytes: where its bytes live.
        latency: measured single-thread latency; None when it was not measured.
        cold: the same with no page of the rescoring tier in RAM; None without a tier, or when it was not measured.
        forecast: of recall at the size that is billed; None when that is the corpus's own size.
        bill: at `target`.
        baseline_label: what the saving is measured against.
        baseline_bill: the baseline's bill at its own cheapest target.
        baseline_ram_bytes_per_vector: the baseline's bytes in RAM.
        loss_vs_exact: paired loss of each judged quality against exact search (positive: worse).
        why: the reasons in words, one sentence each.
        runners_up: printed trials that came next.
        synthetic_queries: True when quality was measured on queries made from the corpus.
        cache: the caches to put around it, as ``recommendation.json`` holds them; None where no log was replayed.
    """

    status: Literal["ok", "nothing_fits"]
    trial: Trial
    confirmed: bool
    target: str
    quality: Mapping[str, Quality]
    index_bytes: IndexBytes
    latency: LatencyMs | None
    bill: Bill
    baseline_label: str
    baseline_bill: Bill
    baseline_ram_bytes_per_vector: float
    loss_vs_exact: Mapping[str, Quality]
    why: tuple[str, ...]
    runners_up: tuple[str, ...]
    synthetic_queries: bool
    cold: LatencyMs | None = None
    forecast: RecallForecast | None = None
    cache: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        """Show trial, quality with intervals, bytes, and the bill beside the baseline's, in one line."""
        parts = [
            "measured on a built index" if self.confirmed else "estimated, not built",
            *_quality_words(self.quality, " (synthetic queries)" * self.synthetic_queries),
            _bytes_words(self.index_bytes),
            f"{_usd_words(self.bill)}, baseline {_usd_words(self.baseline_bill)}",
        ]
        status = "" if self.status == "ok" else f"{self.status}, the closest is "
        return f"<Recommendation {status}{_in_one_line(str(self.trial))}: {'; '.join(parts)}>"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: the content of ``run.json``, its trials and its recommendation.

    Attributes:
        folder: the run folder, as the user named it: what is shown.
        info: the content of ``run.json``.
        trials: one result per trial, in grid order.
        recommendation: the decision.
        path: the same folder as an absolute path, by the working directory when the record was made: what is read.
    """

    folder: str
    info: Mapping[str, Any]
    trials: tuple[TrialResult, ...] = field(repr=False)
    recommendation: Recommendation
    path: Path = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep where the folder is, whatever becomes of the working directory."""
        object.__setattr__(self, "path", Path(self.folder).absolute())

    def __repr__(self) -> str:
        """Show folder, how many trials of what, and the recommendation, in one line."""
        corpus = self.info.get("corpus", {}).get("source", "an unnamed corpus")
        return (
            f"<Run {_in_one_line(self.folder)}: {len(self.trials):,} trials on {_in_one_line(str(corpus))}; "
            f"{self.recommendation!r}>"
        )


def _in_one_line(text: str) -> str:
    """Text of any origin in a repr: control characters and line ends spelt out, cut."""
    return visible(text if len(text) <= REPR_CHARACTERS else f"{text[:REPR_CHARACTERS]}…").replace("\n", "\\n")


def _usd_words(bill: Bill) -> str:
    usd, low, high = (f"{to_cents(money):,.2f}" for money in (bill.usd_per_month, bill.low, bill.high))
    return f"USD {usd} [{low}, {high}] per month on {_in_one_line(bill.target)}"


def _bytes_words(sizes: IndexBytes) -> str:
    return f"{sizes.ram_bytes_per_vector:,g} B of codes and {sizes.disk_bytes_per_vector:,g} B of tier per vector"


def _quality_words(quality: Mapping[str, Quality], label: str = "") -> list[str]:
    """Each quality with its 95 % interval and number of queries."""
    return [
        f"{_in_one_line(name)} {one.value:.4f} [{one.low:.4f}, {one.high:.4f}], n = {one.n_queries:,}{label}"
        for name, one in quality.items()
    ]
