"""`ragopt workload init`: a commented workload file to fill in."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("workload")
def command() -> None:
    """Workload files: what a bill is for.

    Example: ragopt workload init workload.toml
    """


@command.command("init")
@click.argument("path", type=click.Path(path_type=Path), default=Path("workload.toml"))
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
def init(path: Path, *, force: bool) -> None:
    """Write a commented workload file to PATH; every field with its unit, bounds, default and reason."""
    from ragopt.artifacts import write_atomically  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.workload_file import workload_text  # noqa: PLC0415 - loaded when first used
    from ragopt.errors import InputError  # noqa: PLC0415 - loaded when first used

    if path.exists() and not force:
        raise InputError(f"{path} exists already", next_step="Name another file, or replace it with --force")
    write_atomically(path, workload_text())
    click.echo(f"Wrote {path}. Fill in what you know, then run: ragopt bill --workload {path} --dim 384")
