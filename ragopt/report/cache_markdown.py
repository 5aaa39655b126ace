"""What a pull request's summary says of the caches: the ranking, the table, why some are off, warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.report.cache_ranking import ranked_sentence, sum_sentence
from ragopt.report.cache_tables import short_table
from ragopt.report.cache_words import insufficient_sentence, log_sentence, notes, reasons
from ragopt.report.markdown_limit import Block
from ragopt.report.markdown_text import prose

if TYPE_CHECKING:
    from ragopt.cache.advice import CacheAdvice
    from ragopt.report.figure import Table

CACHE_TITLE = "**Caches**"


def cache_blocks(advice: CacheAdvice) -> list[Block]:
    """The sentences and the table; lists of reasons and warnings are made by the caller as all lists are."""
    told = [ranked_sentence(advice), sum_sentence(advice), log_sentence(advice)]
    insufficient = f"**{prose(insufficient_sentence(advice))}**\n\n" if advice.insufficient else ""
    return [
        Block(CACHE_TITLE),
        Block(insufficient + " ".join(prose(sentence, limit=LONGEST) for sentence in told)),
        Block(_table(short_table(advice))),
    ]


LONGEST = 2_000
"""Characters of a sentence: its names are cut already, at 400 each."""


def off_reasons(advice: CacheAdvice) -> tuple[str, ...]:
    """Why some caches are not recommended."""
    return reasons(advice, off_only=True)


def risks(advice: CacheAdvice) -> str:
    """What a reader has to know of the recommended caches, as points; empty where there is nothing."""
    return "\n".join(f"- {prose(note, limit=LONGEST)}" for note in notes(advice, on_only=True))


def _table(table: Table) -> str:
    heads = (prose(column.title, in_table=True) for column in table.columns)
    rules = ("---:" if column.numeric else "---" for column in table.columns)
    rows = [(prose(cell, in_table=True) for cell in row) for row in table.rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rules, *rows))
