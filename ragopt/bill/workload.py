"""What the bill is for: how many vectors, how many queries, how they are written, served and kept, and where."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from ragopt.bill.workload_fields import FIELDS, check_value
from ragopt.errors import InputError
from ragopt.units import HOURS_PER_MONTH

SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600


@dataclass(frozen=True, slots=True)
class Workload:
    """The service to be billed; every field's unit, default, reason and bounds are in `workload_fields.FIELDS`.

    Raises:
        InputError: a value outside its bounds, or two that contradict each other; the message names the option, or
            the place in the workload file.
    """

    n_vectors: int
    queries_per_month: int = 1_000_000
    peak_qps: Decimal = Decimal(10)
    n_replicas: int = 1
    provider: str = "aws"
    region: str = "us-east-1"
    growth_vectors_per_month: int = 0
    horizon_months: int = 12
    tokens_per_chunk: int = 256
    text_bytes_per_chunk: int = 1024
    metadata_bytes: int = 0
    key_bytes: int = 0
    filterable_share: Decimal = Decimal(1)
    namespaces: int = 1
    k: int = 10
    query_tokens: int = 20
    p99_limit_ms: Decimal | None = None
    reindexes_per_month: Decimal = Decimal(0)
    reembeddings_per_month: Decimal = Decimal(0)
    write_path: str = "bulk"
    vectors_per_write: int = 100
    n_zones: int = 1
    commitment: str = "on-demand"
    embedding_model: str = ""
    embedding_batch_share: Decimal = Decimal(0)
    embedding_vm: str = ""
    embedding_tokens_per_second: Decimal | None = None
    reranker: str = ""
    rerank_candidates: int = 50
    generator: str = ""
    prompt_tokens: int = 500
    answer_tokens: int = 300
    cached_prompt_share: Decimal = Decimal(0)
    generation_batch_share: Decimal = Decimal(0)
    generator_vm: str = ""
    generator_tokens_per_second: Decimal | None = None
    document_bytes: int = 0
    document_reads_per_month: Decimal = Decimal(0)
    document_object_bytes: int = 1_000_000
    keep_raw_vectors: str = "no"
    raw_vector_reads_per_month: Decimal = Decimal(0)
    most_retrieval_hours: Decimal = Decimal(0)
    storage_tier: str = "cheapest"
    internet_egress_share: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        """Check every field, and those that belong together."""
        for field in FIELDS.values():
            value = getattr(self, field.name)
            check_value(field, value)
            if isinstance(field.low, Decimal) and isinstance(value, int):
                object.__setattr__(self, field.name, Decimal(value))  # an int would make a float of a quotient
        average = Decimal(self.queries_per_month) / SECONDS_PER_MONTH
        if average > self.peak_qps:
            queries, peak = FIELDS["queries_per_month"].label, FIELDS["peak_qps"].label
            raise InputError(
                f"{queries} {self.queries_per_month:,} is {average:,.2f} queries per second on "
                f"average, more than {peak} {self.peak_qps:f}",
                allowed="a peak at or above the average",
                next_step=f"Give {peak} the queries per second of your busiest minute",
            )
        if self.n_zones > self.n_replicas:
            raise InputError(
                f"{FIELDS['n_zones'].label} is {self.n_zones} with {FIELDS['n_replicas'].label} {self.n_replicas}",
                allowed="no more zones than replicas",
                next_step="Give each zone a replica",
            )
        if self.cached_prompt_share and self.generator == "self":
            raise InputError(
                f"{FIELDS['cached_prompt_share'].label} is {self.cached_prompt_share} with generator = self",
                allowed="0: a provider's prompt cache is not there",
                next_step="Put the speed with your own cache into generator_tokens_per_second",
            )
        self._check_self_hosted("embedding")
        self._check_self_hosted("generator")

    def _check_self_hosted(self, what: str) -> None:
        model = self.embedding_model if what == "embedding" else self.generator
        vm, speed = getattr(self, f"{what}_vm"), getattr(self, f"{what}_tokens_per_second")
        if model == "self" and not (vm and speed):
            raise InputError(
                f"{FIELDS['embedding_model' if what == 'embedding' else 'generator'].label} is self, but "
                f"{what}_vm is {vm!r} and {what}_tokens_per_second is {speed}",
                allowed="a VM type and its measured speed",
                next_step=f"Measure tokens per second on the VM that will serve, and fill {what}_vm and "
                f"{what}_tokens_per_second",
            )

    @property
    def n_vectors_average(self) -> Decimal:
        """Vectors in an average month of the horizon: n_vectors + growth x (months - 1) / 2."""
        return self.n_vectors + Decimal(self.growth_vectors_per_month) * (self.horizon_months - 1) / 2

    @property
    def n_vectors_first(self) -> int:
        """Vectors in the first month: what is loaded once."""
        return self.n_vectors

    def in_month(self, month: int) -> Month:
        """Return the workload with the size of one month of the horizon, from 1."""
        return self._month_of(self.n_vectors_first + (month - 1) * self.growth_vectors_per_month)

    def _month_of(self, n_vectors: int) -> Month:
        """Another size, everything else as it was checked: ranges make thousands of months."""
        month = object.__new__(Month)
        for name in FIELDS:
            object.__setattr__(month, name, getattr(self, name))
        object.__setattr__(month, "n_vectors", n_vectors)
        object.__setattr__(month, "loaded_once", self.n_vectors_first)
        return month

    def at_average(self) -> Month:
        """Return the workload with the size of an average month, rounded up to whole vectors.

        Exact for whatever grows in proportion to the vectors; what grows by steps is billed month by month by
        `ragopt bill --by-month`.
        """
        n_vectors = int(self.n_vectors_average.to_integral_value(rounding=ROUND_CEILING))
        return self._month_of(n_vectors)

    def as_json(self) -> dict[str, Any]:
        """Give every field as a JSON value; decimals as strings."""
        values = dataclasses.asdict(self)
        return {name: f"{value:f}" if isinstance(value, Decimal) else value for name, value in values.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Workload:
        """Read back what `as_json` gave; a field that it does not know is left at its default.

        Raises:
            InputError: a value that no workload has.
        """
        kept = {name: value for name, value in values.items() if name in FIELDS and value is not None}
        for name, value in kept.items():
            if isinstance(FIELDS[name].low, Decimal):
                kept[name] = Decimal(str(value))
        return cls(**kept)

    def describe(self, n_corpus: int | None = None) -> list[str]:
        """Say what was asked for and the service's main figures, each with its option, and whether it is a default.

        Args:
            n_corpus: vectors in the corpus at hand, the command line's default for `n_vectors`.
        """
        values = {
            "n_vectors": f"vectors: {self.n_vectors:,}",
            "queries_per_month": f"queries: {self.queries_per_month:,} a month",
            "peak_qps": f"peak: {self.peak_qps:f} queries per second",
            "n_replicas": f"replicas: {self.n_replicas}",
            "provider": f"provider: {self.provider}",
            "region": f"region: {self.region}",
        }
        defaults: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(self)}
        if n_corpus is not None:
            defaults["n_vectors"] = n_corpus
        for name, field in FIELDS.items():
            if name not in values and getattr(self, name) != defaults[name]:
                unit = "" if field.low is None else f" {field.unit}"
                values[name] = f"{name}: {getattr(self, name)}{unit}"
        return [
            f"{text} ({'default, ' if getattr(self, name) == defaults[name] else ''}change with {FIELDS[name].label})"
            for name, text in values.items()
        ]


@dataclass(frozen=True, slots=True)
class Month(Workload):
    """A workload with the size of one month, or of the average one; `loaded_once` is the size of the first."""

    loaded_once: int = 0

    @property
    def n_vectors_first(self) -> int:
        """Vectors in the first month of the horizon: what is loaded once."""
        return self.loaded_once

    @property
    def n_vectors_average(self) -> Decimal:
        """Vectors in this month: a month has no other size."""
        return Decimal(self.n_vectors)

    def at_average(self) -> Month:
        """A month is one already."""
        return self
