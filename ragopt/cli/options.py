"""Options that more than one command takes, defined once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from ragopt.bill.counts import ALLOWED, read_number
from ragopt.devices import ALLOWED_WORDS, check_device_name
from ragopt.errors import InputError
from ragopt.units import SIZE_WORDS, read_bytes

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class DecimalType(click.ParamType[Decimal]):
    """An exact decimal number; money is never a float."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Read a decimal number, or fail as a usage error."""
        number = read_number(str(value).strip())
        if number is None:
            self.fail(f"{str(value)[:40]!r} is not {ALLOWED}.", param, ctx)
        return number


class CountType(click.ParamType[int]):
    """A whole number that may end in k, M, B or T: 10M is ten million, 1T is 10^12."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a count, or fail as a usage error."""
        number = read_number(str(value).strip())
        if number is None:
            self.fail(f"{str(value)[:40]!r} is not {ALLOWED}.", param, ctx)
        if number != number.to_integral_value():
            self.fail(f"{value!r} is not a whole number.", param, ctx)
        return int(number)


class DeviceType(click.ParamType[str]):
    """A device by name; whether it is there is told by the command."""

    name = "device"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take a name, or fail as a usage error."""
        try:
            check_device_name(value)
        except InputError:
            self.fail(f"{str(value)[:40]!r} names no device: {ALLOWED_WORDS}.", param, ctx)
        return str(value)


class BytesType(click.ParamType[int]):
    """A size with its unit: 2GB is 2 x 10^9 bytes, 2GiB 2 x 2^30."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a size above 0, or fail as a usage error."""
        size = read_bytes(str(value))
        if not size:
            self.fail(f"{str(value)[:40]!r} is no size above 0: {SIZE_WORDS}.", param, ctx)
        return size


def _apply(decorators: list[Decorator], function: Callable[..., Any]) -> Callable[..., Any]:
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def limit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Limits and objective: what a recommendation has to meet, and what is least."""
    return _apply(
        [
            click.option("--min-recall", type=float, default=0.95, show_default=True,
                         help="Least lower 95 % bound of recall_vs_exact@k."),
            click.option("--min-ndcg-ratio", type=float, default=None,
                         help="Least lower 95 % bound of nDCG@10 over exact search's, on paired queries."),
            click.option("--max-p99-ms", type=float, default=None, help="Most milliseconds of p99 search latency."),
            click.option("--max-usd", type=DecimalType(), default=None, help="Most USD a month."),
            click.option("--objective", type=click.Choice(["usd", "ram"]), default="usd", show_default=True,
                         help="usd: least bill, ties within 1 % go to fewer RAM bytes. ram: fewest RAM code bytes."),
        ],
        function,
    )  # fmt: skip


def workload_options(*vectors: str) -> Decorator:
    """Everything that says what is billed; `given_workload` turns it into fields of a workload.

    Args:
        vectors: the options that give the number of vectors.
    """
    return lambda function: _apply(
        [
            click.option("--workload", "workload_file", type=click.Path(path_type=Path), default=None, metavar="FILE",
                         help="Workload file, see `ragopt workload init`. Options below go over it."),
            click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
                         help="Any field of a workload, horizon_months=24 for example. Repeatable."),
            click.option(*vectors, "n_vectors", type=CountType(), default=None, metavar="N",
                         help="Bill for this many vectors, 10M for example. Default: the corpus."),
            click.option("--queries-per-month", type=CountType(), default=None, help="Default: 1M."),
            click.option("--peak-qps", type=DecimalType(), default=None, help="Default: 10."),
            click.option("--metadata-bytes", type=CountType(), default=None,
                         help="Bytes stored beside each vector. Default: 0."),
            click.option("--replicas", "n_replicas", type=int, default=None,
                         help="Complete copies of the service. Default: 1."),
            click.option("--provider", default=None, help="Whose prices. Default: aws."),
            click.option("--region", default=None, help="Default: us-east-1."),
            click.option("--embedding-model", default=None, metavar="PROVIDER:NAME",
                         help="Bill embedding by this model's token price. Default: the model of the run."),
            prices_option,
        ],
        function,
    )  # fmt: skip


WORKLOAD_FLAGS = ("n_vectors", "queries_per_month", "peak_qps", "metadata_bytes", "n_replicas", "provider", "region",
                  "embedding_model")  # fmt: skip


def given_workload(options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that were given: by the workload file, over it by --set, over both by options of their own.

    Raises:
        InputError: an unknown key, or a value out of bounds, naming the file or the option.
    """
    from ragopt.bill.workload_fields import FIELDS, check_value  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.workload_file import read_settings, read_workload_file  # noqa: PLC0415 - loaded when first used

    given = read_workload_file(options["workload_file"]) if options["workload_file"] else {}
    flags = {name: options[name] for name in WORKLOAD_FLAGS if options[name] is not None}
    for name, value in flags.items():
        check_value(FIELDS[name], value)
    return {**given, **read_settings(options["settings"]), **flags}


def device_option(work: str) -> Decorator:
    """Give the option that says where to compute; the command gets it as `device`.

    Args:
        work: what is done there, for the help.
    """
    return click.option("--device", type=DeviceType(), default="auto", show_default=True,
                        help=f"Where to {work}: auto, cpu, cuda, cuda:1 or mps. auto takes an accelerator where torch, "
                        "or FAISS for GPUs, can use one.")  # fmt: skip


def memory_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give the option that bounds memory; the command gets it as `max_memory_bytes`."""
    return click.option("--max-memory", "max_memory_bytes", type=BytesType(), default=None, metavar="SIZE",
                        help="Most memory to take, 2GB for example: kept by fewer workers; a trial that needs more is "
                        "left out, and a limit that cannot be kept is refused beforehand.")(function)  # fmt: skip


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give the flag that prints recommendation.json and nothing else on standard output."""
    return click.option("--json", "as_json", is_flag=True,
                        help="Print recommendation.json, and nothing else, on standard output.")(function)  # fmt: skip


def prices_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give the option for a file of prices over the book's; the command gets it as `prices`."""
    return click.option("--prices", type=click.Path(path_type=Path), default=None, metavar="FILE",
                        help="Prices that replace others or add to them: negotiated rates.")(function)  # fmt: skip
