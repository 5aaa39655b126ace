"""The bill at every target as a sweep would keep it, by hand: straight lines around a run's own recommendation."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ragopt.bill.decisions.crossovers import crossovers
from ragopt.bill.decisions.target import Skipped, TargetDecision
from ragopt.bill.monte_carlo import BillRange
from ragopt.bill.tornado import Swing
from ragopt.sweep.kept_everywhere import Everywhere, TargetUsd, Tornado, everywhere_json

if TYPE_CHECKING:
    from ragopt.records import Bill

# (name, fixed, per billed vectors) as multiples of the recommended bill: with x times the vectors, the recommended one
# is 0.5 + 0.5 x, above `early` (0.02 + 2 x) from x = 0.48 / 1.5 = 0.32 on and above `late` (20 + 0.2 x) from x = 65 on.
LINES = (
    ("early", "0.02", "2"),
    ("late", "20", "0.2"),
    ("other-faiss", "1.2", "6"),
    ("asked", "2.7", "0"),
    ("dear", "90", "9"),
)
ASKED_FROM, ASKED_TO = 5, 10
"""Times the billed vectors from which `asked` needs consent, and beyond which it is not sold."""

OWN_INDEX = ("early", "late", "asked", "dear")


def cents(usd: Decimal) -> Decimal:
    return usd.quantize(Decimal("0.01"))


def decision(bill: Bill, n_vectors: int) -> TargetDecision:
    """The crossovers from a tenth of the vectors to a hundred times them, four sizes a decade."""

    def bill_at(size: int) -> dict[str, Decimal]:
        times = Decimal(size) / n_vectors
        lines = ((bill.target, "0.5", "0.5"), *LINES)
        usd = {name: cents(bill.usd_per_month * (Decimal(fixed) + Decimal(per) * times)) for name, fixed, per in lines}
        return {name: one for name, one in usd.items() if name != "asked" or times <= ASKED_TO}

    result = crossovers(bill_at, n_vectors // 10, n_vectors * 100, points_per_decade=4,
                        may_lead=lambda name, size: name != "asked" or size < ASKED_FROM * n_vectors)  # fmt: skip
    return TargetDecision(
        "vectors",
        result,
        (Skipped("unpriced", result.low, result.high, "unpriced publishes no price for reads"),),
        ("1,000,000 queries a month, peak 10 a second.",),
        f"{bill.target} is cheapest between two others.",
    )


def tornado(bill: Bill) -> Tornado:
    """Four inputs: one to both sides, one to one side, both ends dearer, one refused."""

    def swing(words: str, at_low: str, at_high: str, low: str, high: str | None) -> Swing:
        ends = (None if times is None else cents(bill.usd_per_month * Decimal(times)) for times in (low, high))
        return Swing(words.replace(" ", "_"), words, at_low, at_high, *ends, bill.usd_per_month)

    swings = (
        swing("peak load and queries", "5 QPS at the peak", "20 QPS at the peak", "0.6", "2.2"),
        swing("CPU time per query", "1 ms", "4 ms", "1", "1.8"),
        swing("prices of aws VMs", "\N{MINUS SIGN}33 %", "+50 %", "1.2", "1.5"),
        swing("growth", "1 million vectors a month", "4 million vectors a month", "0.9", None),
    )
    return Tornado(swings, BillRange(bill.target, bill.usd_per_month, bill.low, bill.high, 256, 0, 0, ()))


def everywhere(bill: Bill, n_vectors: int) -> Everywhere:
    """Six targets: the recommended one, another for the same index, four of indexes of their own."""
    usd = {bill.target: bill.usd_per_month}
    usd |= {name: cents(bill.usd_per_month * (Decimal(fixed) + Decimal(per))) for name, fixed, per in LINES}
    targets = tuple(
        TargetUsd(
            name,
            one,
            bill.low if name == bill.target else cents(one * Decimal("0.5")),
            bill.high if name == bill.target else cents(one * Decimal(2)),
            name not in OWN_INDEX,
            name == "asked",
            "At the end of the horizon it no longer takes the index." if name == "dear" else "",
            "64 % compute; every byte of code saves.",
        )
        for name, one in sorted(usd.items(), key=lambda item: item[1])
    )
    return Everywhere(targets, Decimal("4.00"), ("unpriced",), tornado(bill), decision(bill, n_vectors))


def everywhere_info(bill: Bill, n_vectors: int) -> dict[str, Any]:
    """The same as ``run.json`` has it."""
    return everywhere_json(everywhere(bill, n_vectors))
