"""A price book with some of its prices multiplied: one draw of a range, made by scaling what is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.price_book import PriceBook

if TYPE_CHECKING:
    from ragopt.bill.price import Price


class ScaledBook(PriceBook):
    """The prices of a book, those of some providers and groups times a factor; a price is scaled when it is read."""

    def __init__(self, book: PriceBook, factors: Mapping[tuple[str, str], Decimal]) -> None:
        """Keep the book and the factors, by provider and group."""
        super().__init__(book)
        self._factors = factors

    def __iter__(self) -> Iterator[Price]:
        """Every price, scaled."""
        return (self._scaled(price) for price in self._prices.values())

    def of(self, provider: str, group: str) -> tuple[Price, ...]:
        """Every price of a provider in a group, scaled."""
        return tuple(self._scaled(price) for price in super().of(provider, group))

    def price(self, provider: str, region: str, group: str, item: str) -> Price:
        """Return one price, scaled. Raises PriceError as the book does."""
        return self._scaled(super().price(provider, region, group, item))

    def find(self, provider: str, region: str, group: str, item: str) -> Price | None:
        """Return one price, scaled, or None."""
        found = super().find(provider, region, group, item)
        return None if found is None else self._scaled(found)

    def _read_instances(self, provider: str, region: str) -> tuple[Price, ...]:
        return tuple(self._scaled(price) for price in super()._read_instances(provider, region))

    def _scaled(self, price: Price) -> Price:
        factor = self._factors.get((price.provider, price.group))
        return price if factor is None else price.times(factor)
