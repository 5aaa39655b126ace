"""The report of a finished run as files: everything is checked and made before the first one is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ragopt.artifacts import write_atomically
from ragopt.errors import InputError
from ragopt.report.figure import Figure, NoFigure
from ragopt.report.figures import FRONTIER, figure_of, no_numbers
from ragopt.report.markdown import markdown_of, relative_address
from ragopt.report.output_files import SUFFIXES, check_files
from ragopt.sweep.run_folder import PICTURE_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ragopt.records import Run

PICTURES = ("png", "svg")


def write_report(run: Run, files: Mapping[str, Path], *, chart: str | None = None) -> tuple[Path, ...]:
    """Write outputs of a run, each whole or not at all.

    Args:
        run: a finished run.
        files: by kind of `SUFFIXES`, the file.
        chart: name of the chart in the pictures; None is the frontier.

    Returns:
        The files, in the order of `SUFFIXES`.

    Raises:
        InputError: no file, one that may not be written so (see `check_files`), a chart without a picture, or one that
            is unknown or that this run has no numbers for.
        ArtifactError: no trial of the run was measured.
        StorageError: a file cannot be written.
    """
    check_files(files)
    figure = picture_figure(run, files, chart)
    made = {kind: _content(run, kind, files, figure) for kind in SUFFIXES if kind in files}
    for kind, content in made.items():
        write_atomically(files[kind], content)
    return tuple(files[kind] for kind in made)


def picture_figure(run: Run, files: Mapping[str, Path], chart: str | None) -> Figure | None:
    """The figure that the pictures show; None when no picture is asked for. Raises InputError: see `write_report`."""
    if not any(kind in files for kind in PICTURES):
        if chart is not None:
            raise InputError(f"--chart {chart} says nothing without a picture", allowed="--png or --svg beside it",
                             next_step=f"Add --png {FRONTIER}.png, or leave --chart out")  # fmt: skip
        return None
    figure = figure_of(run, chart or FRONTIER)
    if isinstance(figure, NoFigure):
        raise no_numbers(run, figure)
    return figure


def markdown_beside(run: Run, folder: Path, files: Mapping[str, Path], figure: Figure | None) -> str:
    """The markdown that lies in a folder, with the picture that lies nearest to it: the one asked for, or the run's."""
    if "png" in files and figure is not None:
        return markdown_of(run, image=relative_address(files["png"], folder), image_title=figure.title)
    kept = run.path / PICTURE_FILE
    return markdown_of(run, image=relative_address(kept, folder)) if kept.is_file() else markdown_of(run)


def _content(run: Run, kind: str, files: Mapping[str, Path], figure: Figure | None) -> bytes | str:
    if kind == "html":
        from ragopt.report.page import page_html  # noqa: PLC0415 - loaded when first used

        return page_html(run)
    if kind == "md":
        return markdown_beside(run, files["md"].parent, files, figure)
    from ragopt.report.pictures import png_bytes, svg_text  # noqa: PLC0415 - loaded when first used

    if figure is None:
        raise ValueError(f"no figure for {kind}")
    if figure.name == FRONTIER:
        from ragopt.report.charts import frontier_picture  # noqa: PLC0415 - loaded when first used

        chart = frontier_picture(run)  # at the size of the run folder's own, so that both are the same file
    else:
        chart = figure.draw(narrow=False, titled=True)
    return png_bytes(chart) if kind == "png" else svg_text(chart)
