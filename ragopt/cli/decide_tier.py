"""`ragopt decide tier`: which storage tier, for how often it is read."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragopt.bill.workload_fields import FIELDS
from ragopt.cli.decide_options import place_options, print_table
from ragopt.cli.options import CountType, DecimalType

if TYPE_CHECKING:
    from ragopt.bill.decisions.tier import TierDecision


@click.command("tier")
@click.option("--document-bytes", type=CountType(), required=True, help="Bytes kept; 1T is 10^12.")
@click.option("--reads-per-month", type=DecimalType(), required=True, help="Times a month that all of it is read.")
@click.option(
    "--object-bytes",
    type=CountType(),
    default=FIELDS["document_object_bytes"].default,
    show_default=True,
    help="Bytes of one stored object: requests and smallest sizes are billed by the object.",
)
@click.option(
    "--writes-per-month",
    type=DecimalType(),
    default=Decimal(0),
    show_default=True,
    help="Times a month that all of it is rewritten; 1 / months spreads the first upload over them.",
)
@click.option(
    "--most-retrieval-hours",
    type=DecimalType(),
    default=FIELDS["most_retrieval_hours"].default,
    show_default=True,
    help="Hours that a read may wait for its first byte.",
)
@click.option("--any-tier", is_flag=True, help="Let tiers compete that are in one zone only or at Cloudflare.")
@place_options
def command(
    document_bytes: int,
    reads_per_month: Decimal,
    object_bytes: int,
    writes_per_month: Decimal,
    most_retrieval_hours: Decimal,
    any_tier: bool,  # noqa: FBT001 - click passes flags by name
    provider: str,
    region: str,
    prices: Path | None,
    as_json: bool,  # noqa: FBT001 - as above
) -> None:
    """Which storage tier is cheapest for how often the data is read, and from how many reads on the next one is.

    Example: ragopt decide tier --document-bytes 1T --reads-per-month 0.1
    """
    from ragopt.bill.decisions.as_json import decision_json  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.decisions.tier import Documents, decide_tier  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.price_book import PriceBook  # noqa: PLC0415 - loaded when first used

    documents = Documents(document_bytes, object_bytes, reads_per_month, writes_per_month, most_retrieval_hours)
    decision = decide_tier(documents, provider, region, PriceBook.load(overrides=prices), any_tier=any_tier)
    if as_json:
        click.echo(decision_json(decision), nl=False)
    else:
        _show(decision)


def _show(decision: TierDecision) -> None:
    billed = [bill for bill in decision.bills if bill.usd_per_month is not None]
    print_table(
        ("tier", "USD per month", "without reads", "per read", "first byte within"),
        [
            (
                bill.tier,
                f"{bill.usd_per_month:,}",
                f"{bill.usd_fixed:,.2f}",
                "no price" if bill.usd_per_read is None else f"{bill.usd_per_read:,.2f}",
                f"{bill.hours:f} hours ({bill.retrieval})" if bill.hours else "milliseconds",
            )
            for bill in billed
        ],
    )
    click.echo()
    for even in decision.break_evens:
        click.echo(f"Break-even: {even.reads_per_month:.3g} reads a month between {even.colder} and {even.hotter} "
                   f"(USD {even.usd_per_month:,})")  # fmt: skip
    for bill in decision.bills:
        if bill.why_not:
            click.echo(f"{bill.tier}: {bill.why_not}")
    for note in decision.notes:
        click.echo(f"Note: {note}")
    chosen = next(bill for bill in billed if bill.tier == decision.tier)
    for line in chosen.lines:
        click.echo(f"Line: {line.item}: {line.quantity:f} {line.unit} x {line.usd_per_unit:f} = USD {line.usd:,} "
                   f"({line.as_of}, {line.source})")  # fmt: skip
    click.echo(f"\n{decision.sentence}")
