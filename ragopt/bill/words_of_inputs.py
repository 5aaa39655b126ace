"""Uncertain inputs in words: their names, their figures at a factor, their spreads."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.uncertain_inputs import CPU, LIBRARY_PLACE, PRICE, QUERIES, Inputs, place_of

if TYPE_CHECKING:
    from ragopt.bill.uncertain_inputs import Spread

UNITS = {
    QUERIES: ("peak load and queries", "QPS at the peak"),
    CPU: ("CPU time per query", "ms"),
    "growth_vectors_per_month": ("growth", "vectors a month"),
    "n_vectors": ("vectors", ""),
    "metadata_bytes": ("metadata", "bytes a vector"),
    "text_bytes_per_chunk": ("chunk text", "bytes a chunk"),
    "tokens_per_chunk": ("chunk length", "tokens"),
    "query_tokens": ("question length", "tokens"),
    "prompt_tokens": ("instructions in the prompt", "tokens"),
    "answer_tokens": ("answer length", "tokens"),
    "reindexes_per_month": ("re-indexing", "times a month"),
    "reembeddings_per_month": ("re-embedding", "times a month"),
    "document_bytes": ("source documents", "bytes"),
    "document_reads_per_month": ("reads of the documents", "times a month"),
    "raw_vector_reads_per_month": ("reads of the raw vectors", "times a month"),
}
"""Short name and unit by input; other fields go by their own name."""


def words_of(name: str) -> str:
    """An input's name in words.

    >>> words_of("price of aws block_storage"), words_of("queries")
    ('prices of aws block storage', 'peak load and queries')
    """
    if name.startswith(PRICE):
        provider, group = place_of(name)
        if (provider, group) == LIBRARY_PLACE:
            return "token prices"
        words = group.replace("_", " ").replace("vms", "VMs")
        return f"prices of {provider}" if words == provider else f"prices of {provider} {words}"
    if name.startswith(f"{CPU} of "):
        return f"{UNITS[CPU][0]} of {name.removeprefix(f'{CPU} of ')}"
    return UNITS.get(name, (name.replace("_", " "), ""))[0]


def figure_text(name: str, factor: float, inputs: Inputs) -> str:
    """An input's figure at a factor, with its unit; for prices, which are many, the change in percent."""
    if name.startswith(PRICE):
        return f"{100 * (factor - 1):+.0f} %".replace("-", "\N{MINUS SIGN}")
    unit = UNITS.get(name, ("", ""))[1]
    at_end = inputs.times({name: factor})
    value = (
        at_end.footprint.cpu_ms_per_query
        if name == CPU
        else getattr(at_end.workload, "peak_qps" if name == QUERIES else name)
    )
    return f"{short_number(value)} {unit}".rstrip()


def short_number(value: float | Decimal) -> str:
    """Three figures, thousands in words.

    >>> short_number(1_250_000), short_number(0.31234), short_number(Decimal("12.5")), short_number(2_000)
    ('1.25 million', '0.312', '12.5', '2,000')
    """
    size = float(value)
    for power, word in ((1e12, " trillion"), (1e9, " billion"), (1e6, " million")):
        if abs(size) >= power:
            return f"{size / power:.3g}{word}"
    return f"{size:,.0f}" if abs(size) >= 100 else f"{size:.3g}"


def spread_text(spread: Spread) -> str:
    """A spread as one clause.

    >>> from ragopt.bill.uncertain_inputs import Spread
    >>> spread_text(Spread("queries", 0.8, 1.25, "stated or measured"))
    'peak load and queries x 0.8 to x 1.25 (stated or measured)'
    """
    reason = f" ({spread.reason})" if spread.reason else ""
    return f"{words_of(spread.name)} x {spread.low_factor:.3g} to x {spread.high_factor:.3g}{reason}"
