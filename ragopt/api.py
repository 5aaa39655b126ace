"""The two verbs of the Python API: `sweep` measures and decides, `recommend` decides again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_cache_path

from ragopt.choose import Limits, Objective
from ragopt.records import Recommendation, Run
from ragopt.sweep.engine import run_sweep
from ragopt.sweep.progress import Progress, Silent
from ragopt.sweep.recommending import recommend_from
from ragopt.sweep.run_folder import PICTURE_FILE, REPORT_FILE, read_run
from ragopt.sweep.settings import SweepSettings

if TYPE_CHECKING:
    from decimal import Decimal


def default_cache_dir() -> Path:
    """Where artifacts lie unless the user says otherwise: the user's cache folder."""
    return Path(user_cache_path("ragopt", appauthor=False))


def sweep(corpus: str | Path | None = None, *, progress: Progress | None = None, **settings: Any) -> Run:
    """Measure every trial on a corpus, confirm the finalists, decide, and write the run folder with its report.

    Args:
        corpus: `python-docs`, a folder or a file; None when `ready` vectors are given.
        progress: told of every phase; None is silent.
        settings: fields of `ragopt.sweep.settings.SweepSettings`: models, k, n_queries, grid, out, ...; `limits` may be
            a mapping such as ``{"min_recall": 0.95}``.

    Returns:
        The finished run.

    Raises:
        RagoptError: with what failed and the next step.
        TypeError: an unknown setting.

    Example:
        ``run = ragopt.sweep("corpus/", models=("wordllama",)); print(run.recommendation)``
    """
    settings.setdefault("cache_dir", default_cache_dir())
    for name in ("cache_dir", "out"):
        if name in settings:
            settings[name] = Path(settings[name])
    if isinstance(settings.get("models"), str):
        settings["models"] = (settings["models"],)
    if isinstance(settings.get("limits"), Mapping):
        settings["limits"] = Limits(**settings["limits"])
    told = progress or Silent()
    run = run_sweep(SweepSettings(corpus=None if corpus is None else str(corpus), **settings), told)
    draw_report(run, told)
    return run


def draw_report(run: Run, progress: Progress) -> None:
    """Draw ``report.html`` and ``frontier.png`` into a run folder."""
    from ragopt.report.charts import frontier_chart  # noqa: PLC0415 - loaded when first used
    from ragopt.report.page import write_page  # noqa: PLC0415 - loaded when first used
    from ragopt.report.pictures import write_png  # noqa: PLC0415 - loaded when first used

    report = progress.phase("report", "Drawing the report")
    folder = Path(run.folder)
    write_png(frontier_chart(run), folder / PICTURE_FILE)
    report(1, 2)
    write_page(run, folder / REPORT_FILE)
    report(2, 2)


def recommend(
    run: Run | str | Path,
    *,
    min_recall: float | None = 0.95,
    min_ndcg_ratio: float | None = None,
    max_p99_ms: float | None = None,
    max_usd: Decimal | None = None,
    objective: Objective = "usd",
) -> Recommendation:
    """Decide again from a finished run, with other limits; nothing is measured and nothing is written.

    Args:
        run: a run or its folder.
        min_recall: least lower bound of recall_vs_exact@k; None is no limit.
        min_ndcg_ratio: least lower bound of nDCG@10 over exact search's.
        max_p99_ms: most milliseconds of p99 latency.
        max_usd: most USD a month.
        objective: `usd` for the least bill, `ram` for the fewest RAM code bytes.

    Returns:
        The recommendation; its `status` is `nothing_fits` when no trial meets the limits.

    Raises:
        RagoptError: no finished run there, or a limit on a figure that it lacks.
    """
    finished = run if isinstance(run, Run) else read_run(Path(run))
    limits = Limits(min_recall, min_ndcg_ratio, max_p99_ms, max_usd)
    return recommend_from(finished.trials, limits, objective=objective, info=finished.info)


def with_recommendation(run: Run, recommendation: Recommendation) -> Run:
    """Give the run another recommendation, its trials marked accordingly."""
    chosen = recommendation.trial if recommendation.status == "ok" else None
    trials = tuple(
        replace(result, status="recommended")
        if result.trial == chosen
        else replace(result, status="finalist" if result.confirmed else "estimated")
        if result.status == "recommended"
        else result
        for result in run.trials
    )
    return replace(run, trials=trials, recommendation=recommendation)
