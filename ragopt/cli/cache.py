"""`ragopt cache LOG`: which caches a service should have, what size, what they save and what they risk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ragopt.cli.options import CountType, device_option, given_workload, workload_options
from ragopt.devices import AUTO

DURATION_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class DurationType(click.ParamType[float]):
    """Seconds, or a number with s, m, h or d behind it: 300, 5m, 24h, 7d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a duration above 0, or fail as a usage error."""
        text = str(value).strip().lower()
        number, unit = (text[:-1], DURATION_UNITS[text[-1]]) if text[-1:] in DURATION_UNITS else (text, 1.0)
        try:
            seconds = float(number) * unit
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < float("inf"):
            self.fail(f"{value!r} is no duration above 0: seconds, or 5m, 24h, 7d.", param, ctx)
        return seconds


class ValueType(click.ParamType[Any]):
    """A JSON value; text that is none stands for itself."""

    name = "value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        """Read a value."""
        try:
            return json.loads(value)
        except (TypeError, ValueError):
            return value


FIELDS = {
    "time": "When a request came: seconds, ISO 8601 or a timestamp.",
    "query": "The question's text, or a hash of it.",
    "session": "The conversation that a request belongs to.",
    "tenant": "Whose data it may read: tenants share no answer.",
    "history": "The conversation before it: a text, a hash or a list.",
    "filter": "What its search was restricted to.",
    "k": "How many chunks its search asked for.",
    "index_version": "Of the index that answered it.",
    "chunks": "Ids of the chunks that it read, a list.",
    "tokens_in": "Tokens of its prompt.",
    "tokens_out": "Tokens of its answer.",
}
"""Roles of the log's fields, each with its option's help."""

OWN_HELP = {
    "queries_per_month": "Requests of a month. Default: the log's own rate.",
    "peak_qps": "Default: the log's busiest minute.",
    "n_vectors": "Without LOG: chunks of the corpus, 10M for example.",
}
"""Where an option's default is another one than in `ragopt bill`."""


def _field_options(function: Any) -> Any:
    from ragopt.cache.log_fields import LogFields, option_of  # noqa: PLC0415 - the names have one home

    for role in reversed(tuple(FIELDS)):
        default = getattr(LogFields(), role)
        function = click.option(option_of(role), f"{role}_field", default=default, show_default=True, metavar="NAME",
                                help=FIELDS[role])(function)  # fmt: skip
    return function


@click.command("cache")
@click.argument("log", metavar="[LOG]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    default=None,
    metavar="RUN",
    help="A finished run: its recommended index bills the searches, its workload the rest.",
)
@click.option("--save", is_flag=True, help="Write the advice into RUN and draw its report again.")
@_field_options
@click.option(
    "--prompt",
    "prompt_fields",
    default="",
    metavar="A,B,C",
    help="Fields that the prompt was made of, in the order sent. A block is an id, or an object of id and tokens.",
)
@click.option(
    "--empty-history",
    "empty_history",
    multiple=True,
    type=ValueType(),
    metavar="VALUE",
    help="A value of the history that stands for none, as JSON. Repeatable.",
)
@click.option(
    "--block-tokens",
    type=int,
    default=None,
    metavar="N",
    help="Tokens of a prompt's block whose length nobody knows. Default: the request's rest, spread evenly.",
)
@click.option(
    "--chunks",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Every chunk with its id and bytes, tokens or text: .jsonl or .parquet.",
)
@click.option(
    "--chunk-id-field",
    "chunk_id_field",
    default="",
    metavar="NAME",
    help="Field of its id in --chunks. Default: id, chunk_id or passage_id.",
)
@click.option("--sampled-by-key", is_flag=True, help="The log holds all requests of some keys: do not refuse it.")
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Pairs of similar questions with a label: query, earlier, same, and score unless --model embeds.",
)
@click.option("--judgements", is_flag=True, help="Take RUN's judgements as labels, for a cache of search results.")
@click.option(
    "--review",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Write similar questions of LOG here for a person to label: the --labels of the next call.",
)
@click.option("--model", default=None, help="Embeds the texts of labels and log. Default: RUN's.")
@device_option("embed, and to find the neighbours of judged queries")
@click.option(
    "--max-false-hit-rate",
    type=float,
    default=0.02,
    show_default=True,
    help="Most hits of a semantic cache that may be wrong, as an upper 95 % bound.",
)
@click.option(
    "--answer-ttl",
    type=DurationType(),
    default=None,
    metavar="TIME",
    help="Life of an exact answer, 24h for example. Default: 1 day, 7 with index versions in the log.",
)
@click.option(
    "--prefix-ttl",
    type=DurationType(),
    default=300.0,
    show_default=True,
    metavar="TIME",
    help="How long the provider keeps a prompt's prefix after its last use.",
)
@click.option(
    "--least-prefix-tokens",
    type=int,
    default=None,
    metavar="N",
    help="Shortest prompt that the provider's prompt cache takes. Default: 1024.",
)
@click.option("--dim", type=int, default=None, help="Of the query vectors. Default: RUN's model's, else 1024.")
@workload_options("--vectors", "--vectors-at-scale")
@click.option(
    "--cache-dir",
    type=click.Path(path_type=Path),
    default=None,
    help="Artifact store of RUN, for --judgements. Default: the user's cache folder.",
)
@click.option("--seed", type=CountType(), default=0, show_default=True, help="Of the intervals.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on standard output.")
@click.option("--quiet", is_flag=True, help="No progress on standard error.")
def command(log: Path | None, **options: Any) -> None:
    """Replay the query LOG (.jsonl, .jsonl.gz, .parquet) through the caches of a service, one behind the other.

    Each is shown with its hits against size, what it saves a month by the bill's own prices, and why it is on or off.
    Without LOG a Zipf model gives a band of hit shares, and no size.

    Example: ragopt cache requests.jsonl --run ragopt-run --set generator=openai:gpt-4o-mini
    """
    if log is None:
        _model(options)
        return
    from rich.console import Console  # noqa: PLC0415 - loaded when first used

    from ragopt.cache.advice_json import advice_json  # noqa: PLC0415 - loaded when first used
    from ragopt.cli.progress import TerminalProgress  # noqa: PLC0415 - loaded when first used
    from ragopt.report.cache_text import print_advice  # noqa: PLC0415 - loaded when first used
    from ragopt.report.piped import print_trimmed  # noqa: PLC0415 - loaded when first used

    if options["chunk_id_field"] and options["chunks"] is None:
        raise click.UsageError("--chunk-id-field says nothing without --chunks.")
    with TerminalProgress(quiet=options["quiet"] or options["as_json"]) as progress:
        advice = _advice(log, options, progress)
    if options["as_json"]:
        click.echo(json.dumps(advice_json(advice), indent=2, ensure_ascii=False, allow_nan=False))
        return
    print_trimmed(Console(highlight=False), lambda console: print_advice(advice, console))


def _advice(log: Path, options: dict[str, Any], progress: Any) -> Any:
    from ragopt.cache.advise import Choices  # noqa: PLC0415 - loaded when first used
    from ragopt.cache.log_fields import LogFields  # noqa: PLC0415 - loaded when first used
    from ragopt.cache_verb import cache  # noqa: PLC0415 - loaded when first used

    prompt = tuple(part.strip() for part in options["prompt_fields"].split(",") if part.strip())
    names = {role: options[f"{role}_field"] for role in FIELDS}
    choices = Choices(
        answer_ttl_s=options["answer_ttl"],
        prefix_ttl_s=options["prefix_ttl"],
        max_false_hit_rate=options["max_false_hit_rate"],
        least_prefix_tokens=options["least_prefix_tokens"],
        seed=options["seed"],
    )
    same = (
        "run",
        "save",
        "prices",
        "chunks",
        "sampled_by_key",
        "labels",
        "judgements",
        "review",
        "model",
        "device",
        "dim",
        "cache_dir",
    )
    return cache(
        log,
        workload=given_workload(options),
        fields=LogFields(
            **names,
            prompt=prompt,
            empty_history=options["empty_history"],
            block_tokens=options["block_tokens"],
            chunk_file_id=options["chunk_id_field"],
        ),
        choices=choices,
        progress=progress,
        **{name: options[name] for name in same},
    )


OF_A_LOG = {
    "run": "--run", "save": "--save", "chunks": "--chunks", "prompt_fields": "--prompt",
    "block_tokens": "--block-tokens",
    "empty_history": "--empty-history", "sampled_by_key": "--sampled-by-key", "labels": "--labels",
    "judgements": "--judgements", "review": "--review", "model": "--model", "device": "--device",
    "answer_ttl": "--answer-ttl",
    "least_prefix_tokens": "--least-prefix-tokens", "dim": "--dim", "cache_dir": "--cache-dir",
}  # fmt: skip
"""Options that speak of a log, and are refused without one."""


def _model(options: dict[str, Any]) -> None:
    """Print the band of a Zipf model: nothing was measured."""
    from rich.console import Console  # noqa: PLC0415 - loaded when first used

    from ragopt.bill.price_book import PriceBook  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.workload import Workload  # noqa: PLC0415 - loaded when first used
    from ragopt.cache.band import band_json, model_band  # noqa: PLC0415 - loaded when first used
    from ragopt.report.cache_band_text import print_band  # noqa: PLC0415 - loaded when first used
    from ragopt.report.piped import print_trimmed  # noqa: PLC0415 - loaded when first used

    given = given_workload(options)
    idle = [option for name, option in OF_A_LOG.items() if options[name] not in (None, False, "", (), AUTO)]
    if idle:
        raise click.UsageError(f"{idle[0]} says nothing without LOG.")
    if "n_vectors" not in given:
        raise click.UsageError("Without LOG, --vectors says how many chunks the corpus has.")
    band = model_band(Workload(**given), PriceBook.load(overrides=options["prices"]))
    if options["as_json"]:
        click.echo(json.dumps(band_json(band), indent=2, ensure_ascii=False, allow_nan=False))
        return
    print_trimmed(Console(highlight=False), lambda console: print_band(band, console))


for _option in command.params:
    if isinstance(_option, click.Option) and _option.name in OWN_HELP:
        _option.help = OWN_HELP[_option.name]
