"""What the bill is for: how many vectors, how many queries, how many replicas, and where."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ragopt.errors import InputError
from ragopt.units import HOURS_PER_MONTH

SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600

OPTION = {
    "n_vectors": "--vectors-at-scale",
    "queries_per_month": "--queries-per-month",
    "peak_qps": "--peak-qps",
    "n_replicas": "--replicas",
    "provider": "--provider",
    "region": "--region",
}
"""The command-line option of each field, as the messages name it."""

BOUNDS: dict[str, tuple[int | Decimal, int | Decimal]] = {
    # Ten times the largest public vector collections (about 10^11): more is a slip of the keyboard.
    "n_vectors": (1, 10**12),
    # 10^12 a month is 380,000 a second, more than any one retrieval service is known to answer.
    "queries_per_month": (0, 10**12),
    # A peak of one query in 1,000 s still needs one VM; a million a second covers the bound above with room for peaks.
    "peak_qps": (Decimal("0.001"), Decimal(10**6)),
    # Replicas are for availability; capacity is sized by peak_qps. One per zone of the largest region is 6.
    "n_replicas": (1, 100),
}


@dataclass(frozen=True, slots=True)
class Workload:
    """The service to be billed.

    Attributes:
        n_vectors: vectors in the index; bytes and scan time grow with it. The command line fills in the corpus's own
            size. 1 to 10^12.
        queries_per_month: queries in 730 hours. Default 1 M: a mid-sized internal service, 0.4 a second on average,
            and the figure that vendors' own examples use. 0 to 10^12, and on average no more than `peak_qps`.
        peak_qps: queries per second in the busiest minute; VMs are sized for it. Default 10: 26 times the default
            average, office hours and bursts included. 0.001 to 10^6.
        n_replicas: complete copies of the service, each able to carry the whole peak. Default 1: no redundancy is
            billed that was not asked for. 1 to 100.
        provider: whose prices are used. Default aws: the provider that the price book is most complete for.
        region: where, in the provider's spelling. Default us-east-1: list prices are lowest and best dated there.

    Raises:
        InputError: a value outside its bounds; the message names the command-line option.
    """

    n_vectors: int
    queries_per_month: int = 1_000_000
    peak_qps: Decimal = Decimal(10)
    n_replicas: int = 1
    provider: str = "aws"
    region: str = "us-east-1"

    def __post_init__(self) -> None:
        """Check every field and that the average does not exceed the peak."""
        for name in BOUNDS:
            _check_number(name, getattr(self, name))
        for name in ("provider", "region"):
            value = getattr(self, name)
            if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9][a-z0-9-]*", value):
                raise InputError(
                    f"{OPTION[name]} is {value!r}",
                    allowed="lower-case letters, digits and hyphens, as the provider writes it",
                    next_step=f"Write it like {OPTION[name]} {self.__dataclass_fields__[name].default}",
                )
        average = Decimal(self.queries_per_month) / SECONDS_PER_MONTH
        if average > self.peak_qps:
            raise InputError(
                f"{OPTION['queries_per_month']} {self.queries_per_month:,} is {average:,.2f} queries per second on "
                f"average, more than {OPTION['peak_qps']} {self.peak_qps:f}",
                allowed="a peak at or above the average",
                next_step=f"Give {OPTION['peak_qps']} the queries per second of your busiest minute",
            )

    def describe(self, n_corpus: int | None = None) -> list[str]:
        """Say every value in a line of its own, its option, and whether it is a default.

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
        return [
            f"{text} ({'default, change with ' if getattr(self, name) == defaults[name] else 'from '}{OPTION[name]})"
            for name, text in values.items()
        ]


def _check_number(name: str, value: object) -> None:
    low, high = BOUNDS[name]
    kinds = (int,) if isinstance(low, int) else (int, Decimal)
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    if is_number and Decimal(value).is_finite() and low <= value <= high:  # type: ignore[arg-type,operator]
        return
    kind = "a whole number" if isinstance(low, int) else "a decimal number (an int or decimal.Decimal)"
    raise InputError(
        f"{OPTION[name]} is {value if isinstance(value, Decimal) else repr(value)}",
        allowed=f"{kind} from {low:,} to {high:,}",
        next_step=f"Give {OPTION[name]} a value in that range",
    )
