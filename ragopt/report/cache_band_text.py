"""The band of a model in the terminal: labelled in every column, and no size recommended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from ragopt.units import format_bytes, to_cents

if TYPE_CHECKING:
    from rich.console import Console

    from ragopt.cache.band import ModelBand


def print_band(band: ModelBand, console: Console) -> None:
    """Print what a Zipf model says of a chunk cache."""
    console.print(
        f"A chunk cache over {band.n_items:,} chunks, {band.reads_per_month:,} reads a month at USD "
        f"{band.usd_per_read.normalize():f} each; skew of popularity {band.alpha_low:g} to {band.alpha_high:g}.",
        markup=False,
    )
    table = Table(title=f"Chunk cache: {band.label}", title_justify="left", box=None, pad_edge=False)
    for name in ("chunks held", "size", "reads that hit", "USD saved a month", "USD of memory a month"):
        table.add_column(name, justify="right")
    for row in band.rows:
        table.add_row(
            f"{row.size_items:,}",
            format_bytes(row.size_bytes),
            f"{100 * row.hits_low:.0f} to {100 * row.hits_high:.0f} %",
            f"{to_cents(row.saved_low_usd):,} to {to_cents(row.saved_high_usd):,}",
            f"{to_cents(row.memory_usd):,}",
        )
    console.print(table)
    console.print(f"{band.label[:1].upper()}{band.label[1:]}: no size is recommended. {band.warning}", markup=False)
