"""`ragopt check DIR`: is a built index still what it was, in one word and one exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ragopt.cli.options import device_option, prices_option


@click.command("check")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--queries", type=click.Path(path_type=Path), default=None, metavar="FILE",
              help="New queries: .txt, .jsonl or .parquet with text.")  # fmt: skip
@click.option("--documents", default=None, metavar="SOURCE",
              help="New documents, not in the index: .jsonl, .parquet or a folder, with the columns of the run's "
              "corpus.")  # fmt: skip
@click.option("--embed-again", is_flag=True, help="Embed every chunk of DIR once more to find the exact neighbours of "
              "--queries, where the folder keeps no float32 vectors.")  # fmt: skip
@click.option("--model", default=None, help="Where the model lies now. Default: the name that DIR keeps.")
@device_option("embed")
@prices_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on standard output.")
@click.option("--quiet", is_flag=True, help="No progress on standard error.")
def command(folder: Path, as_json: bool, quiet: bool, **options: Any) -> int:  # noqa: FBT001 - click's names
    """Check the built index in DIR: files, embedder, recall of its canaries, drift of documents and queries, bill.

    It ends with one word. Exit codes: 0 keep, 4 re-tune, 5 re-train, 1 broken or an error.

    Example: ragopt check index --queries last-week.jsonl
    """
    import json  # noqa: PLC0415 - loaded when first used

    from rich.console import Console  # noqa: PLC0415 - loaded when first used

    from ragopt.api import check  # noqa: PLC0415 - loaded when first used
    from ragopt.cli.progress import TerminalProgress  # noqa: PLC0415 - loaded when first used
    from ragopt.report.check_text import print_check  # noqa: PLC0415 - loaded when first used
    from ragopt.serve.check_json import check_json  # noqa: PLC0415 - loaded when first used

    with TerminalProgress(quiet=quiet or as_json) as progress:
        checked = check(folder, progress=progress, **options)
    if as_json:
        click.echo(json.dumps(check_json(checked), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print_check(checked, Console(highlight=False))
    return checked.exit_code
