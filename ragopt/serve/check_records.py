"""What `ragopt check` finds, as records: every figure with its interval and number, and one word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from decimal import Decimal

    from ragopt.measure.intervals import Interval

Word = Literal["keep", "re-tune", "re-train", "broken"]

EXIT_CODES: dict[Word, int] = {"keep": 0, "broken": 1, "re-tune": 4, "re-train": 5}
"""Of the command line; 2 is a wrong usage and 3 that nothing fits, as for every command."""


@dataclass(frozen=True, slots=True)
class EmbedderReplay:
    """The canaries' questions, embedded again.

    Attributes:
        n: questions. n_moved: of them, those that moved by more than `tolerance`.
        largest_move: ||now - kept|| / ||kept||, the largest. tolerance: most that rounding may move one.
    """

    n: int
    n_moved: int
    largest_move: float
    tolerance: float


@dataclass(frozen=True, slots=True)
class RecallNow:
    """recall_vs_exact@k now.

    Attributes:
        now: over the queries whose exact neighbours are known.
        n_unknown: queries left out: too many of their kept neighbours are deleted.
        at_build: of all canaries at the build; None where it was not kept, and for new queries.
        change: now minus at the build, on the same canaries; None likewise.
        exact_from: where the exact neighbours come from, in words.
    """

    now: Interval
    n_unknown: int
    at_build: Interval | None
    change: Interval | None
    exact_from: str


@dataclass(frozen=True, slots=True)
class CodingDrift:
    """Coding error ||x - decoded||^2 / ||x||^2 of new rows beside that of rows held out at the build.

    Attributes:
        what: which rows, in words. n: of them. error: their mean.
        n_held_out: rows held out. error_held_out: their mean.
        ratio: error / error_held_out, with its 95 % interval.
    """

    what: str
    n: int
    error: float
    n_held_out: int
    error_held_out: float
    ratio: Interval


@dataclass(frozen=True, slots=True)
class OtherBill:
    """A trial of the run at its cheapest target, today."""

    trial: str
    target: str
    usd_per_month: Decimal


@dataclass(frozen=True, slots=True)
class Repriced:
    """The bill of the run beside that of today.

    Attributes:
        target: that the run chose for this trial.
        kept_usd_per_month: as the run billed it, on the day `kept_on`.
        same_size_usd_per_month: today's prices, the size of then; None where the target does not take it now.
        usd_per_month: today's prices, today's size; None likewise.
        why_not: why there is no bill today; empty otherwise.
        n_vectors_then, n_vectors_now: that are billed.
        others: the built trial at the other targets, and runners-up of the run, cheapest first.
    """

    target: str
    kept_usd_per_month: Decimal
    kept_on: str
    same_size_usd_per_month: Decimal | None
    usd_per_month: Decimal | None
    why_not: str
    n_vectors_then: int
    n_vectors_now: int
    others: tuple[OtherBill, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """One finding in words with its figures, and what it alone would say."""

    word: Word
    text: str


@dataclass(frozen=True, slots=True)
class Checked:
    """Everything that a check found.

    Attributes:
        folder: as named. version: of the index; 0 where it could not be read. n_chunks: that can be found.
        trial: printed form; empty where it could not be read. k: results counted.
        recall_floor: that recall is held against; None where nothing is known.
        embedder: None where there is none, or it is another one.
        canaries: None where no canary is known any more. queries: of `--queries`. added: rows since the build.
        documents: of `--documents`. bill: None where none was kept.
        word: keep, re-tune, re-train or broken. reasons: that decided it, or for keep all that speak for it.
        notes: what was not measured, and why.
    """

    folder: str
    version: int
    n_chunks: int
    trial: str
    k: int
    recall_floor: float | None
    embedder: EmbedderReplay | None
    canaries: RecallNow | None
    queries: RecallNow | None
    added: CodingDrift | None
    documents: CodingDrift | None
    bill: Repriced | None
    word: Word
    reasons: tuple[Reason, ...]
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 keep, 4 re-tune, 5 re-train, 1 broken."""
        return EXIT_CODES[self.word]
