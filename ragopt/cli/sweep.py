"""`ragopt sweep CORPUS`: the main job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ragopt.cli.options import (
    device_option,
    given_workload,
    json_option,
    limit_options,
    memory_option,
    workload_options,
)
from ragopt.cli.show import show_run

CANNOT_BE_KEPT = 1
"""Exit code of a dry run whose --max-memory is too small, as that of the sweep itself."""

NOT_FOR_READY = ("models", "queries", "no_chunk", "chunk_tokens", "chunk_overlap", "id_column",
                 "title_column", "text_column")  # fmt: skip
"""Options that say nothing about vectors that are embedded already: refused beside --vectors, not ignored."""


@click.command("sweep")
@click.argument("corpus", required=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("ragopt-run"),
    show_default=True,
    help="Run folder: report.html, frontier.png, recommendation.json, trials.parquet, run.json.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    default=("wordllama",),
    show_default=True,
    help="Embedding model: wordllama, a sentence-transformers name or folder, or openai:NAME. Repeatable.",
)
@device_option("embed, to find exact neighbours and to train")
@memory_option
@click.option("--queries", help="Queries: .jsonl (BEIR), .parquet or .txt, one a line. Default: the corpus's own.")
@click.option("--qrels", help="Judgements: BEIR .tsv or TREC qrels.")
@click.option("--chunk-tokens", type=int, default=256, show_default=True, help="Most tokens in a chunk.")
@click.option("--chunk-overlap", type=int, default=32, show_default=True, help="Most tokens that two chunks share.")
@click.option("--no-chunk", is_flag=True, help="Keep documents whole.")
@click.option("--id-column", help="Column of JSONL or Parquet that holds the id.")
@click.option("--title-column", help="Column that holds the title.")
@click.option("--text-column", help="Column that holds the text.")
@click.option("--vectors", help="Ready vectors instead of CORPUS: .npy, .parquet, .arrow or .lance.")
@click.option("--query-vectors", help="Ready query vectors, of the same dimension.")
@click.option("--vector-ids", help="Ids of the ready vectors, for --qrels. Default: row numbers.")
@click.option("--query-ids", help="Ids of the ready query vectors. Default: row numbers.")
@click.option("--vector-column", help="Column of Parquet or Lance that holds the vectors.")
@click.option("--metric", type=click.Choice(["cosine", "ip", "l2"]), default="cosine", show_default=True)
@click.option("--k", type=int, default=10, show_default=True, help="Neighbours that recall_vs_exact counts.")
@click.option("--n-queries", type=int, default=1000, show_default=True, help="Most queries to select with.")
@click.option(
    "--confirm-queries", type=int, default=2000, show_default=True, help="Most other queries to measure finalists with."
)
@click.option("--finalists", type=int, default=8, show_default=True, help="Most trials to build and confirm.")
@click.option("--grid", help="Recipe of trials to try instead of the default grid; see indexes/recipes/.")
@click.option(
    "--descend/--no-descend",
    default=True,
    show_default=True,
    help="Search below the default grid for the fewest bytes that still hold --min-recall.",
)
@click.option(
    "--max-rescored",
    type=int,
    default=1000,
    show_default=True,
    help="Most vectors that one search may rescore when searching below the grid; a twentieth of the corpus at most.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be done, what exists already, time and memory; stop.")
@limit_options
@click.option(
    "--cost-model",
    type=click.Choice(["measured", "scan"]),
    default="measured",
    show_default=True,
    help="measured: CPU time measured here. scan: a fixed table, the same on every machine.",
)
@workload_options("--vectors-at-scale")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--cache-dir",
    type=click.Path(path_type=Path),
    default=None,
    help="Where costly results are kept and found again. Default: the user's cache folder.",
)
@json_option
def command(**options: Any) -> int:
    """Measure every index on CORPUS and recommend the cheapest that still finds the right passages.

    CORPUS is a folder of .txt .md .rst .html .pdf files, a BEIR folder, a .jsonl or .parquet file, or python-docs,
    the documentation of the running Python.

    Example: ragopt sweep corpus/ --queries questions.jsonl --qrels judged.tsv --min-recall 0.95
    """  # fmt: skip
    from ragopt.api import draw_report  # noqa: PLC0415 - loaded when first used
    from ragopt.cli.progress import TerminalProgress  # noqa: PLC0415 - loaded when first used
    from ragopt.measure.memory import PeakMemory  # noqa: PLC0415 - loaded when first used
    from ragopt.sweep.engine import run_sweep  # noqa: PLC0415 - loaded when first used

    if not options["corpus"] and not options["vectors"]:
        raise click.UsageError("Name a CORPUS, or --vectors with --query-vectors.")
    for name in ("descend", "max_rescored"):
        given = click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE
        if options["grid"] and given and not (name == "descend" and not options["descend"]):
            raise click.UsageError(
                f"--{name.replace('_', '-')} says nothing beside --grid: a recipe is never added to."
            )
    settings = _settings(options)
    if options["dry_run"]:
        return _show_plan(settings, as_json=options["as_json"])
    with TerminalProgress() as progress, PeakMemory() as peak:
        run = run_sweep(settings, progress)
        draw_report(run, progress)
        if options["as_json"]:
            # Without --json they are printed beneath the recommendation.
            for warning in run.info["warnings"]:
                progress.notice(f"warning: {warning}")
        seconds = sum(run.info["seconds"].values())
    click.echo(f"Run folder: {run.folder} ({seconds:.0f} s, {peak.printed()})", err=True)
    _tell_broken(settings.max_memory_bytes, peak)
    return show_run(run, as_json=options["as_json"])


def _tell_broken(max_bytes: int | None, peak: Any) -> None:
    """Say that more memory was taken than was allowed, the drawing of the report included."""
    from ragopt.sweep.planned_memory import broken_promise  # noqa: PLC0415 - loaded when first used

    if broken := broken_promise(max_bytes, peak.anonymous_bytes, peak.resident_bytes):
        click.echo(f"warning: {broken}", err=True)


def _show_plan(settings: Any, *, as_json: bool) -> int:
    from ragopt.devices import choose_device  # noqa: PLC0415 - loaded when first used
    from ragopt.sweep.engine import check_early  # noqa: PLC0415 - loaded when first used
    from ragopt.sweep.plan import plan_sweep  # noqa: PLC0415 - loaded when first used

    check_early(settings)
    device = choose_device(settings.device)
    plan = plan_sweep(settings)
    click.echo(
        json.dumps(plan.as_json(), indent=2) if as_json else "\n".join((f"device: {device.printed()}", *plan.printed()))
    )
    return 0 if plan.memory is None or plan.memory.is_kept else CANNOT_BE_KEPT


def _settings(options: dict[str, Any]) -> Any:
    from ragopt.api import default_cache_dir  # noqa: PLC0415 - loaded when first used
    from ragopt.choose import Limits  # noqa: PLC0415 - loaded when first used
    from ragopt.corpus.records import ReadOptions  # noqa: PLC0415 - loaded when first used
    from ragopt.corpus.splitting import ChunkOptions  # noqa: PLC0415 - loaded when first used
    from ragopt.sweep.settings import SweepSettings  # noqa: PLC0415 - loaded when first used

    same = ("corpus", "out", "models", "device", "queries", "qrels", "metric", "k", "n_queries", "confirm_queries",
            "finalists", "grid", "descend", "max_rescored", "objective", "cost_model",
            "seed", "max_memory_bytes")  # fmt: skip
    tokens = None if options["no_chunk"] else options["chunk_tokens"]
    return SweepSettings(
        **{name: options[name] for name in same},
        ready=_ready(options),
        read=ReadOptions(options["id_column"], options["title_column"], options["text_column"]),
        chunk=ChunkOptions(tokens, options["chunk_overlap"]),
        limits=Limits(options["min_recall"], options["min_ndcg_ratio"], options["max_p99_ms"], options["max_usd"]),
        workload=given_workload(options),
        prices=options["prices"],
        cache_dir=options["cache_dir"] or default_cache_dir(),
    )  # fmt: skip


def _ready(options: dict[str, Any]) -> Any:
    from ragopt.sweep.settings import ReadyVectors  # noqa: PLC0415 - loaded when first used

    names = ("vectors", "query_vectors", "vector_ids", "query_ids", "vector_column")
    given = [name for name in names if options[name]]
    if not given:
        return None
    for needed in ("vectors", "query_vectors"):
        if needed not in given:
            raise click.UsageError(f"--{given[0].replace('_', '-')} needs --{needed.replace('_', '-')} beside it.")
    for name in (
        "models",
        "queries",
        "no_chunk",
        "chunk_tokens",
        "chunk_overlap",
        "id_column",
        "title_column",
        "text_column",
    ):
        if click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = "--model" if name == "models" else f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} says nothing about ready vectors: leave it out beside --vectors.")
    return ReadyVectors(*(options[name] for name in names))
