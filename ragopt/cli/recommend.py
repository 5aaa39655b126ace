"""`ragopt recommend RUN`: decide again, measure nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from ragopt.cli.options import json_option, limit_options
from ragopt.cli.show import show_run

if TYPE_CHECKING:
    from decimal import Decimal

    from ragopt.choose import Objective


@click.command("recommend")
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@limit_options
@json_option
def command(
    run_folder: Path,
    min_recall: float,
    min_ndcg_ratio: float | None,
    max_p99_ms: float | None,
    max_usd: Decimal | None,
    objective: str,
    as_json: bool,  # noqa: FBT001 - click passes flags by name
) -> Any:
    """Decide again from the finished run in the folder RUN, with other limits; measures nothing, writes nothing.

    Example: ragopt recommend ragopt-run --min-recall 0.99 --max-usd 200
    """
    from ragopt.api import recommend, with_recommendation  # noqa: PLC0415 - loaded when first used
    from ragopt.sweep.run_folder import read_run  # noqa: PLC0415 - loaded when first used

    run = read_run(run_folder)
    recommendation = recommend(
        run,
        min_recall=min_recall,
        min_ndcg_ratio=min_ndcg_ratio,
        max_p99_ms=max_p99_ms,
        max_usd=max_usd,
        objective=cast("Objective", objective),
    )
    return show_run(with_recommendation(run, recommendation), as_json=as_json)
