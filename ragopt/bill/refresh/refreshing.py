"""`ragopt prices refresh` without the command line: ask each API, judge each price, write the user's files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragopt.bill.price_book import PriceBook
from ragopt.bill.refresh import aws_ec2, aws_offers, aws_region_index, aws_spot, azure_retail, gcp_gcosts
from ragopt.bill.refresh.fetching import Fetcher, FetchLimits
from ragopt.bill.refresh.judging import judge
from ragopt.bill.refresh.outcome import Outcome, Reading
from ragopt.bill.refresh.writing import renew_file
from ragopt.errors import InputError, PriceError

if TYPE_CHECKING:
    from pathlib import Path

    from ragopt.bill.price import Price

Reader = Callable[[Fetcher, PriceBook, dt.date], Reading]


@dataclass(frozen=True, slots=True)
class Api:
    """A public price API that needs no key.

    Attributes:
        base_url: its usual address.
        read: what reads it.
        by_default: whether it is asked when none is named; not where that takes hundreds of megabytes.
    """

    base_url: str
    read: Reader
    by_default: bool = True


APIS: Mapping[str, Api] = {
    "aws-storage": Api(aws_region_index.BASE_URL, aws_offers.read_aws_offers),
    # Before aws-spot, whose prices are made from those on demand.
    "aws-ec2": Api(aws_region_index.BASE_URL, aws_ec2.read_aws_ec2, by_default=False),
    "aws-spot": Api(aws_spot.BASE_URL, aws_spot.read_aws_spot),
    "azure": Api(azure_retail.BASE_URL, azure_retail.read_azure_retail),
    "gcp": Api(gcp_gcosts.BASE_URL, gcp_gcosts.read_gcp_gcosts),
}
"""By the name that `--only` takes."""


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """What a refresh did.

    Attributes:
        n_prices: prices in the book.
        outcomes: one for each price that an API is asked for, by API.
        failures: why an API gave nothing, by API: none of its prices were taken.
        files: the files written, or that would be written in a dry run.
        dry_run: whether nothing was written.
    """

    n_prices: int
    outcomes: Mapping[str, tuple[Outcome, ...]]
    failures: Mapping[str, str]
    files: tuple[Path, ...]
    dry_run: bool

    @property
    def n_refused(self) -> int:
        """How many prices were refused."""
        return sum(one.status == "refused" for outcomes in self.outcomes.values() for one in outcomes)

    @property
    def is_whole(self) -> bool:
        """Whether nothing was refused and every API answered."""
        return not self.n_refused and not self.failures


def refresh(
    book: PriceBook,
    folder: Path,
    *,
    today: dt.date,
    addresses: Mapping[str, str] | None = None,
    limits: FetchLimits | None = None,
    dry_run: bool = False,
) -> RefreshReport:
    """Ask price APIs about the prices that `book` has, and write what they say into `folder`, one file per group.

    An API that fails changes nothing; the others go on. A refused price stays as it is; the others of its page are
    taken.

    Args:
        book: the prices as they are; no others are added.
        folder: the user's folder, see ragopt.bill.price_book.user_prices_folder.
        today: a page dated after tomorrow is refused.
        addresses: the APIs to ask, names of APIS, each with its base URL; when left out, those that are asked by
            default, at their usual addresses.
        limits: time, tries and size of one page.
        dry_run: write nothing.

    Raises:
        InputError: an API with an unknown name.
        PriceError: a file in `folder` that cannot be read; it is left as it is.
        StorageError: the folder cannot be written.
    """
    if addresses is None:
        addresses = {name: api.base_url for name, api in APIS.items() if api.by_default}
    for name in addresses:
        if name not in APIS:
            raise InputError(f"There is no price API {name!r}", allowed=", ".join(APIS), next_step="Name one of these")
    outcomes: dict[str, tuple[Outcome, ...]] = {}
    failures: dict[str, str] = {}
    files: list[Path] = []
    for name, base_url in addresses.items():
        try:
            with Fetcher(base_url, limits or FetchLimits()) as fetcher:
                outcomes[name] = _outcomes(APIS[name].read(fetcher, book, today))
        except PriceError as error:
            failures[name] = str(error)
            continue
        new = [one.new for one in outcomes[name] if one.new is not None]
        files += _write(folder, new, dry_run=dry_run)
        book = book.over(new)
    return RefreshReport(len(list(book)), outcomes, failures, tuple(dict.fromkeys(files)), dry_run)


def _outcomes(reading: Reading) -> tuple[Outcome, ...]:
    refused = (Outcome("refused", refusal.book, refusal=refusal) for refusal in reading.refused)
    return (*map(judge, reading.found), *refused)


def _write(folder: Path, prices: list[Price], *, dry_run: bool) -> list[Path]:
    by_group: dict[str, list[Price]] = {}
    for price in prices:
        by_group.setdefault(price.group, []).append(price)
    if dry_run:
        return [folder / f"{group}.toml" for group in by_group]
    return [renew_file(folder, group, ones) for group, ones in by_group.items()]
