"""`ragopt compare RUN_A RUN_B`: what changed between two finished runs, and whether a build may go on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ragopt.compare.max_increase import MaxIncrease

STANDARD_OUTPUT = Path("-")


class MaxIncreaseType(click.ParamType["MaxIncrease"]):
    """A share like 10%, or an amount of USD a month."""

    name = "limit"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> MaxIncrease:
        """Read the limit, or fail as a usage error."""
        from ragopt.compare.max_increase import MaxIncrease  # noqa: PLC0415 - loaded when first used
        from ragopt.errors import InputError  # noqa: PLC0415 - loaded when first used

        try:
            return MaxIncrease.parse(str(value))
        except InputError as error:
            self.fail(str(error), param, ctx)


@click.command("compare")
@click.argument("run_a", metavar="RUN_A", type=click.Path(path_type=Path))
@click.argument("run_b", metavar="RUN_B", type=click.Path(path_type=Path))
@click.option("--html", "html_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write the comparison as a page.")  # fmt: skip
@click.option("--md", "md_file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), metavar="FILE",
              help="Write it as markdown for GitHub; - is standard output.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on standard output.")
@click.option("--max-increase", type=MaxIncreaseType(), default=None, metavar="LIMIT",
              help="Most that the bill may rise by: 10%, or 25 USD a month. Default: it is not judged.")  # fmt: skip
def command(
    run_a: Path,
    run_b: Path,
    html_file: Path | None,
    md_file: Path | None,
    as_json: bool,  # noqa: FBT001 - click passes flags by name
    max_increase: MaxIncrease | None,
) -> int:
    """Compare the recommendations of two finished runs, A before B: quality, bytes, bill and what the runs were given.

    Exit codes: 0 nothing got worse; 4 a quality fell beyond its 95 % interval, no quality can be compared, B has no
    trial that meets its limits where A had one, or the bill rose beyond --max-increase; 1 an error, 2 usage.

    Example: ragopt compare runs/main runs/branch --max-increase 10% --md summary.md
    """
    if html_file == STANDARD_OUTPUT:
        raise click.UsageError("--html takes the name of a file.")
    if as_json and md_file == STANDARD_OUTPUT:
        raise click.UsageError("--json and --md - both write to standard output: choose one.")
    from ragopt.compare.comparing import compare_runs  # noqa: PLC0415 - loaded when first used
    from ragopt.report.comparison_sheet import comparison_sheet  # noqa: PLC0415 - loaded when first used
    from ragopt.report.output_files import check_files  # noqa: PLC0415 - loaded when first used
    from ragopt.sweep.run_folder import read_run  # noqa: PLC0415 - loaded when first used

    named = {"html": html_file, "md": None if md_file == STANDARD_OUTPUT else md_file}
    files = {kind: file for kind, file in named.items() if file is not None}
    if files:
        check_files(files)
    found = compare_runs(read_run(run_a), read_run(run_b), max_increase=max_increase)
    sheet = comparison_sheet(found)
    if html_file is not None:
        from ragopt.report.sheet_page import sheet_page  # noqa: PLC0415 - loaded when first used

        _write(html_file, sheet_page(sheet), "Page")
    if md_file is not None:
        from ragopt.report.sheet_markdown import sheet_markdown  # noqa: PLC0415 - loaded when first used

        _write(md_file, sheet_markdown(sheet), "Markdown")
    if as_json:
        import json  # noqa: PLC0415 - loaded when first used

        from ragopt.compare.comparison_json import comparison_json  # noqa: PLC0415 - loaded when first used

        click.echo(json.dumps(comparison_json(found), indent=2, ensure_ascii=False, allow_nan=False))
    elif md_file != STANDARD_OUTPUT:
        from rich.console import Console  # noqa: PLC0415 - loaded when first used

        from ragopt.report.sheet_text import print_sheet  # noqa: PLC0415 - loaded when first used

        print_sheet(sheet, Console(highlight=False))
    return found.exit_code


def _write(file: Path, text: str, what: str) -> None:
    from ragopt.artifacts import write_atomically  # noqa: PLC0415 - loaded when first used

    if file == STANDARD_OUTPUT:
        click.echo(text, nl=False)
        return
    write_atomically(file, text)
    click.echo(f"{what}: {file}", err=True)
