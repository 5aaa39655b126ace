"""What a page says of one price of the book, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ragopt.bill.price import Price

Status = Literal["changed", "confirmed", "kept", "refused"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a page's figure for one price was not taken.

    Attributes:
        book: the price as it is, which stays.
        page: the URL of the page.
        field: which field of the page.
        found: what stands there, in words.
        allowed: what would have been taken.
    """

    book: Price
    page: str
    field: str
    found: str
    allowed: str

    @property
    def sentence(self) -> str:
        """Say it in one line: price, page, field, what was found, what is allowed."""
        where = f"{self.book.provider} {self.book.region} {self.book.group} {self.book.item}"
        return f"{where}: {self.field} in {self.page} is {self.found}. Allowed: {self.allowed}."


@dataclass(frozen=True, slots=True)
class Found:
    """A figure that a page gives for one price of the book, in the book's unit.

    Attributes:
        book: the price as it is.
        new: the price as the page has it.
        field: which field of the page holds it.
    """

    book: Price
    new: Price
    field: str


@dataclass(frozen=True, slots=True)
class Reading:
    """All that the pages of one API say about the book: both lists in the book's order."""

    found: tuple[Found, ...]
    refused: tuple[Refusal, ...]

    @classmethod
    def of(cls, results: Iterable[Found | Refusal]) -> Reading:
        """Sort results into the two lists."""
        both = tuple(results)
        return cls(
            tuple(one for one in both if isinstance(one, Found)),
            tuple(one for one in both if isinstance(one, Refusal)),
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one price.

    Attributes:
        status: changed (another figure), confirmed (the same figure at a later date), kept (the book's is of a later
            date than the page), refused.
        book: the price as it was.
        new: the price as it is from now on; None where nothing is written.
        refusal: why not; None unless refused.
    """

    status: Status
    book: Price
    new: Price | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of a page and what the book calls it.

    Attributes:
        page: the page's word, exactly.
        book: the book's words for it.
        book_per_page: how many page units one book unit is: 1000 where the page prices one request, the book 1k.
    """

    page: str
    book: tuple[str, ...]
    book_per_page: Decimal = Decimal(1)
