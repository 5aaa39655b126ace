"""What the page's section of caches shows, gathered from the advice of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragopt.cache.advice import REPLAYED
from ragopt.report.cache_ranking import ranked_sentence, sum_sentence
from ragopt.report.cache_tables import NOTE, cache_prices, caches_table, orders_table
from ragopt.report.cache_words import insufficient_sentence, log_sentence, notes, reasons, searched_sentence
from ragopt.sweep.kept_cache import cache_of

if TYPE_CHECKING:
    from ragopt.records import Run
    from ragopt.report.figure import Table


@dataclass(frozen=True, slots=True)
class ShownCaches:
    """Sentences, lists and tables of the section, in its order.

    Attributes:
        is_modelled: whether the figures come from a model, not from a replayed log.
        insufficient: why nothing is recommended whatever was saved; empty where the log is enough.
        ranked: the caches by money.
        sums: the month without caches and with them.
        log, searched: what was replayed, and whose searches were billed.
        warnings: of the log and the prices.
        table: every cache; `note` says how to read it.
        reasons, notes: one line each.
        orders, prices: of prompts; of the work that a hit spares.
    """

    is_modelled: bool
    insufficient: str
    ranked: str
    sums: str
    log: str
    searched: str
    warnings: tuple[str, ...]
    table: Table
    note: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    orders: Table
    prices: Table


def shown_caches(run: Run) -> ShownCaches | None:
    """Gather the section; None for a run without a cache advice."""
    advice = cache_of(run)
    if advice is None:
        return None
    return ShownCaches(
        is_modelled=advice.basis != REPLAYED,
        insufficient=insufficient_sentence(advice),
        ranked=ranked_sentence(advice),
        sums=sum_sentence(advice),
        log=log_sentence(advice),
        searched=searched_sentence(advice),
        warnings=advice.warnings,
        table=caches_table(advice),
        note=NOTE,
        reasons=reasons(advice),
        notes=notes(advice),
        orders=orders_table(advice),
        prices=cache_prices(advice),
    )
