"""The `ragopt` command: the group, and the one place where errors become text."""

from __future__ import annotations

import sys
from typing import Any

import click

import ragopt
from ragopt.cli.lazy_group import LazyGroup
from ragopt.errors import RagoptError

COMMANDS = {
    "sweep": ("ragopt.cli.sweep", "Measure every index on a corpus and recommend the cheapest that finds enough."),
    "recommend": ("ragopt.cli.recommend", "Decide again from a finished run, with other limits; measures nothing."),
    "report": ("ragopt.cli.report", "Draw a finished run again: terminal, page, picture, markdown."),
    "compare": ("ragopt.cli.compare", "What changed between two runs: quality, bytes, bill; a gate for CI."),
    "build": ("ragopt.cli.build", "Build the recommended index into a folder that a service opens."),
    "check": ("ragopt.cli.check", "Is a built index still what it was: keep, re-tune, re-train or broken."),
    "export": ("ragopt.cli.export", "Print the plain FAISS lines that rebuild an index without ragopt."),
    "bill": ("ragopt.cli.bill", "What an index costs per month at every target, line by line."),
    "cache": ("ragopt.cli.cache", "Which caches a query log calls for: size, savings, risk, one behind the other."),
    "decide": ("ragopt.cli.decide", "Buy or build, spot, storage tier, how many chunks, when to move."),
    "bench-serve": ("ragopt.cli.bench_serve", "Which batch size answers the most questions within a latency limit."),
    "workload": ("ragopt.cli.workload", "Write a commented workload file."),
    "prices": ("ragopt.cli.prices", "List, search and refresh the dated prices."),
}
"""Commands, their modules and one-line help; a module is imported when its command is called."""


@click.group(cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(ragopt.__version__, prog_name="ragopt")
def group() -> None:
    """Which embedding, index and cache find the right passages for the least money per month.

    Example: ragopt sweep corpus/ --min-recall 0.95
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; exit codes: 0 ok, 1 error, 2 usage, 3 nothing fits, 4 and 5 by `check`, 4 by `compare`."""
    try:
        code = group.main(args=arguments, prog_name="ragopt", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("ragopt: stopped. Finished steps are kept: run the same command again to go on.", err=True)
        sys.exit(1)
    except RagoptError as error:
        click.echo(f"ragopt: {error}", err=True)
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
