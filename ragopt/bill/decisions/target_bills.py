"""The bills of one index at several targets and any size, and what was found out while they were made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragopt.bill.reasoning import UNSIZED, needs_consent
from ragopt.bill.targets import TARGETS, bill_index
from ragopt.errors import PriceError

if TYPE_CHECKING:
    from decimal import Decimal

    from ragopt.bill.footprint import Footprint
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.workload import Workload


@dataclass(frozen=True, slots=True)
class TargetBills:
    """Bills by size; every size that was asked for adds to what is known.

    Attributes:
        footprint: the index.
        workload_at: the workload of a size.
        book: prices.
        names: targets.
        missing: by target, the reason why it has no bill, by size.
        asking: by target, whether the vendor has to be asked, by size.
        unsized: by target, the note that its bill does not size the peak.
    """

    footprint: Footprint
    workload_at: Callable[[int], Workload]
    book: PriceBook
    names: Sequence[str]
    missing: dict[str, dict[int, str]] = field(default_factory=dict)
    asking: dict[str, dict[int, bool]] = field(default_factory=dict)
    unsized: dict[str, str] = field(default_factory=dict)

    def at(self, size: int) -> Mapping[str, Decimal]:
        """USD a month by target; one without a bill is left out."""
        workload = self.workload_at(size)
        return {name: usd for name in self.names if (usd := self._usd(name, size, workload)) is not None}

    def may_lead(self, name: str, size: int) -> bool:
        """Say whether a target that was billed at a size is sold there without asking the vendor."""
        return not self.asking[name][size]

    def first_asked(self) -> dict[str, int]:
        """The smallest size, by target, at which its vendor has to be asked: exact between two that were billed."""
        found = {}
        for name, by_size in self.asking.items():
            beyond = min((size for size, asked in by_size.items() if asked), default=None)
            if beyond is None:
                continue
            within = max((size for size in by_size if size < beyond), default=beyond - 1)
            while beyond - within > 1:
                middle = (within + beyond) // 2
                self._usd(name, middle, self.workload_at(middle))
                within, beyond = (within, middle) if by_size.get(middle) else (middle, beyond)
            found[name] = beyond
        return found

    def _usd(self, name: str, size: int, workload: Workload) -> Decimal | None:
        reason = TARGETS[name].why_not(self.footprint, workload.at_average())
        if not reason:
            try:
                bill = bill_index(self.footprint, workload, self.book, target=name)
            except PriceError as error:
                reason = error.failed
            else:
                self.asking.setdefault(name, {})[size] = needs_consent(bill)
                self.unsized.update((name, note) for note in bill.notes if note.startswith(UNSIZED))
                return bill.usd_per_month
        self.missing.setdefault(name, {})[size] = reason
        return None
