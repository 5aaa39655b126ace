"""`ragopt build RUN`: the recommended index as a folder that a service opens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragopt.cli.options import device_option, memory_option
from ragopt.serve.lance_index import LANCE_TYPES

if TYPE_CHECKING:
    from ragopt.serve.built import Built, LanceMeasured


@click.command("build")
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write; an index that stands "
              "there is replaced in one step.")  # fmt: skip
@click.option("--trial", default=None, help="A printed trial of RUN instead of the recommended one.")
@click.option("--corpus", default=None, help="Where the corpus lies now. Default: where RUN found it.")
@click.option("--with-vectors", is_flag=True, help="Keep the full vectors in the table too: 4 bytes x dimension each.")
@click.option("--target", type=click.Choice(["faiss", "lancedb"]), default="faiss", show_default=True,
              help="lancedb: an index of LanceDB's own over the full vectors, tuned on one half of RUN's confirmation "
              "queries and measured on the other.")  # fmt: skip
@click.option("--lance-index", type=click.Choice(LANCE_TYPES), default=None,
              help="Index of --target lancedb. Default: IVF_PQ.")  # fmt: skip
@click.option("--min-recall", type=float, default=None, help="Least recall_vs_exact@k, lower end of its interval, of "
              "--target lancedb. Default: RUN's limit.")  # fmt: skip
@device_option("embed, to find exact neighbours and to train")
@memory_option
@click.option("--cache-dir", type=click.Path(path_type=Path), default=None, help="Artifacts of RUN. Default: as sweep.")
@click.option("--quiet", is_flag=True, help="No progress on standard error.")
@click.option("--json", "as_json", is_flag=True, help="Print what was built and measured as JSON, and nothing else.")
def command(run_folder: Path, as_json: bool, quiet: bool, **options: Any) -> None:  # noqa: FBT001 - click's names
    """Build the recommended index of the finished run in the folder RUN, measured again before it can be opened.

    Example: ragopt build ragopt-run --out index
    """
    from ragopt.api import build  # noqa: PLC0415 - loaded when first used
    from ragopt.cli.progress import TerminalProgress  # noqa: PLC0415 - loaded when first used
    from ragopt.measure.memory import PeakMemory  # noqa: PLC0415 - loaded when first used
    from ragopt.sweep.planned_memory import broken_promise  # noqa: PLC0415 - loaded when first used

    with TerminalProgress(quiet=quiet or as_json) as progress, PeakMemory() as peak:
        built = build(run_folder, progress=progress, **options)
    if not quiet and not as_json:
        click.echo(peak.printed(), err=True)
    if broken := broken_promise(options["max_memory_bytes"], peak.anonymous_bytes, peak.resident_bytes):
        click.echo(f"warning: {broken}", err=True)
    _show(built, as_json=as_json)


def _show(built: Built, *, as_json: bool) -> None:
    import json  # noqa: PLC0415 - loaded when first used
    from dataclasses import asdict  # noqa: PLC0415 - loaded when first used

    from ragopt.units import format_bytes  # noqa: PLC0415 - loaded when first used

    if as_json:
        click.echo(json.dumps({**asdict(built), "folder": str(built.folder)}, indent=2, ensure_ascii=False))
        return
    what = f"LanceDB {built.lance.index} over {built.trial.partition(' | ')[0]}" if built.lance else built.trial
    click.echo(f"{built.folder}: {what}")
    click.echo(f"{built.n_chunks:,} chunks, {format_bytes(built.size_bytes)}, version {built.version}")
    click.echo(
        f"recall_vs_exact@{built.k} {built.recall:.4f} ({built.low:.4f} to {built.high:.4f}) over {built.n_queries:,} "
        f"queries: {_compared(built)}"
    )
    if built.lance:
        _show_lance(built.lance, f"recall_vs_exact@{built.k}")
    if built.columns:
        click.echo(f"Metadata to filter by: {', '.join(built.columns)}")
    if built.replaced_version is not None:
        click.echo(f"Replaced version {built.replaced_version}: what was added to it or deleted from it is not in here")
    click.echo(f'Open it: ragopt.open("{built.folder}").search("a question")')


def _compared(built: Built) -> str:
    if built.lance:
        return f"none of the {built.lance.n_tuning:,} that it was tuned on"
    if built.n_different is None:
        return "the run did not build this trial"
    if built.n_different:
        return f"another than in the run for {built.n_different:,} of them"
    return "the same as in the run for every query"


def _show_lance(lance: LanceMeasured, shown: str) -> None:
    """What was measured besides, instead of what the run measured of a trial."""
    from ragopt.units import format_bytes  # noqa: PLC0415 - loaded when first used

    for name, figure in lance.quality.items():
        if name != shown:
            click.echo(f"{name} {figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f})")
    latency = lance.latency
    click.echo(f"index of {format_bytes(lance.index_bytes)} beside texts and full vectors")
    click.echo(f"p50 {latency.p50:.2f} ms, p95 {latency.p95:.2f} ms, p99 {latency.p99:.2f} ms a search, threads of "
               "LanceDB's choice")  # fmt: skip
    for warning in lance.warnings:
        click.echo(f"warning: {warning}")
