"""What `sweep` and `recommend` print at their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ragopt.records import Run


def show_run(run: Run, *, as_json: bool) -> int:
    """Print a run's frontier and recommendation, or its JSON; returns the exit code, 3 when nothing fits."""
    from rich.console import Console  # noqa: PLC0415 - loaded when first used

    from ragopt.report.text import print_frontier, print_recommendation  # noqa: PLC0415 - loaded when first used
    from ragopt.sweep.run_folder import pretty_json, recommendation_json  # noqa: PLC0415 - loaded when first used

    if as_json:
        click.echo(pretty_json(recommendation_json(run.recommendation)), nl=False)
    else:
        console = Console(highlight=False)
        print_frontier(run, console)
        print_recommendation(run, console)
    return 0 if run.recommendation.status == "ok" else 3
