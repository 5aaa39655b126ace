"""Targets whose bills can be worked out by hand, for tests of what is done with bills."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from ragopt.bill.footprint import Footprint
from ragopt.bill.lines import Charges, make_line, total
from ragopt.bill.price import Price
from ragopt.bill.price_book import PriceBook
from ragopt.records import IndexBytes

MILLION = 1_000_000


def price_of(group, usd, *, as_of="2026-06-01", item="unit"):
    return Price(group, "global", group, item, "unit", Decimal(usd), as_of, f"https://{group}.example/pricing")


BOOK = PriceBook([price_of("acme", "3"), price_of("beta", "1")])


def footprint_of(cpu_ms=(1.0, 1.0, 1.0)):
    """One million vectors of 32 bytes; CPU time as low, middle, high."""
    low, middle, high = cpu_ms
    return Footprint(IndexBytes(32.0, 0, 0.0, 32 * MILLION), MILLION, middle, low, high)


@dataclass
class FakeTarget:
    """Charges `quantities(workload, cpu_ms)` of each group's one price; refuses where `refuses(workload)` is true."""

    name: str
    quantities: Callable
    refuses: Callable = lambda workload: False  # noqa: ARG005 - the signature of a real one
    calls: list = field(default_factory=list)

    summary = "a target for tests"
    rescoring_in_ram = True
    serves_the_index = True

    def why_not(self, footprint, workload):
        """Refuse what `refuses` says."""
        del footprint
        return "too large" if self.refuses(workload) else ""

    def charges(self, footprint, workload, book, cpu_ms):
        """One line per group."""
        del footprint
        self.calls.append((workload, cpu_ms))
        lines = tuple(
            make_line(group, Decimal(quantity), book.price(group, "global", group, "unit"), part="queries", formula="")
            for group, quantity in self.quantities(workload, cpu_ms).items()
        )
        return Charges(lines, total(lines))


def install(monkeypatch, *targets):
    """Make these the only targets there are."""
    # By its module: `ragopt.bill` is the verb, so that a dotted path would stop there.
    room = sys.modules["ragopt.bill.targets"]
    monkeypatch.setattr(room, "TARGETS", MappingProxyType({target.name: target for target in targets}))
