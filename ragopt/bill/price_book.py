"""The price book: dated prices from the TOML files beside this module, from the user's folder and from a file.

Three layers, each over the one before: the book inside the package (`prices/*.toml`, and the prices of each vendor in
`vendors/*.toml`), what `ragopt prices refresh` wrote into the user's folder (see `renews`), and
a file of overrides (`--prices`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from platformdirs import user_data_path

from ragopt.bill.own_prices import check_day, check_override, told_of_file, told_of_folder, with_sizes_of
from ragopt.bill.price import Price, file_of
from ragopt.bill.price_file import read_overrides, read_prices
from ragopt.errors import PriceError

__all__ = ["Price", "PriceBook"]

STALE_AFTER_DAYS = 90
"""A quarter: the age past which a price is worth a second look before it decides anything (ragopt's own rule)."""

NAMED_BY_MODEL = {
    "rerankers": "Name one of these as PROVIDER:NAME in reranking.reranker",
    "token_prices": "Name one of these as PROVIDER:NAME",
}
"""Groups whose prices a workload asks for by a model's name, whatever its provider and region; and how."""


class PriceBook:
    """Prices by provider, region, group and item; a missing one is an error, never 0."""

    def __init__(self, prices: Iterable[Price], *, told: Iterable[str] = ()) -> None:
        """Index `prices`. Raises PriceError when two of them price the same thing.

        Args:
            prices: what it holds.
            told: see the property.
        """
        self._told = tuple(told)
        self._prices: dict[tuple[str, str, str, str], Price] = {}
        self._instances: dict[tuple[str, str], tuple[Price, ...]] = {}
        self._places: dict[tuple[str, str], tuple[Price, ...]] = {}
        if isinstance(prices, PriceBook):
            # A view of another book: prices never change, and a range makes hundreds of views.
            self._prices, self._places = prices._prices, prices.places()  # noqa: SLF001 - a book too
            return
        for price in prices:
            key = (price.provider, price.region, price.group, price.item)
            if key in self._prices:
                raise PriceError(
                    f"{price.shown_file} prices {price.provider} {price.region} {price.item} twice: "
                    f"{self._prices[key].usd} and {price.usd} USD",
                    next_step="Keep one [[price]] entry of the two",
                )
            self._prices[key] = price

    @classmethod
    def load(
        cls, folder: Traversable | None = None, *, overrides: Path | None = None, today: dt.date | None = None
    ) -> PriceBook:
        """Read every price: the package's, over them those of the user's folder, over them a file of overrides.

        Args:
            folder: read only the price files of this folder instead of the package's and the user's.
            overrides: a file of prices that replace others, or add to them (`--prices`).
            today: prices of the user's folder and of `overrides` may not bear a later day; today (UTC) unless given.

        Raises:
            PriceError: a file that cannot be read as prices; the message names file, entry and field.
        """
        today = today or dt.datetime.now(tz=dt.UTC).date()
        if folder is None:
            book = cls.packaged()
            refreshed = user_prices_folder()
            if refreshed.is_dir():
                book = book.refreshed(refreshed, today=today)
        else:
            book = cls(_read_folder(folder))
        return book if overrides is None else book.overridden(overrides, today=today)

    @classmethod
    def packaged(cls) -> PriceBook:
        """Read the prices inside the package alone: the same on every machine. Raises PriceError as `load` does."""
        root = resources.files("ragopt.bill")
        vendors = (price for file in _files_of(root / "vendors") for price in read_prices(file))
        return cls([*_read_folder(root / "prices"), *vendors])

    @property
    def told(self) -> tuple[str, ...]:
        """What the user's own prices did, one sentence for the refreshed folder and one for each file of overrides."""
        return self._told

    def overridden(self, file: Path, *, today: dt.date | None = None) -> PriceBook:
        """Return a book with the prices of a file over its own; a price keeps the sizes that it is not given anew.

        Args:
            file: of overrides, see read_overrides.
            today: no price may bear a later day; today (UTC) unless given.

        Raises:
            PriceError: the file cannot be read as prices, or one of them has an unknown group, an item that its vendor
                does not sell, a unit in which nothing is counted, or a day to come.
        """
        today = today or dt.datetime.now(tz=dt.UTC).date()
        packaged = PriceBook.packaged()
        replaced, added = [], []
        for price in read_overrides(file):
            there = self.find(price.provider, price.region, price.group, price.item)
            check_override(price, there, packaged, today)
            if there is None:
                added.append(price)
            else:
                replaced.append(with_sizes_of(there, price))
        book = self.over([*replaced, *added])
        return PriceBook(book, told=(*self._told, told_of_file(file, len(replaced), added)))

    def refreshed(self, folder: Path, *, today: dt.date) -> PriceBook:
        """Return a book with what `ragopt prices refresh` wrote into a folder.

        Raises:
            PriceError: a file that cannot be read as prices, or a price of a day after `today`.
        """
        files = sorted(folder.glob("*.toml"))
        prices = [price for file in files for price in read_prices(file, shown=str(file))]
        for price in prices:
            check_day(price, today)
        taken = [price for price in prices if self._takes(price)]
        told = [told_of_folder(taken)] if taken else []
        return PriceBook(self.over(taken), told=(*self._told, *told))

    def over(self, prices: Iterable[Price]) -> PriceBook:
        """Return a book in which `prices` replace those of the same key, or are added."""
        upper = PriceBook(prices)
        return PriceBook({**self._prices, **upper._prices}.values(), told=self._told)

    def _takes(self, price: Price) -> bool:
        there = self.find(price.provider, price.region, price.group, price.item)
        return there is None or renews(price, there)

    def __iter__(self) -> Iterator[Price]:
        """Every price, in file order."""
        return iter(self._prices.values())

    def places(self) -> dict[tuple[str, str], tuple[Price, ...]]:
        """Every price by its provider and group, as the book holds it."""
        if not self._places and self._prices:
            found: dict[tuple[str, str], list[Price]] = {}
            for price in self._prices.values():
                found.setdefault((price.provider, price.group), []).append(price)
            self._places = {place: tuple(prices) for place, prices in found.items()}
        return self._places

    def of(self, provider: str, group: str) -> tuple[Price, ...]:
        """Every price of a provider in a group, in file order; none where the book has none."""
        return self.places().get((provider, group), ())

    def price(self, provider: str, region: str, group: str, item: str) -> Price:
        """Return one price. Raises PriceError naming the file and the entry to fill."""
        found = self._prices.get((provider, region, group, item))
        if found is None:
            raise self._missing(provider, region, group, item)
        return found

    def find(self, provider: str, region: str, group: str, item: str) -> Price | None:
        """Return one price, or None where the book has none."""
        return self._prices.get((provider, region, group, item))

    def instances(self, provider: str, region: str) -> tuple[Price, ...]:
        """Return every VM of a region, by name, with `vcpu` and `ram_gib`. Raises PriceError when there is none."""
        known = self._instances.get((provider, region))
        if known is None:
            known = self._instances[provider, region] = self._read_instances(provider, region)
        return known

    def _read_instances(self, provider: str, region: str) -> tuple[Price, ...]:
        found = [price for (p, r, g, _), price in self._prices.items() if (p, r, g) == (provider, region, "vms")]
        if not found:
            raise self._missing(provider, region, "vms", "<instance type>")
        for price in found:
            price.attribute("vcpu")
            price.attribute("ram_gib")
        return tuple(sorted(found, key=lambda price: price.item))

    def stale(self, today: dt.date) -> tuple[str, ...]:
        """Warn of prices older than STALE_AFTER_DAYS at `today`; each is in one warning, grouped by file and date."""
        by_date: dict[tuple[str, str, str, str], list[str]] = {}
        for price in self._prices.values():
            if (today - dt.date.fromisoformat(price.as_of)).days > STALE_AFTER_DAYS:
                key = (price.shown_file, price.provider, price.region, price.as_of)
                by_date.setdefault(key, []).append(price.item)
        return tuple(
            _stale_warning(key, items, (today - dt.date.fromisoformat(key[3])).days)
            for key, items in sorted(by_date.items())
        )

    def _missing(self, provider: str, region: str, group: str, item: str) -> PriceError:
        places = sorted({f"{p} {r}" for p, r, g, _ in self._prices if g == group})
        items = sorted(i for p, r, g, i in self._prices if (p, r, g) == (provider, region, group))
        known = f"items {', '.join(items)}" if items else f"provider and region {', '.join(places) or '(none yet)'}"
        choose = "Choose one of these with --provider and --region"
        if group in NAMED_BY_MODEL:
            known = ", ".join(sorted({f"{p}:{i}" for p, _, g, i in self._prices if g == group})) or "(none yet)"
            choose = NAMED_BY_MODEL[group]
        return PriceError(
            f"No price for {item} at {provider} {region} in {file_of(group)}",
            allowed=known,
            next_step=f"{choose}, or give the price with --prices FILE: a "
            f"[[price]] entry with group = {group!r}, provider = {provider!r}, region = {region!r}, item = {item!r} "
            f"and its unit, usd, as_of and source; for everybody, propose it in {file_of(group)} by a pull request",
        )


def renews(price: Price, there: Price) -> bool:
    """Whether a price from a provider's page replaces the one of the book.

    It does unless the book's is of a later day: a newer ragopt may bring one. An undated price gives way to a dated one
    at any date, and so does one with a caution, an estimate for example, to a page without.
    """
    gives_way = (there.undated and not price.undated) or (bool(there.caution) and not price.caution)
    return price.as_of >= there.as_of or gives_way


def user_prices_folder() -> Path:
    """Where `ragopt prices refresh` writes: the user's data folder. Its files replace single prices of the package."""
    return user_data_path("ragopt", appauthor=False) / "prices"


def _files_of(folder: Traversable) -> list[Traversable]:
    return sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)


def _read_folder(folder: Traversable) -> list[Price]:
    files = _files_of(folder)
    if not files:
        raise PriceError(f"There is no price file in {folder}", next_step="Reinstall ragopt or name another folder")
    return [price for file in files for price in read_prices(file)]


def _stale_warning(key: tuple[str, str, str, str], items: list[str], age_days: int) -> str:
    file, provider, region, as_of = key
    what = items[0] if len(items) == 1 else f"{len(items)} prices ({items[0]} to {items[-1]})"
    return (
        f"{what} of {provider} {region} in {file}: {age_days} days old (as of {as_of}, over "
        f"{STALE_AFTER_DAYS}). Renew them with `ragopt prices refresh` where a public price page has them, give "
        "your own with --prices FILE, or correct that file by a pull request."
    )
