"""`ragopt decide chunks`: how many chunks the generator should get."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragopt.cli.options import CountType, DecimalType, prices_option

if TYPE_CHECKING:
    from ragopt.bill.decisions.chunks import ChunksDecision

FROM_THE_RUN = ("queries_per_month", "tokens_per_chunk", "query_tokens", "prompt_tokens", "answer_tokens")
"""Options whose default is the first run's workload, then the workload's own default."""


MOST_QPS = Decimal(10**6)
"""The highest peak that a workload may have: generation is billed by the token, so that the peak moves nothing here."""


class CountsType(click.ParamType[tuple[int, ...]]):
    """Whole numbers of at least 1, separated by commas."""

    name = "counts"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Read the numbers, or fail as a usage error."""
        if isinstance(value, tuple):
            return value
        counts = tuple(CountType().convert(one, param, ctx) for one in str(value).split(","))
        if min(counts) < 1:
            self.fail(f"{value!r} holds a number below 1.", param, ctx)
        return counts


@click.command("chunks")
@click.argument("run_folders", metavar="[RUN]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--generator", required=True, metavar="PROVIDER:NAME", help="The model that answers, or self.")
@click.option("--k", "ks", type=CountsType(), default="1,3,5,10,20", show_default=True, help="Numbers of chunks.")
@click.option(
    "--metric",
    type=click.Choice(["recall_by_chunks", "recall_vs_qrels", "ndcg"]),
    default="recall_by_chunks",
    show_default=True,
    help="The quality to compare.",
)
@click.option("--trial", default="", help="The trial to look at.  [default: the first run's recommendation]")
@click.option(
    "--quality",
    "quality_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="JSON of qualities by k, in the shape of `quality` in recommendation.json, instead of runs.",
)
@click.option(
    "--most-loss",
    type=DecimalType(),
    default="0.01",
    show_default=True,
    help="What fewer chunks may lose of the quality, at the upper 95 % end.",
)
@click.option("--queries-per-month", type=CountType(), default=None, help="Questions answered in 730 hours.")
@click.option("--tokens-per-chunk", type=CountType(), default=None, help="Tokens of one chunk.")
@click.option("--query-tokens", type=CountType(), default=None, help="Tokens of a question.")
@click.option("--prompt-tokens", type=CountType(), default=None, help="Tokens of instructions around the chunks.")
@click.option("--answer-tokens", type=CountType(), default=None, help="Tokens of an answer.")
@click.option(
    "--cached-prompt-share",
    type=DecimalType(),
    default="0",
    show_default=True,
    help="Share of the instructions read from the vendor's prompt cache.",
)
@click.option(
    "--batch-share",
    "generation_batch_share",
    type=DecimalType(),
    default="0",
    show_default=True,
    help="Share of answers made through the batch API.",
)
@click.option("--generator-vm", default="", help="With --generator self: the VM type that generates.")
@click.option(
    "--generator-tokens-per-second",
    type=DecimalType(),
    default=None,
    help="With --generator self: tokens per second, in and out, measured on it.",
)
@click.option("--provider", default="aws", show_default=True, help="With --generator self: whose VM.")
@click.option("--region", default="us-east-1", show_default=True, help="With --generator self: the VM's region.")
@prices_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on standard output.")
def command(
    run_folders: tuple[Path, ...],
    *,
    ks: tuple[int, ...],
    metric: str,
    trial: str,
    quality_file: Path | None,
    most_loss: Decimal,
    prices: Path | None,
    as_json: bool,
    **workload_options: Any,
) -> None:
    """Put quality beside the monthly cost of generation for each number of chunks k.

    A finished RUN with judgements knows the share of the judged documents among its first 1, 2, 3, 5 and 10 chunks, and
    among --k; of the other metrics it knows its own --k alone, so name several runs over one corpus. Without a RUN and
    without --quality, the money alone is shown.

    Example: ragopt decide chunks ragopt-run --generator anthropic:claude-haiku-4-5
    """
    from ragopt.bill.decisions.as_json import decision_json  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.decisions.chunk_quality import (  # noqa: PLC0415 - loaded when first used
        BY_CHUNKS,
        RECALL,
        chunk_qualities_of,
        qualities_of,
    )
    from ragopt.bill.decisions.chunks import decide_chunks  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.decisions.quality_file import read_quality  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.price_book import PriceBook  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.workload import Workload  # noqa: PLC0415 - loaded when first used

    if run_folders and quality_file is not None:
        raise click.UsageError("Give finished runs or --quality, not both.")
    if len(run_folders) > 1 and metric == BY_CHUNKS:
        raise click.UsageError("One run knows recall_by_chunks of several k: name one, or another --metric.")
    qualities, losses = {}, None
    known: dict[str, Any] = {"n_vectors": 1}
    if quality_file is not None:
        metric = RECALL if metric == BY_CHUNKS else metric  # a file has qualities by document
        qualities = read_quality(quality_file, metric=metric)
    if run_folders:
        from ragopt.sweep.run_folder import read_run  # noqa: PLC0415 - loaded when first used

        runs = [read_run(folder) for folder in run_folders]
        if metric == BY_CHUNKS:
            qualities, losses = chunk_qualities_of(runs[0], trial=trial)
        else:
            qualities = qualities_of(runs, trial=trial, metric=metric)
        billed = runs[0].info.get("workload", {})
        known |= {name: billed[name] for name in FROM_THE_RUN if name in billed}
    known |= {name: value for name, value in workload_options.items() if value is not None}
    workload = Workload(**known, peak_qps=MOST_QPS)
    book = PriceBook.load(overrides=prices)
    decision = decide_chunks(
        workload, book, ks=ks, qualities=qualities, losses=losses, most_loss=most_loss,
        when=datetime.now(tz=UTC), metric=metric,
    )  # fmt: skip
    if as_json:
        click.echo(decision_json(decision), nl=False)
    else:
        _show(decision)


def _show(decision: ChunksDecision) -> None:
    click.echo(decision.sentence)
    titles = ("k", "prompt", "USD a month", "more", "USD a point")
    click.echo(_row(titles, decision.metric))
    for count in decision.counts:
        more = "" if count.usd_more is None else f"{count.usd_more:,}"
        point = "" if count.usd_per_point is None else f"{count.usd_per_point:,.2f}"
        one = count.quality
        quality = "not measured" if one is None else f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"
        click.echo(_row((str(count.k), f"{count.prompt_tokens:,}", f"{count.usd_per_month:,}", more, point), quality))
    for note in decision.notes:
        click.echo(f"Note: {note}")
    for line in decision.counts[-1].lines:
        click.echo(f"{line.usd_per_unit} USD per {line.unit}: {line.source}, as of {line.as_of}")


def _row(cells: tuple[str, ...], last: str) -> str:
    widths = (6, 9, 14, 12, 12)
    return " ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)) + f"  {last}"
