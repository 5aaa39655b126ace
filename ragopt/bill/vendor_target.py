"""A managed vendor as a target: it holds the vectors and builds its own index, whose recall was not measured."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ragopt.bill.lines import Charges, total, without_zeros
from ragopt.bill.reasoning import COMPRESSION, CONSENT
from ragopt.bill.vendor_capacity import not_compared, units_of
from ragopt.bill.vendor_limits import broken, too_slow
from ragopt.bill.vendor_lines import first_load, minimum_lines, monthly_lines, monthly_streams, path_of, stream_lines
from ragopt.bill.vendor_prices import VendorPrices, region_of
from ragopt.bill.vendor_quantities import Holding
from ragopt.bill.vendor_rules import read_rules, rules_files
from ragopt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ragopt.bill.footprint import Footprint
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.vendor_records import VendorRules
    from ragopt.bill.workload import Workload

UNKNOWN_DIMENSION = "the dimension of the vectors is unknown"


@dataclass(frozen=True, slots=True)
class VendorTarget:
    """A vendor that holds `n_vectors` vectors of the footprint's dimension and bills by its own rules.

    Attributes:
        rules: of its bill.
    """

    rules: VendorRules

    serves_the_index = False
    rescoring_in_ram = False

    @property
    def name(self) -> str:
        """Name in `Bill.target`, in options, of its file and of its price group."""
        return self.rules.name

    @property
    def summary(self) -> str:
        """What is kept where, in one sentence."""
        return self.rules.summary

    def why_not(self, footprint: Footprint, workload: Workload) -> str:
        """Say what of a workload the vendor does not sell; empty when it sells all of it."""
        if footprint.dim is None:
            return UNKNOWN_DIMENSION
        held = Holding.of(self.rules, footprint.dim, footprint, workload)
        reasons = [*broken(self.rules, held, on_request=False), too_slow(self.rules, held)]
        for capacity in self.rules.capacities:
            if all(units_of(option, capacity, held, None) is None for option in capacity.options):
                sizes = ", ".join(option.item for option in capacity.options if not option.optional)
                reasons.append(f"none of its sizes ({sizes}) holds {workload.n_vectors:,} vectors of {held.dim} "
                               f"dimensions in {workload.n_replicas} replicas")  # fmt: skip
        return "; ".join(reason for reason in reasons if reason)

    def charges(self, footprint: Footprint, workload: Workload, book: PriceBook, cpu_ms: float) -> Charges:
        """Bill an average month; the CPU time of the measured index plays no part.

        Raises:
            InputError: the dimension is unknown, or no size that is priced holds the vectors.
            PriceError: a price is missing.
        """
        del cpu_ms
        if footprint.dim is None:
            raise InputError(f"Cannot bill {self.name}: {UNKNOWN_DIMENSION}", next_step="Give the footprint its dim")
        held = Holding.of(self.rules, footprint.dim, footprint, workload)
        prices = VendorPrices.of(self.rules, book, workload)
        monthly = monthly_lines(self.rules, held, prices)
        for stream in monthly_streams(self.rules, held):
            monthly += stream_lines(stream, held, prices)[0]
        recurring = without_zeros(monthly)
        load_lines, load_usd = stream_lines(first_load(self.rules, held), held, prices)
        usd = total(recurring)
        minimum = minimum_lines(self.rules, prices, usd, load_usd, workload.horizon_months)
        lines = without_zeros([*recurring, *load_lines, *minimum])
        return Charges(lines, usd, self._notes(footprint, held, prices))

    def missing_prices(self, book: PriceBook, workload: Workload) -> tuple[str, ...]:
        """Items that the vendor does not publish and the book does not have: what the user has to supply."""
        return VendorPrices.of(self.rules, book, workload).missing()

    def _notes(self, footprint: Footprint, held: Holding, prices: VendorPrices) -> tuple[str, ...]:
        rules, work = self.rules, held.workload
        notes = [f"{COMPRESSION}{rules.compression}"]
        if held.scalar.name != footprint.scalar:
            notes.append(f"{rules.name} does not sell {footprint.scalar} vectors: {held.scalar.name} is billed.")
        path = path_of(rules, work.write_path)
        if path.path != work.write_path and path.charges:
            notes.append(f"{rules.name} sells no {work.write_path} load: whole indexes are written by upserts.")
        if prices.region not in ("global", region_of(work)):
            notes.append(f"Prices are those of {prices.region}; there are none for {region_of(work)}.")
        if work.p99_limit_ms is not None and rules.least_latency_ms is None:
            notes.append(
                f"{rules.name} publishes no latency: the p99 limit of {work.p99_limit_ms:f} ms is not checked."
            )
        notes += [f"{CONSENT}: {one}." for one in broken(rules, held, on_request=True)]
        notes += [*self._outgrown(footprint, held), *not_compared(rules, held, prices)]
        notes += rules.assumptions
        notes += [f"Price of {price.item}: {price.caution}." for price in prices.all() if price.caution]
        return tuple(notes)

    def _outgrown(self, footprint: Footprint, held: Holding) -> list[str]:
        """Say in which month growth breaks a limit that the billed size keeps; empty when it never does."""
        work = held.workload
        if not work.growth_vectors_per_month:
            return []

        def refused(month: int) -> str:
            return self.why_not(footprint, work.in_month(month))

        def on_request(month: int) -> str:
            later = dataclasses.replace(held, workload=work.in_month(month))
            return "; ".join(broken(self.rules, later, on_request=True))

        asked = bool(broken(self.rules, held, on_request=True))
        found = [_first_month(f"Outgrows {self.name}", refused, work.horizon_months)]
        if not asked:
            sold = f"Outgrows what {self.name} sells without being asked"
            found.append(_first_month(sold, on_request, work.horizon_months))
        return [note for note in found if note]


def _first_month(what: str, reason_in: Callable[[int], str], months: int) -> str:
    """Name the first month with a reason; empty when the last has none, since vectors only grow."""
    if not reason_in(months):
        return ""
    month = 1 + bisect_left(range(1, months + 1), 1, key=lambda one: bool(reason_in(one)))
    return f"{what} in month {month} of {months}: {reason_in(month)}."


@lru_cache(maxsize=1)
def load_vendors() -> tuple[VendorTarget, ...]:
    """Every vendor that has a file in the package, by name.

    Raises:
        PriceError: a file that cannot be read, or uses a price that it does not have.
    """
    return tuple(VendorTarget(read_rules(file)) for file in rules_files())
