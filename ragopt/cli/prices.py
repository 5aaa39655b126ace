"""`ragopt prices`: list and search the price book; `ragopt prices refresh`: renew it from public price pages."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import click

from ragopt.cli.options import prices_option

API_NAMES = ("aws-storage", "aws-ec2", "aws-spot", "azure", "gcp")
"""Names of ragopt.bill.refresh.refreshing.APIS, written here so that --help needs no HTTP library; a test compares."""


class ListByDefault(click.Group):
    """A group whose command `list` is meant when no command is named: `ragopt prices s3` lists and searches."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `list` in front of arguments that begin with neither a command nor a question for help."""
        if not args or args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group("prices", cls=ListByDefault, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """List, search and refresh the dated prices.

    Without a command name, `list` is meant: `ragopt prices s3 get` is `ragopt prices list s3 get`.
    (To search for the words list or refresh themselves: `ragopt prices list refresh`.)

    Example: ragopt prices s3 storage --region us-east-1
    """


@command.command("list")
@click.argument("words", nargs=-1)
@click.option("--group", default="", help="Only prices of this group: vms, object_storage, ...")
@click.option("--provider", default="", help="Only prices of this provider: aws, gcp, ...")
@click.option("--region", default="", help="Only prices of this region: us-east-1, ...")
@prices_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on standard output.")
def list_command(
    words: tuple[str, ...],
    group: str,
    provider: str,
    region: str,
    prices: Path | None,
    as_json: bool,  # noqa: FBT001 - click passes flags by name
) -> None:
    """List the prices that hold every one of WORDS, in any field and any case; all prices without WORDS.

    Each is shown with its date, age and source; `!` marks one older than 90 days, `?` one that is undated. A single
    PROVIDER:NAME, or a model's name, shows the model's token prices, which come from the library genai-prices.

    Example: ragopt prices list r7g hour
    """
    from ragopt.bill.model_prices import prices_and_models  # noqa: PLC0415 - as above
    from ragopt.bill.price_book import PriceBook  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.price_list import price_table, prices_json  # noqa: PLC0415 - as above

    book = PriceBook.load(overrides=prices)
    now = dt.datetime.now(tz=dt.UTC)
    found = prices_and_models(book, words, when=now, group=group, provider=provider, region=region)
    for sentence in book.told:
        click.echo(f"ragopt: {sentence}", err=True)
    table = json.dumps(prices_json(found, now.date()), indent=2) if as_json else price_table(found, now.date())
    click.echo(table)


def _base_urls(_ctx: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for name, _, url in pairs:
        if name not in API_NAMES or not url:
            raise click.BadParameter(f"write API=URL with an API of {', '.join(API_NAMES)}.")
    return {name: url for name, _, url in pairs}


@command.command("refresh")
@click.option("--only", type=click.Choice(API_NAMES), multiple=True, help="Ask this API only; can be repeated.")
@click.option("--dry-run", is_flag=True, help="Ask and report, write nothing.")
@click.option("--base-url", "base_urls", multiple=True, metavar="API=URL", callback=_base_urls,
              help="Ask a mirror of an API instead: azure=https://mirror.example; can be repeated.")  # fmt: skip
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0, min_open=True), default=20.0, show_default=True,
              help="Longest silence of a server, in seconds.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on standard output.")
def refresh_command(
    only: tuple[str, ...],
    dry_run: bool,  # noqa: FBT001 - click passes flags by name
    base_urls: dict[str, str],
    timeout_s: float,
    as_json: bool,  # noqa: FBT001 - click passes flags by name
) -> int:
    """Renew the prices that public pages without a key have, into your own data folder.

    Pages: AWS offer files (storage, requests, network), AWS Spot Advisor (spot), the Azure retail price list (blobs,
    disks, VMs, spot), gcosts for Google Cloud (VMs, spot, disks, storage). AWS's VMs on demand and EBS volumes are in a
    file of hundreds of megabytes, which is read only with --only aws-ec2. Only prices that the book already has are
    renewed. A price that jumps by more than a factor of two, or has another unit or currency, is refused and stays as
    it was; a page that fails changes nothing. Exit code 1 says that something was refused or failed.

    Example: ragopt prices refresh --only aws-storage --dry-run
    """
    from ragopt.bill.price_book import PriceBook, user_prices_folder  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.refresh.fetching import FetchLimits  # noqa: PLC0415 - as above
    from ragopt.bill.refresh.refreshing import APIS, refresh  # noqa: PLC0415 - as above
    from ragopt.bill.refresh.report import refresh_json, refresh_lines  # noqa: PLC0415 - as above

    if "aws-ec2" in only:
        click.echo("ragopt: reading AWS's EC2 offer, hundreds of megabytes: this takes minutes.", err=True)
    names = only or [name for name in API_NAMES if APIS[name].by_default]
    report = refresh(
        PriceBook.load(),
        user_prices_folder(),
        today=dt.datetime.now(tz=dt.UTC).date(),
        addresses={name: base_urls.get(name, APIS[name].base_url) for name in names},
        limits=FetchLimits(timeout_s=timeout_s),
        dry_run=dry_run,
    )
    if as_json:
        click.echo(json.dumps(refresh_json(report), indent=2))
    else:
        for line in refresh_lines(report):
            click.echo(line)
    for api, message in report.failures.items():
        click.echo(f"ragopt: {api}: {message}", err=True)
    if report.n_refused:
        click.echo(f"ragopt: {report.n_refused} refused, which stay as they were.", err=True)
    return 0 if report.is_whole else 1
