"""The verbs of the Python API: `sweep` measures and decides, `recommend` decides again, `bill` says what it costs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_cache_path

from ragopt.bill.described import check_dim
from ragopt.bill.price_book import PriceBook
from ragopt.bill.projection import MonthBill, bill_by_month
from ragopt.bill.whole_bill import WholeBill, bill_everywhere, whole_tornado
from ragopt.bill.workload_file import read_values, read_workload_file
from ragopt.choose import Limits, Objective
from ragopt.devices import AUTO
from ragopt.errors import InputError
from ragopt.finished_run import Run as FinishedRun
from ragopt.records import Recommendation, Run, Trial
from ragopt.sweep.billed import Described, book_of_run, checked_against, what_to_bill
from ragopt.sweep.decision_bill import with_bill
from ragopt.sweep.engine import run_sweep
from ragopt.sweep.kept_run import billed_on
from ragopt.sweep.pricing import workload_of
from ragopt.sweep.progress import Progress, Silent
from ragopt.sweep.recommending import recommend_from
from ragopt.sweep.run_folder import PICTURE_FILE, REPORT_FILE, read_run
from ragopt.sweep.settings import SweepSettings

if TYPE_CHECKING:
    from ragopt.bill.decisions.target import Growing, TargetDecision
    from ragopt.bill.tornado import Swing
    from ragopt.corpus.records import Document
    from ragopt.embed.embedder import Embedder
    from ragopt.serve.built import Built
    from ragopt.serve.check_records import Checked
    from ragopt.serve.lance_index import LanceType
    from ragopt.serve.manifest import Engine


def default_cache_dir() -> Path:
    """Where artifacts lie unless the user says otherwise: the user's cache folder."""
    return Path(user_cache_path("ragopt", appauthor=False))


def sweep(corpus: str | Path | None = None, *, progress: Progress | None = None, **settings: Any) -> FinishedRun:
    """Measure every trial on a corpus, confirm the finalists, decide, and write the run folder with its report.

    Args:
        corpus: `python-docs`, a folder or a file; None when `ready` vectors are given.
        progress: told of every phase; None is silent.
        settings: fields of `ragopt.sweep.settings.SweepSettings`: models, k, n_queries, grid, out, ...; `limits` may be
            a mapping such as ``{"min_recall": 0.95}``.

    Returns:
        The finished run, which draws its charts and writes its report: see `ragopt.finished_run.Run`.

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
    run = FinishedRun.of(run_sweep(SweepSettings(corpus=None if corpus is None else str(corpus), **settings), told))
    draw_report(run, told)
    return run


def draw_report(run: Run, progress: Progress) -> None:
    """Draw ``report.html`` and ``frontier.png`` into a run folder."""
    from ragopt.report.charts import frontier_picture  # noqa: PLC0415 - loaded when first used
    from ragopt.report.page import write_page  # noqa: PLC0415 - loaded when first used
    from ragopt.report.pictures import write_png  # noqa: PLC0415 - loaded when first used

    report = progress.phase("report", "Drawing the report")
    folder = run.path
    write_png(frontier_picture(run), folder / PICTURE_FILE)
    report(1, 2)
    write_page(run, folder / REPORT_FILE)
    report(2, 2)


def bill(  # noqa: PLR0913 - an index can be named in three ways
    subject: Run | str | Path | None = None,
    *,
    workload: Mapping[str, object] | str | Path | None = None,
    targets: Sequence[str] | str = (),
    prices: str | Path | None = None,
    current_prices: bool = False,
    trial: str | None = None,
    described: Described | None = None,
    seed: int = 0,
    **index: Any,
) -> WholeBill:
    """Bill an index for an average month at every target, or at those that are named.

    A run is billed with its own prices, for its own day: the bill of its recommendation is that of
    ``recommendation.json``.

    Args:
        subject: a finished run or its folder, an index folder, a FAISS file; None bills an index that is described.
        workload: fields of a workload by name, or a workload file; what is left out is the run's, or a default.
        targets: names; empty for all.
        prices: a file of prices that replace others.
        current_prices: whether a run is billed with the prices of today instead of its own.
        trial: a printed trial of the run; None is the recommended one.
        described: an index that exists only on paper.
        seed: of the range's draws, 0 or more.
        index: the fields of `ragopt.sweep.billed.Described` by name, instead of `described`: dim; ram_bytes (4 x dim
            unless given) and disk_bytes per vector, or factory and search; cpu_ms.

    Raises:
        RagoptError: with what failed and the next step.
        TypeError: an unknown argument.

    Example:
        ``ragopt.bill(dim=1024, workload={"n_vectors": "10M", "metadata_bytes": 1024}).targets[0]``
    """
    if seed < 0:
        raise InputError(f"--seed is {seed}", allowed="0 or more", next_step="Correct --seed")
    given = read_workload_file(Path(workload)) if isinstance(workload, str | Path) else read_values(workload or {})
    what = what_to_bill(subject, given, described or Described(**index), trial,
                        tell_prices=prices is None and not current_prices)  # fmt: skip
    if current_prices and what.run is None:
        raise InputError("--current-prices says nothing without RUN", next_step="Leave it out, or name a run folder")
    own = what.run is not None and not current_prices
    book = book_of_run(what.run) if own and what.run else PriceBook.load()
    whole = bill_everywhere(
        what.footprint,
        what.workload,
        book if prices is None else book.overridden(Path(prices)),
        targets=(targets,) if isinstance(targets, str) else targets,
        given=what.given,
        seed=seed,
        today=billed_on(what.run) if own and what.run else None,
        warned_on=dt.datetime.now(tz=dt.UTC).date(),
        notes=what.notes,
    )
    if what.run is not None and (trial is None or trial == str(what.run.recommendation.trial)):
        whole = replace(whole, recommended=what.run.recommendation.target, cache=what.run.recommendation.cache)
    asked_otherwise = bool(given) or prices is not None or trial is not None
    return whole if asked_otherwise or not own or what.run is None else checked_against(whole, what.run)


def by_month(whole: WholeBill) -> dict[str, tuple[MonthBill, ...]]:
    """Bill every month of the horizon at each target of a whole bill, as the vectors grow.

    A target that stops taking the index at one of these sizes raises InputError.
    """
    return {
        one.target: bill_by_month(whole.footprint, whole.workload, whole.book, target=one.target)
        for one in whole.targets
    }


def tornado_of(whole: WholeBill, target: str = "") -> tuple[Swing, ...]:
    """Find the five inputs that move a target's bill with the shared lines most; `whole.explained` unless given."""
    return whole_tornado(whole, target)


def decide_target(  # noqa: PLR0913 - the index, the service, the prices and the range
    run: Run | str | Path | None = None,
    *,
    workload: Mapping[str, object] | str | Path | None = None,
    low: int,
    high: int,
    by: Growing = "vectors",
    dim: int | None = None,
    bytes_per_vector: Decimal | None = None,
    cpu_ms: Decimal | None = None,
    prices: str | Path | None = None,
    targets: Sequence[str] = (),
) -> TargetDecision:
    """Find where the cheapest target changes as vectors or queries grow, for a run's index or one that is described.

    Args:
        run: a finished run or its folder; its recommended index is billed, with its own prices.
        workload: fields of a workload by name, or a workload file; what is left out is the run's, or a default.
        low: smallest number of vectors, or of queries a month.
        high: largest.
        by: what grows.
        dim: without a run, the dimension of the vectors.
        bytes_per_vector: without a run, RAM code bytes per vector; 4 x dim unless given.
        cpu_ms: without a run, CPU milliseconds per query at a million vectors.
        prices: a file of prices that replace others.
        targets: names of those that compete; empty for all.

    Raises:
        RagoptError: with what failed and the next step.
    """
    from ragopt.bill.decisions.target import decide_target as decide  # noqa: PLC0415 - loaded when first used
    from ragopt.bill.decisions.target import modelled_footprint  # noqa: PLC0415 - loaded when first used

    given = read_workload_file(Path(workload)) if isinstance(workload, str | Path) else read_values(workload or {})
    notes: tuple[str, ...]
    if run is None:
        check_dim(dim)
        size = Decimal(4 * (dim or 0)) if bytes_per_vector is None else bytes_per_vector
        footprint, note = modelled_footprint(dim or 0, size, cpu_ms)
        service, notes, book = workload_of(given, low if by == "vectors" else BY_QUERIES), (note,), PriceBook.load()
    else:
        what = what_to_bill(run, given, Described(dim, cpu_ms=None if cpu_ms is None else float(cpu_ms)), None)
        footprint, service, notes = what.footprint, what.workload, what.notes
        book = PriceBook.load() if what.run is None else book_of_run(what.run)
    book = book if prices is None else book.overridden(Path(prices))
    return decide(footprint, service, book, low=low, high=high, by=by, targets=targets or None, notes=notes)


BY_QUERIES = 10_000_000
"""Vectors that are billed while the queries grow, where nobody says: the size of vendors' own examples."""


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
    decided = recommend_from(finished.trials, limits, objective=objective, info=finished.info)
    return with_bill(with_recommendation(finished, decided), book_of_run(finished)).recommendation


def build(  # noqa: PLR0913 - what, where, and from which files
    run: Run | str | Path,
    *,
    out: str | Path,
    trial: Trial | str | None = None,
    corpus: str | Path | None = None,
    with_vectors: bool = False,
    target: Engine = "faiss",
    lance_index: LanceType | None = None,
    min_recall: float | None = None,
    device: str = AUTO,
    max_memory_bytes: int | None = None,
    cache_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> Built:
    """Build a run's recommended index, or another of its trials, into a folder that `ragopt.open` serves.

    The recommended one keeps the sizes of the run's recommended caches: ``ragopt.open(DIR, cache="recommended")``.

    Args:
        run: a finished run or its folder.
        out: folder to write; an index that stands there is replaced in one step.
        trial: printed, of this run; None takes the recommended one.
        corpus: where the corpus lies now; None where the run found it.
        with_vectors: whether the table keeps the full vectors too, 4 bytes times the model's dimension each.
        target: `faiss` builds the trial; `lancedb` an index of LanceDB's own over the full vectors of the trial's
            model, which the table then keeps, tuned on one half of the run's confirmation queries and measured on the
            other.
        lance_index: kind of that index; None is IVF_PQ.
        min_recall: that the lower bound of its recall_vs_exact@k has to reach; None takes the run's limit.
        device: where to embed, to look for exact neighbours and to train: `auto`, `cpu`, `cuda:1`, ...
        max_memory_bytes: most memory to take; None is no limit.
        cache_dir: artifact store of the run; None takes the default one.
        progress: told of every phase; None is silent.

    Raises:
        RagoptError: with what failed and the next step.

    Example:
        ``ragopt.build("ragopt-run", out="index"); ragopt.open("index").search("how do I sort a list?")``
    """
    from ragopt.cache.run_time import settings_of  # noqa: PLC0415 - loaded when first used
    from ragopt.serve.build import build_index  # noqa: PLC0415 - loaded when first used
    from ragopt.serve.lance_build import lance_target  # noqa: PLC0415 - loaded when first used

    finished = run if isinstance(run, Run) else read_run(Path(run))
    chosen = Trial.parse(trial) if isinstance(trial, str) else trial
    advised = finished.recommendation.cache if chosen in (None, finished.recommendation.trial) else None
    return build_index(
        finished,
        out=Path(out),
        cache_dir=default_cache_dir() if cache_dir is None else Path(cache_dir),
        progress=progress or Silent(),
        trial=chosen,
        cache=settings_of(advised),
        corpus=None if corpus is None else str(corpus),
        with_vectors=with_vectors,
        lance=lance_target(target, lance_index, min_recall),
        device=device,
        max_memory_bytes=max_memory_bytes,
    )


def check(  # noqa: PLR0913 - what is checked, with which queries, documents, model and prices
    folder: str | Path,
    *,
    queries: str | Path | Sequence[str] | None = None,
    documents: str | Path | Iterable[Document] | None = None,
    embed_again: bool = False,
    embedder: Embedder | None = None,
    model: str | None = None,
    device: str = AUTO,
    prices: str | Path | None = None,
    progress: Progress | None = None,
) -> Checked:
    """Check a built index: files, embedder, recall of its canaries, drift of documents and queries, the bill.

    Args:
        folder: that `build` wrote.
        queries: new ones: a file, or their texts.
        documents: new ones that are not in the index: a file or folder with the columns that the run's corpus had, or
            the documents.
        embed_again: whether every chunk is embedded once more to find exact neighbours of `queries`, where the folder
            keeps codes only.
        embedder: as in `ragopt.open`.
        model: where the model lies now; None takes the name that the folder keeps.
        device: where the model runs.
        prices: a file of prices that replace others.
        progress: told of every phase; None is silent.

    Returns:
        What was found, with `word` and `exit_code`: keep 0, re-tune 4, re-train 5, broken 1.

    Raises:
        RagoptError: no index there, or queries and documents that cannot be read, or not be measured with this folder.

    Example:
        ``if ragopt.check("index").word == "broken": ...``
    """
    from ragopt.serve.check import check_folder  # noqa: PLC0415 - loaded when first used
    from ragopt.serve.check_inputs import ToCheck, questions_of  # noqa: PLC0415 - loaded when first used

    questions, queries_name = questions_of(queries)
    if isinstance(documents, str | Path):
        documents = str(documents)
    book = PriceBook.load()
    if prices is not None:
        book.overridden(Path(prices))  # a file that cannot be read is told before anything is measured
    given = ToCheck(
        book=book,
        prices=None if prices is None else Path(prices),
        questions=questions,
        queries_name=queries_name,
        documents=documents if documents is None or isinstance(documents, str) else list(documents),
        embed_again=embed_again,
        embedder=embedder,
        model=model,
        device=device,
    )
    return check_folder(Path(folder), given, progress or Silent())


def with_recommendation(run: Run, recommendation: Recommendation) -> Run:
    """Give the run another recommendation, its trials marked accordingly.

    Caches were advised for the searches of one trial at one target: with another they are gone.
    """
    decided = run.recommendation
    if (recommendation.trial, recommendation.target) == (decided.trial, decided.target):
        recommendation = replace(recommendation, cache=decided.cache)
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
