"""The bill of one index everywhere it can live, beside what the service costs wherever it lives."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ragopt.bill.bill_json import bill_json, lines_json
from ragopt.bill.lines import total
from ragopt.bill.old_prices import old_price_warnings
from ragopt.bill.ranged import ranged
from ragopt.bill.service import shared_lines
from ragopt.bill.targets import TARGETS, bill_index, target_of
from ragopt.errors import InputError, PriceError

if TYPE_CHECKING:
    from ragopt.bill.footprint import Footprint
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.projection import MonthBill
    from ragopt.bill.tornado import Swing
    from ragopt.bill.workload import Workload
    from ragopt.records import Bill, BillLine

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class WholeBill:
    """What a retrieval service costs in an average month.

    Attributes:
        workload: what was billed.
        footprint: the index that was billed.
        targets: one bill per target that can be billed, cheapest first.
        shared: lines that are the same at every target: text, documents, reranking, generation, egress.
        not_billed: target name to the reason why there is no bill.
        warnings: prices that are old.
        book: the prices that it was made with. given: fields of the workload that somebody stated or measured.
        today: the day that prices are as old as.
        notes: how the footprint was found, where it was not measured.
    """

    workload: Workload
    footprint: Footprint
    targets: tuple[Bill, ...]
    shared: tuple[BillLine, ...]
    not_billed: Mapping[str, str]
    warnings: tuple[str, ...]
    book: PriceBook = field(repr=False, compare=False)
    given: frozenset[str]
    today: dt.date
    notes: tuple[str, ...] = ()

    @property
    def shared_usd_per_month(self) -> Decimal:
        """Sum of the shared lines."""
        return total(self.shared)


def bill_everywhere(  # noqa: PLR0913 - what is billed, for what, with which prices, where, on which day
    footprint: Footprint,
    workload: Workload,
    book: PriceBook,
    *,
    targets: Sequence[str] = (),
    given: frozenset[str] = frozenset(),
    seed: int = 0,
    today: dt.date | None = None,
    notes: tuple[str, ...] = (),
) -> WholeBill:
    """Bill one index at every target, or at those that are named.

    Args:
        footprint: the index.
        workload: what it has to serve; the bill is for an average month of its horizon.
        book: prices.
        targets: names; empty for all. A target that was named and cannot be billed is an error.
        given: fields of the workload that somebody stated or measured.
        seed: of the range's draws.
        today: the day that prices are as old as; the day it is unless given.
        notes: how the footprint was found.

    Raises:
        InputError: an unknown target, or a named one that makes no sense for this index.
        PriceError: a price that a named target or a shared line needs is missing.
    """
    day = today or dt.datetime.now(tz=dt.UTC).date()
    found: list[Bill] = []
    not_billed: dict[str, str] = {}
    for name in targets:
        target_of(name)
    for name, target in TARGETS.items():
        if targets and name not in targets:
            continue
        reason = target.why_not(footprint, workload.at_average())
        if reason and not targets:
            not_billed[name] = reason
            continue
        try:
            bill = bill_index(footprint, workload, book, target=name)
        except PriceError as error:
            if targets:
                raise
            not_billed[name] = str(error)
            continue
        found.append(ranged(bill, footprint, workload, book, given=given, today=day, seed=seed))
    if not found:
        raise InputError("No target can be billed: " + "; ".join(f"{name}: {why}" for name, why in not_billed.items()),
                         next_step="Correct the workload, or give the missing prices with --prices")  # fmt: skip
    shared = shared_lines(workload, book, dim=footprint.dim)
    found.sort(key=lambda bill: (bill.usd_per_month, bill.target))
    lines = [*shared, *(line for bill in found for line in bill.lines)]
    warnings = old_price_warnings(lines, day)
    return WholeBill(workload, footprint, tuple(found), shared, not_billed, warnings, book, given, day, notes)


def whole_bill_json(
    whole: WholeBill, months: Mapping[str, Sequence[MonthBill]] | None = None, swings: Sequence[Swing] = ()
) -> dict[str, Any]:
    """Give a whole bill as JSON values: money and other decimals as strings.

    Args:
        whole: the bill.
        months: by target, the bill of every month of the horizon; left out when there is none.
        swings: the inputs that move the cheapest bill most; left out when there are none.
    """
    shared = whole.shared_usd_per_month
    more: dict[str, Any] = {}
    if months:
        more["by_month"] = {
            name: [{"month": one.month, "n_vectors": one.n_vectors, "usd_per_month": str(one.usd_per_month)}
                   for one in bills]
            for name, bills in months.items()
        }  # fmt: skip
    if swings:
        more["tornado"] = [{name: str(value) if isinstance(value, Decimal) else value
                            for name, value in asdict(swing).items()} for swing in swings]  # fmt: skip
    return {
        "schema": SCHEMA,
        "workload": whole.workload.as_json(),
        "n_vectors_billed": whole.workload.at_average().n_vectors,
        "index": {"dim": whole.footprint.dim, "scalar": whole.footprint.scalar,
                  "n_vectors_measured": whole.footprint.n_vectors_measured,
                  "cpu_ms_per_query": whole.footprint.cpu_ms_per_query, **asdict(whole.footprint.index_bytes)},
        "targets": [
            {
                "name": bill.target,
                "summary": TARGETS[bill.target].summary,
                "serves_the_index": TARGETS[bill.target].serves_the_index,
                **bill_json(bill),
                "usd_per_month_with_shared": str(bill.usd_per_month + shared),
            }
            for bill in whole.targets
        ],
        "shared": {"usd_per_month": str(shared), "lines": lines_json(whole.shared)},
        "not_billed": [{"name": name, "reason": reason} for name, reason in whole.not_billed.items()],
        "warnings": list(whole.warnings),
        **more,
    }  # fmt: skip
