"""`ragopt decide embedding`: an API or a VM of one's own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragopt.cli.options import CountType, DecimalType, prices_option

if TYPE_CHECKING:
    from decimal import Decimal


@click.command("embedding")
@click.option("--model", "model_ref", required=True, metavar="PROVIDER:NAME", help="The API's model.")
@click.option("--vm", required=True, help="VM type that would run the model, with or without a GPU.")
@click.option(
    "--tokens-per-second",
    type=DecimalType(),
    required=True,
    help="Speed of the model on that VM, measured; there is no default.",
)
@click.option(
    "--utilisation",
    type=DecimalType(),
    default="1",
    show_default=True,
    help="Share of a paid hour in which the VM embeds at that speed; 1: its queue is never empty.",
)
@click.option("--tokens-per-day", type=CountType(), required=True, help="Documents and questions embedded on a day.")
@click.option("--batch", is_flag=True, help="Pay the API's batch price.")
@click.option("--provider", default="aws", show_default=True, help="Whose VM.")
@click.option("--region", default="us-east-1", show_default=True, help="The VM's region.")
@prices_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on standard output.")
def command(
    model_ref: str,
    vm: str,
    tokens_per_second: Decimal,
    utilisation: Decimal,
    tokens_per_day: int,
    batch: bool,  # noqa: FBT001 - click passes flags by name
    provider: str,
    region: str,
    prices: Path | None,
    as_json: bool,  # noqa: FBT001 - click passes flags by name
) -> None:
    """Buy embedding, or run the model on a VM: the break-even in tokens a day, always on and by the hour.

    Example: ragopt decide embedding --model openai:text-embedding-3-small --vm r7g.xlarge --tokens-per-second 2000
    --tokens-per-day 10M
    """
    from ragopt.bill.decisions.as_json import decision_json  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.decisions.embedding import SelfHosting, decide_embedding  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.price_book import PriceBook  # noqa: PLC0415 - loaded when first used

    hosting = SelfHosting(vm, provider, region, tokens_per_second, utilisation)
    book = PriceBook.load(overrides=prices)
    decision = decide_embedding(model_ref, hosting, tokens_per_day, book, when=datetime.now(tz=UTC), batch=batch)
    if as_json:
        click.echo(decision_json(decision), nl=False)
        return
    click.echo(decision.sentence)
    for line in decision.lines:
        click.echo(
            f"  {line.usd:>14,} USD a month  {line.item}: {line.quantity:,} x {line.usd_per_unit} per {line.unit}"
        )
        click.echo(f"{'':29}{line.source}, as of {line.as_of}")
    for caution in decision.cautions:
        click.echo(f"  Note: {caution}.")
