"""Charts as PNG and SVG files: drawn by vl-convert, without a browser and without the network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragopt.artifacts import write_atomically
from ragopt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import altair as alt

PNG_SCALE = 2.0
"""Pixels per chart unit: sharp on a high-density screen and in print at half size."""


def vega_lite_version() -> str:
    """The Vega-Lite version that the installed Altair writes, in vl-convert's form (`6.1`)."""
    import altair as alt  # noqa: PLC0415 - loaded when first used

    return ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def _spec(chart: alt.LayerChart) -> dict[str, Any]:
    """A chart as Vega-Lite; checking it against the schema takes half of the time of a report, and tests do it."""
    return chart.to_dict(validate=False)


def svg_text(chart: alt.LayerChart) -> str:
    """Render a chart as SVG."""
    import vl_convert  # noqa: PLC0415 - loaded when first used

    svg = vl_convert.vegalite_to_svg(_spec(chart), vl_version=vega_lite_version(), allowed_base_urls=[])
    return _numbered_anew(str(svg))


def _numbered_anew(svg: str) -> str:
    """Count clip paths from 1: vl-convert goes on counting, and a chart drawn twice would differ."""
    numbers: dict[str, int] = {}
    # Only tags are rewritten: text between them may hold names that look like ids.
    parts = re.split(r"(<[^>]*>)", svg)
    for position in range(1, len(parts), 2):
        parts[position] = re.sub(
            r'(id="|url\(#)clip(\d+)',
            lambda found: f"{found[1]}clip{numbers.setdefault(found[2], len(numbers) + 1)}",
            parts[position],
        )
    return "".join(parts)


def drawn_size(chart: alt.LayerChart) -> tuple[int, int]:
    """Width and height of a chart in chart units, with axes, legend and title, as it is drawn."""
    found = re.search(r'<svg[^>]* width="([0-9.]+)" height="([0-9.]+)"', svg_text(chart))
    if found is None:
        raise ValueError("vl-convert rendered an SVG without a size")
    return round(float(found[1])), round(float(found[2]))


def png_bytes(chart: alt.LayerChart, *, scale: float = PNG_SCALE) -> bytes:
    """Render a chart as PNG with `scale` pixels per chart unit."""
    import vl_convert  # noqa: PLC0415 - loaded when first used

    return bytes(
        vl_convert.vegalite_to_png(_spec(chart), vl_version=vega_lite_version(), scale=scale, allowed_base_urls=[])
    )


def write_png(chart: alt.LayerChart, path: Path) -> None:
    """Write a chart as a PNG file, whole or not at all.

    Raises:
        StorageError: the file cannot be written.
    """
    write_atomically(Path(path), png_bytes(chart))


def write_svg(chart: alt.LayerChart, path: Path) -> None:
    """Write a chart as an SVG file, whole or not at all.

    Raises:
        StorageError: the file cannot be written.
    """
    write_atomically(Path(path), svg_text(chart))


def picture_writer(path: Path, example: str) -> Callable[[alt.LayerChart, Path], None]:
    """What writes a chart into a file of this name, known before anything is drawn.

    Args:
        path: of the file.
        example: name that an error suggests.

    Raises:
        InputError: the file has another suffix than .png or .svg.
    """
    writers = {".png": write_png, ".svg": write_svg}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise InputError(f"Cannot draw {path.name}", allowed=" or ".join(writers), next_step=f"Name the file {example}")
    return writer
