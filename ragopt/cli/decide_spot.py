"""`ragopt decide spot`: on demand or spot for a job that can go on from a checkpoint."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragopt.cli.decide_options import place_options, print_table
from ragopt.cli.options import DecimalType

if TYPE_CHECKING:
    from ragopt.bill.decisions.spot import SpotDecision


@click.command("spot")
@click.option("--vm", required=True, help="VM type, as the price book names it.")
@click.option("--hours", type=DecimalType(), required=True, help="Useful hours of the job, without any interruption.")
@click.option("--checkpoint-seconds", type=DecimalType(), required=True, help="Seconds to write one checkpoint.")
@click.option(
    "--restart-seconds",
    type=DecimalType(),
    required=True,
    help="Seconds to boot and load, at the start and after every interruption.",
)
@click.option(
    "--interruptions-per-hour",
    type=DecimalType(),
    default=None,
    help="Default: from the type's monthly bucket in the price book.",
)
@click.option(
    "--discount",
    type=DecimalType(),
    default=None,
    help="Share off the on-demand price, 0.6 for 60 %; negative where spot costs more. "
    "Default: from the price book, else a range.",
)
@place_options
def command(
    vm: str,
    hours: Decimal,
    checkpoint_seconds: Decimal,
    restart_seconds: Decimal,
    interruptions_per_hour: Decimal | None,
    discount: Decimal | None,
    provider: str,
    region: str,
    prices: Path | None,
    as_json: bool,  # noqa: FBT001 - click passes flags by name
) -> None:
    """On demand or spot, for embedding and index builds: expected cost and hours with the best checkpoint interval.

    Example: ragopt decide spot --vm r7g.4xlarge --hours 10 --checkpoint-seconds 30 --restart-seconds 180
    """
    from ragopt.bill.decisions.as_json import decision_json  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.decisions.checkpoints import Job  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.decisions.spot import decide_spot  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.price_book import PriceBook  # noqa: PLC0415 - loaded when first used

    decision = decide_spot(
        Job(hours, checkpoint_seconds, restart_seconds),
        vm,
        provider,
        region,
        PriceBook.load(overrides=prices),
        interruptions_per_hour=interruptions_per_hour,
        discount=discount,
    )
    if as_json:
        click.echo(decision_json(decision), nl=False)
    else:
        _show(decision)


def _show(decision: SpotDecision) -> None:
    rows = [("on demand", "", f"{decision.on_demand_hours:.2f}", f"{decision.on_demand_usd:,}", "", "")]
    hours = "never" if decision.spot.hours is None else f"{decision.spot.hours:.2f}"
    for case in decision.cases:
        rate = case.break_even_interruptions_per_hour
        rows.append(
            (
                f"spot ({case.label})",
                f"{case.discount * 100:.0f} %",
                hours,
                "none" if case.usd is None else f"{case.usd:,}",
                "none" if case.saving_usd is None else f"{case.saving_usd:,}",
                "none" if rate is None else f"{rate:.3g}",
            )
        )
    print_table(("", "discount", "expected hours", "USD", "saving", "break-even interruptions/hour"), rows)
    young, share = decision.spot.young_hours, decision.break_even_discount
    even = "none, the job never finishes on spot" if share is None else f"{share * 100:.1f} %"
    click.echo(f"\nInterruptions: {decision.interruptions_per_hour:.3g} an hour ({decision.interruptions_from}).")
    if share is not None:
        click.echo(
            f"Checkpoints: every {decision.spot.part_hours:.2f} useful hours, {decision.spot.n_parts - 1} in all"
            + ("." if young is None else f"; Young's interval is {young:.2f} hours.")
        )
    click.echo(f"Break-even discount: {even}.")
    for note in decision.notes:
        click.echo(f"Note: {note}")
    lines = (decision.on_demand_line, *(case.line for case in decision.cases[:1]))
    for line in (line for line in lines if line is not None):
        click.echo(f"Price: {line.item}, USD {line.usd_per_unit:f} an hour, {line.as_of}, {line.source}")
    click.echo(f"\n{decision.sentence}")
