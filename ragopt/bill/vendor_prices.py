"""Find a vendor's prices in the book: in the workload's region where it has some, else in that of its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from ragopt.bill.price import file_of
from ragopt.errors import PriceError

if TYPE_CHECKING:
    from ragopt.bill.price import Price
    from ragopt.bill.price_book import PriceBook
    from ragopt.bill.vendor_records import VendorRules
    from ragopt.bill.workload import Workload


@dataclass(frozen=True, slots=True)
class VendorPrices:
    """The prices of one vendor in one region.

    Attributes:
        rules: the vendor's.
        book: all prices.
        region: whose prices are taken.
    """

    rules: VendorRules
    book: PriceBook
    region: str

    @classmethod
    def of(cls, rules: VendorRules, book: PriceBook, workload: Workload) -> VendorPrices:
        """Take the prices of the workload's own region where the book has one, else of the region in the file."""
        own = region_of(workload)
        known = {region for region, _ in _of_vendor(book, rules.name)}
        return cls(rules, book, own if own in known else rules.region)

    def get(self, item: str) -> Price:
        """Return one price; where the user has to supply prices, the error names all that are missing.

        Raises:
            PriceError: the book does not have it, or in another unit than the rules count in.
        """
        missing = self.missing()
        if item in missing:
            raise _to_supply(self, missing)
        price = self.book.price(self.rules.name, self.region, self.rules.name, item)
        if price.unit != self.rules.units[item]:
            raise PriceError(
                f"The price of {self.rules.name} {self.region} {item} is in USD per {price.unit}",
                allowed=f"USD per {self.rules.units[item]}, which the rules in {file_of(self.rules.name)} count in",
                next_step=f"Give it per {self.rules.units[item]} in the file that replaces or adds it",
            )
        return price

    def has(self, item: str) -> bool:
        """Say whether the book has a price."""
        return (self.region, item) in _of_vendor(self.book, self.rules.name)

    def all(self) -> tuple[Price, ...]:
        """Every price of the vendor in the region, in file order."""
        found = _of_vendor(self.book, self.rules.name)
        return tuple(price for (region, _), price in found.items() if region == self.region)

    def missing(self) -> tuple[str, ...]:
        """Items that the vendor does not publish and the user has not supplied."""
        return tuple(item for item in self.rules.user_supplied if not self.has(item))


@lru_cache(maxsize=32)
def _of_vendor(book: PriceBook, vendor: str) -> Mapping[tuple[str, str], Price]:
    """A vendor's prices by region and item: those of a group with its own name. A book never changes."""
    return MappingProxyType({(price.region, price.item): price for price in book.of(vendor, vendor)})


def region_of(workload: Workload) -> str:
    """A workload's region as vendors' price files write it: `aws-us-east-1`."""
    return f"{workload.provider}-{workload.region}"


def _to_supply(prices: VendorPrices, missing: tuple[str, ...]) -> PriceError:
    name = prices.rules.name
    items = ", ".join(f"{item!r} (unit {prices.rules.user_supplied[item]})" for item in missing)
    return PriceError(
        f"{name} publishes no price for {', '.join(missing)}, and {file_of(name)} has none",
        allowed="prices from your own contract or quote",
        next_step=f"Write a file with [[price]] entries, each with group = {name!r}, provider = {name!r}, "
        f"region = {prices.region!r}, item = {items} and its unit, usd, as_of and source, and name it with --prices",
    )
