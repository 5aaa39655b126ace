"""`ragopt report RUN`: a finished run drawn again, in the terminal or as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragopt.cli.options import json_option
from ragopt.report.figures import FIGURES

if TYPE_CHECKING:
    from ragopt.finished_run import Run

STANDARD_OUTPUT = Path("-")

LONGEST_PATH = 10 * 4096
"""Bytes of a path on Linux (PATH_MAX), each spelt out in ten characters at most: none that can be written is cut."""

FILE = click.Path(path_type=Path)


@click.command("report")
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--html", type=FILE, metavar="FILE", help="The page, one file that fetches nothing.")
@click.option("--png", type=FILE, metavar="FILE", help="One chart as a picture.")
@click.option("--svg", type=FILE, metavar="FILE", help="The same chart as SVG.")
@click.option("--md", type=FILE, metavar="FILE", help="A summary for a pull request, in GitHub's markdown; - is "
              "standard output. It links to --png, or else to frontier.png of RUN.")  # fmt: skip
@click.option("--chart", metavar="NAME", default=None, help=f"Chart of --png and --svg: {', '.join(FIGURES)}.  "
              "[default: frontier]")  # fmt: skip
@json_option
def command(
    run_folder: Path,
    html: Path | None,
    png: Path | None,
    svg: Path | None,
    md: Path | None,
    chart: str | None,
    as_json: bool,  # noqa: FBT001 - click passes flags by name
) -> None:
    """Draw the finished run in the folder RUN again; measures nothing. Without a file it prints the whole report.

    Example: ragopt report ragopt-run --md summary.md --png frontier.png
    """
    from ragopt.finished_run import Run  # noqa: PLC0415 - loaded when first used

    if as_json and md == STANDARD_OUTPUT:
        raise click.UsageError("--json and --md - both want standard output: name a file for --md.")
    files = {kind: file for kind, file in (("html", html), ("png", png), ("svg", svg), ("md", md)) if file is not None}
    run = Run.read(run_folder)
    told = _write(run, files, chart)
    if as_json:
        from ragopt.sweep.run_folder import pretty_json, recommendation_json  # noqa: PLC0415 - loaded when first used

        click.echo(pretty_json(recommendation_json(run.recommendation)), nl=False)
    elif told:
        click.echo(told, nl=False)
    elif not files:
        from rich.console import Console  # noqa: PLC0415 - loaded when first used

        from ragopt.report.piped import print_trimmed  # noqa: PLC0415 - loaded when first used
        from ragopt.report.report_text import print_report  # noqa: PLC0415 - loaded when first used

        print_trimmed(Console(highlight=False), lambda console: print_report(run, console))


def _write(run: Run, files: dict[str, Path], chart: str | None) -> str:
    """Write the files that were named, and give the markdown that goes to standard output."""
    from ragopt.report.outputs import markdown_beside, picture_figure, write_report  # noqa: PLC0415 - as above
    from ragopt.report.words import shown  # noqa: PLC0415 - as above

    to_file = {kind: file for kind, file in files.items() if kind != "md" or file != STANDARD_OUTPUT}
    figure = picture_figure(run, to_file, chart)
    for path in write_report(run, to_file, chart=chart) if to_file else ():
        click.echo(f"Wrote {shown(str(path), LONGEST_PATH)}", err=True)
    return "" if len(to_file) == len(files) else markdown_beside(run, Path.cwd(), to_file, figure)
