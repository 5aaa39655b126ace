"""The verb `ragopt.cache`: which caches a service should have, by its query log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ragopt.api import default_cache_dir, draw_report
from ragopt.bill.workload_file import read_values, read_workload_file
from ragopt.cache.advise import Choices
from ragopt.cache.log_fields import ROLES, LogFields
from ragopt.cache.semantic_review import check_review_file
from ragopt.devices import AUTO, choose_device
from ragopt.errors import InputError
from ragopt.finished_run import Run as FinishedRun
from ragopt.sweep.advising import (
    Labelled,
    LogFile,
    advise_from,
    service_of,
    unit_vectors,
    write_pairs_to_review,
)
from ragopt.sweep.kept_cache import with_cache, write_cache
from ragopt.sweep.progress import Progress, Silent
from ragopt.sweep.run_folder import read_run

if TYPE_CHECKING:
    from ragopt.cache.advice import CacheAdvice
    from ragopt.embed.embedder import Embedder
    from ragopt.records import Run


def cache(  # noqa: PLR0913 - the log, the service, the labels and what is chosen
    log: str | Path,
    *,
    run: Run | str | Path | None = None,
    save: bool = False,
    workload: Mapping[str, object] | str | Path | None = None,
    prices: str | Path | None = None,
    fields: LogFields | None = None,
    chunks: str | Path | None = None,
    sampled_by_key: bool = False,
    labels: str | Path | None = None,
    judgements: bool = False,
    review: str | Path | None = None,
    model: str | None = None,
    dim: int | None = None,
    choices: Choices | None = None,
    device: str = AUTO,
    cache_dir: str | Path | None = None,
    progress: Progress | None = None,
) -> CacheAdvice:
    """Replay a query log through the caches that a service could have, and say which are worth it.

    Args:
        log: `.jsonl`, `.jsonl.gz` or `.parquet`, one request a line.
        run: a finished run, whose recommended index and target bill the searches.
        save: write the advice into the run's folder and draw its report again; a run that was passed as a record stays
            as it was read.
        workload: fields of a workload by name, or a workload file; what is left out is the run's, or a default.
        prices: a file of prices that replace others.
        fields: which field of the log is what.
        chunks: a file of every chunk with its size.
        sampled_by_key: the log holds all requests of some keys.
        labels: pairs of similar questions with a person's label; they certify a semantic cache of answers.
        judgements: take the run's judgements as labels instead; they certify a semantic cache of search results.
        review: write pairs of similar questions of the log here, `.jsonl`, for a person to label.
        model: embeds the texts of labels and log; None takes the run's.
        dim: of the query vectors; None takes the run's model's.
        choices: TTLs, budget of false hits, seed.
        device: where that model runs, and where `judgements` look for neighbours.
        cache_dir: artifact store of the run, for `judgements`; None takes the default one.
        progress: told of every phase; None is silent.

    Raises:
        RagoptError: with what failed and the next step.

    Example:
        ``ragopt.cache("requests.jsonl", run="ragopt-run").ranked``
    """
    _check(run, labels, review, model, save=save, judgements=judgements)
    embeds = judgements or labels is not None or review is not None
    if device != AUTO and not embeds:
        raise InputError(f"--device {device} says where a model embeds, and there are no labels to embed",
                         next_step="Give --labels, --judgements or --review too, or leave --device out")  # fmt: skip
    chosen = choose_device(device) if embeds else None
    finished = run if run is None or not isinstance(run, str | Path) else read_run(Path(run))
    given = read_workload_file(Path(workload)) if isinstance(workload, str | Path) else read_values(workload or {})
    told, names = progress or Silent(), fields or LogFields()
    if chosen is not None and not judgements:  # with judgements the run's own line follows
        told.notice(f"device: {chosen.printed()}")
    labelled = _labelled(finished, labels, (model, device), cache_dir, told, judgements=judgements)
    named = frozenset(role for role in ROLES if getattr(names, role) != getattr(LogFields(), role))
    file = LogFile(Path(log), names, named, None if chunks is None else Path(chunks), sampled_by_key)
    told.phase("log", f"Reading {log}")
    read = file.read(keep_texts=labelled is not None or review is not None)
    if review is not None:
        embedder = _embedder(finished, model, device)
        if embedder is None:
            raise InputError("--review needs a model to tell similar questions",
                             next_step="Name it with --model, or --run")  # fmt: skip
        n_pairs = write_pairs_to_review(read, embedder, Path(review), choices or Choices())
        told.notice(f"{n_pairs:,} pairs to label are in {review}: fill in `same`, then give --labels {review}")
    service = service_of(read, finished, given, dim=dim, prices=None if prices is None else Path(prices))
    told.phase("replay", f"Replaying {read.n_requests:,} requests")
    advice = advise_from(read, service, choices or Choices(), labelled)
    if save and finished is not None:
        kept = with_cache(finished, advice)
        write_cache(kept)
        draw_report(FinishedRun.of(kept), told)
    return advice


def _check(
    run: object, labels: object, review: str | Path | None, model: str | None, *, save: bool, judgements: bool
) -> None:
    for option, asked in (("save", save), ("judgements", judgements)):
        if asked and run is None:
            raise InputError(f"--{option} needs a run", next_step="Name its folder with --run")
    if review is not None:
        check_review_file(Path(review))
    if model is not None and labels is None and review is None:
        raise InputError(f"--model {model} embeds labels and the texts of a log, and there are no labels",
                         next_step="Give --labels or --review too, or leave --model out")  # fmt: skip
    if judgements and labels is not None:
        raise InputError("--labels and --judgements are two kinds of labels", next_step="Give one of them")


def _labelled(
    run: Run | None, labels: str | Path | None, model: tuple[str | None, str], cache_dir: str | Path | None,
    progress: Progress,
    *, judgements: bool,
) -> Labelled | None:  # fmt: skip
    if judgements and run is not None:
        from ragopt.serve.judged_neighbours import labels_of_run  # noqa: PLC0415 - loaded when first used

        return labels_of_run(run, default_cache_dir() if cache_dir is None else Path(cache_dir), progress,
                             device=model[1])  # fmt: skip
    if labels is None:
        return None
    from ragopt.cache.semantic_pairs import read_labelled_pairs  # noqa: PLC0415 - loads numpy

    embedder = _embedder(run, *model)
    pairs = read_labelled_pairs(
        Path(labels), embed=None if embedder is None else lambda texts: unit_vectors(embedder, list(texts))
    )
    return Labelled(pairs.scores, pairs.wrong, "answer", f"{len(pairs.scores):,} pairs of {labels}", embedder)


def _embedder(run: Run | None, model: str | None, device: str) -> Embedder | None:
    """The model that was named, else the run's; None without either."""
    from ragopt.embed.open_embedder import open_embedder  # noqa: PLC0415 - loaded when first used

    name = model or (run.recommendation.trial.space.model if run else None)
    return open_embedder(name, device=device) if name else None
