"""The `ragopt` command: the group, and the one place where errors become text."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

import ragopt
from ragopt.errors import RagoptError

COMMANDS = {
    "sweep": "Measure every index on a corpus and recommend the cheapest that finds enough.",
    "recommend": "Decide again from a finished run, with other limits; measures nothing.",
}
"""Commands and their one-line help; each lives in a file of its own, loaded when it is called."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, so that --help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order a newcomer needs them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"ragopt.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(ragopt.__version__, prog_name="ragopt")
def group() -> None:
    """Which embedding, index and cache find the right passages for the least money per month.

    Example: ragopt sweep corpus/ --min-recall 0.95
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; exit codes: 0 ok, 1 error, 2 usage, 3 nothing fits."""
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
