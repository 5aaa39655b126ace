"""What changed in the bill: parts, lines, unit prices, workload, saving."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.lines import total
from ragopt.compare.records import BillChange, Changed, LineChange, PartChange, PriceChange
from ragopt.sweep.billed import result_of
from ragopt.sweep.kept_run import damaged, stored_workload
from ragopt.sweep.run_folder import DAMAGE

if TYPE_CHECKING:
    from ragopt.compare.max_increase import MaxIncrease
    from ragopt.records import Bill, BillLine, Recommendation, Run

_SPLIT = ", the index split over #"
"""Of a line that names one VM or several: the price of a VM does not depend on how many there are."""

_NUMBER = re.compile(r"(?<![\w.-])[0-9][0-9,]*(?:\.[0-9]+)?(?![\w-])")
"""Figures that stand alone in a line's words: those of `c7g.medium` or `text-embedding-3` belong to a name."""


def compare_bills(a: Run, b: Run, limit: MaxIncrease | None) -> BillChange:
    """Compare the bills of two recommendations. Raises ArtifactError: the workload of a run is damaged."""
    ours, theirs = a.recommendation, b.recommendation
    return BillChange(
        ours.bill.usd_per_month,
        theirs.bill.usd_per_month,
        _parts(ours.bill, theirs.bill),
        _lines(ours.bill, theirs.bill),
        _prices(a, b),
        _workload(a, b),
        _saving(ours),
        _saving(theirs),
        _shared(a),
        _shared(b),
        limit,
    )


def _saving(decision: Recommendation) -> Decimal:
    return decision.baseline_bill.usd_per_month - decision.bill.usd_per_month


def _shared(run: Run) -> Decimal | None:
    """What a run bills besides, wherever the index lives; None in a run that does not say."""
    if "everywhere" not in run.info:
        return None
    try:
        return Decimal(run.info["everywhere"]["shared_usd_per_month"])
    except DAMAGE as error:
        raise damaged(run, "everywhere", "a table with shared_usd_per_month, a decimal as text") from error


def _parts(a: Bill, b: Bill) -> tuple[PartChange, ...]:
    names = dict.fromkeys(line.part for line in (*a.lines, *b.lines))
    return tuple(
        PartChange(name, *(total([line for line in bill.lines if line.part == name]) for bill in (a, b)))
        for name in names
    )


def head_of(item: str) -> str:
    """What a line is called, without its figures.

    >>> head_of("VMs: 1 x c7g.medium for 1 replica; each needs 0.01 of 0.85 GiB RAM")
    'VMs'
    """
    return item.partition(":")[0]


def thing_of(item: str) -> str:
    """What a price is of: the words of a line with figures that stand alone taken out.

    >>> thing_of("VMs: 1 x c7g.medium; each needs 0.01 of 0.85 GiB") == thing_of("VMs: 3 x c7g.medium; each needs 0.4 of 0.85 GiB")
    True
    >>> thing_of("VMs: 1 x c7g.medium for 1 replica") == thing_of("VMs: 4 x c7g.medium for 1 replica, the index split over 4")
    True
    >>> thing_of("VMs: 1 x c7g.medium") == thing_of("VMs: 1 x c7g.large")
    False
    """  # noqa: E501 - the words of a line are long
    words = _NUMBER.sub("#", item).replace(_SPLIT, "")
    return words.replace("each of # replicas", "# replica").replace("replicas", "replica")


def _lines(a: Bill, b: Bill) -> tuple[LineChange, ...]:
    """Lines by part and head; of several with one head the first goes with the first."""
    ours, theirs = _numbered(a), _numbered(b)
    return tuple(
        LineChange(part, head, ours.get((part, head, number)), theirs.get((part, head, number)))
        for part, head, number in dict.fromkeys([*ours, *theirs])
    )


def _numbered(bill: Bill) -> dict[tuple[str, str, int], BillLine]:
    seen: Counter[tuple[str, str]] = Counter()
    found: dict[tuple[str, str, int], BillLine] = {}
    for line in bill.lines:
        name = (line.part, head_of(line.item))
        found[*name, seen[name]] = line
        seen[name] += 1
    return found


def _prices(a: Run, b: Run) -> tuple[PriceChange, ...]:
    """Unit prices of the same thing at the targets of both recommendations, where the trials are billed there."""
    found = []
    ours, theirs = result_of(a).bills, result_of(b).bills
    for target in dict.fromkeys([a.recommendation.target, b.recommendation.target]):
        if target not in ours or target not in theirs:
            continue
        before = {(thing_of(line.item), line.unit): line for line in ours[target].lines}
        for line in theirs[target].lines:
            old = before.get((thing_of(line.item), line.unit))
            if old and (old.usd_per_unit, old.as_of, old.source) != (line.usd_per_unit, line.as_of, line.source):
                found.append(PriceChange(target, head_of(line.item), old, line))
    return tuple(found)


def _workload(a: Run, b: Run) -> tuple[Changed, ...]:
    ours, theirs = stored_workload(a).as_json(), stored_workload(b).as_json()

    def text(value: object) -> str | None:
        return None if value in (None, "") else str(value)

    return tuple(
        Changed(name, text(ours[name]), text(theirs[name])) for name in ours if text(ours[name]) != text(theirs[name])
    )
