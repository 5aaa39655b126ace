"""`ragopt export RUN --plain-faiss`: the index of a run without ragopt."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("export")
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--plain-faiss", is_flag=True, help="As lines of Python that need numpy and faiss alone; the only form there is."
)
@click.option("--trial", metavar="TRIAL", help="A printed trial of the run. Default: the recommended one.")
def command(run_folder: Path, plain_faiss: bool, trial: str | None) -> None:  # noqa: FBT001 - click passes flags by name
    """Print what rebuilds an index of the finished run in the folder RUN without ragopt.

    The lines read `vectors` and `queries`, float32 arrays as the model gives them, and leave `scores` and `ids`. Those
    of a joint space also read `fit_queries`.

    Example: ragopt export ragopt-run --plain-faiss > rebuild.py
    """
    if not plain_faiss:
        raise click.UsageError("Say as what to export: --plain-faiss.")
    from ragopt.report.faiss_lines import lines_of_run  # noqa: PLC0415 - loaded when first used
    from ragopt.sweep.run_folder import read_run  # noqa: PLC0415 - loaded when first used

    click.echo(lines_of_run(read_run(run_folder), trial), nl=False)
