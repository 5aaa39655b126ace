"""Cache advice from files: a query log, a finished run whose index is billed, labels of similar questions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from ragopt.bill.described import check_dim
from ragopt.bill.price_book import PriceBook
from ragopt.bill.workload import SECONDS_PER_MONTH
from ragopt.cache.advise import USUAL_DIM, Choices, Service, advise
from ragopt.cache.costs import busiest_minute_qps
from ragopt.cache.log_fields import LogFields
from ragopt.cache.read_log import read_log
from ragopt.cache.search_bill import SearchBill
from ragopt.errors import InputError
from ragopt.sweep.billed import Described, book_of_run, what_to_bill
from ragopt.sweep.kept_run import given_in_run
from ragopt.sweep.pricing import workload_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragopt.bill.workload_fields import Value
    from ragopt.cache.advice import CacheAdvice
    from ragopt.cache.coded_log import CodedLog
    from ragopt.cache.plan_semantic import Semantic, Serves
    from ragopt.embed.embedder import Embedder
    from ragopt.records import Run

HASH = re.compile(r"[0-9a-fA-F-]+")
"""What a query that stands for its text looks like: an id, a digest, a UUID."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A query log and how to read it.

    Attributes:
        path: of the log.
        fields: which field is what.
        named: roles whose field the user named.
        chunks: file of every chunk and its size; None where there is none.
        sampled_by_key: the log holds all requests of some keys.
    """

    path: Path
    fields: LogFields = field(default_factory=LogFields)
    named: frozenset[str] = frozenset()
    chunks: Path | None = None
    sampled_by_key: bool = False

    def read(self, *, keep_texts: bool) -> CodedLog:
        """Read it. Raises InputError: see `read_log`."""
        return read_log(self.path, self.fields, chunks=self.chunks, keep_texts=keep_texts, named=self.named,
                        sampled_by_key=self.sampled_by_key)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Labelled:
    """Labels of similar questions: what was served and how it went; see `plan_semantic.Semantic`."""

    scores: NDArray[np.float64]
    wrong: NDArray[np.bool_]
    serves: Serves
    source: str
    embedder: Embedder | None


def service_of(
    log: CodedLog, run: Run | None, given: Mapping[str, Value], *, dim: int | None, prices: Path | None
) -> Service:
    """What the service costs: with a run, that of its recommended index at its target; else of the workload alone.

    Args:
        log: of the service.
        run: finished; None where there is none.
        given: fields of the workload that were given.
        dim: of the query vectors; None takes the run's model's.
        prices: a file of prices that replace others.

    Raises:
        InputError, PriceError, ArtifactError: figures or prices that cannot be used.
    """
    if dim is not None:
        check_dim(dim)
    book = PriceBook.load() if run is None else book_of_run(run)
    book = book if prices is None else book.overridden(prices)
    if run is None:
        stated = frozenset(given)
        given = _with_room(given, stated, log)
        n_chunks = log.n_corpus_chunks or (log.chunks.n_distinct if log.chunks else 0)
        return Service(workload_of(given, max(1, n_chunks)), book, stated, dim or USUAL_DIM)
    stated = frozenset(given) | given_in_run(run)
    what = what_to_bill(run, _with_room(given, stated, log), Described(), None, tell_prices=False)
    search = SearchBill(what.footprint, what.workload, book, run.recommendation.target)
    model = run.recommendation.trial.space.model
    own = next((one["dim"] for one in run.info["models"] if one["name"] == model), USUAL_DIM)
    notes = _foreign(log, run)
    return Service(what.workload, book, stated, dim or int(own), search, str(run.recommendation.trial), notes=notes)


def _foreign(log: CodedLog, run: Run) -> tuple[str, ...]:
    """Say where a log read more chunks than the run's corpus has: it is of another one."""
    n_chunks = int(run.info["corpus"]["n_chunks"])
    if log.chunks is None or log.chunks.n_distinct <= n_chunks:
        return ()
    told = (
        f"The log read {log.chunks.n_distinct:,} different chunks, and the corpus of {run.folder} has {n_chunks:,}: is "
        "it the log of that corpus?"
    )
    return (told,)


def _with_room(given: Mapping[str, Value], stated: frozenset[str], log: CodedLog) -> Mapping[str, Value]:
    """Give a workload whose queries were stated, and whose peak was not, a peak that holds them: the log's own."""
    queries = given.get("queries_per_month")
    if not isinstance(queries, int) or "peak_qps" in stated:
        return given
    month = Decimal(queries)
    return {**given, "peak_qps": busiest_minute_qps(log, month) or max(Decimal(10), month / SECONDS_PER_MONTH)}


def advise_from(
    log: CodedLog, service: Service, choices: Choices, labelled: Labelled | None = None
) -> CacheAdvice:  # fmt: skip
    """Advise on a log that was read; embeds its different questions where labels certify similar ones.

    Raises:
        InputError, PriceError: see `advise`.
    """
    return advise(log, service, choices, None if labelled is None else _semantic(log, labelled))


def write_pairs_to_review(log: CodedLog, embedder: Embedder, file: Path, choices: Choices) -> int:
    """Draw similar questions of a log for a person to label, and write them; returns how many pairs.

    Twice as many as certify the budget if none of them is wrong, so that a few may be; 50 at least.

    Args:
        log: with its texts, first appearances in order of time.
        embedder: of the cache.
        file: `.jsonl` to write.
        choices: budget and seed.

    Raises:
        InputError: the log has no texts, or no two of them are similar.
        StorageError: the file cannot be written.
    """
    import numpy as np  # noqa: PLC0415 - loaded when first used

    from ragopt.cache.semantic_neighbours import nearest_earlier  # noqa: PLC0415 - loads numpy
    from ragopt.cache.semantic_review import N_PAIRS, pairs_to_review, write_review  # noqa: PLC0415 - loads numpy
    from ragopt.cache.semantic_threshold import least_labelled_hits  # noqa: PLC0415 - loads numpy

    vectors = _vectors(log, embedder)
    if vectors is None or log.query_texts is None:
        raise InputError(f"The queries of {log.source} are hashes, not texts: nobody could label them",
                         next_step="Give a log with the texts")  # fmt: skip
    codes, first = np.unique(log.queries, return_index=True)
    order = codes[np.argsort(first)]
    n_pairs = max(N_PAIRS, 2 * least_labelled_hits(choices.max_false_hit_rate))
    texts = [log.query_texts[code] for code in order.tolist()]
    pairs = pairs_to_review(texts, nearest_earlier(vectors[order]), n_pairs=n_pairs, seed=choices.seed)
    write_review(pairs, file)
    return len(pairs)


def _semantic(log: CodedLog, labelled: Labelled) -> Semantic:
    from ragopt.cache.plan_semantic import Semantic  # noqa: PLC0415 - loads numpy

    vectors = None if labelled.embedder is None else _vectors(log, labelled.embedder)
    why = ""
    if vectors is None:
        why = "no model was named (--model)" if labelled.embedder is None else "the log holds hashes, not texts"
    return Semantic(labelled.scores, labelled.wrong, labelled.serves, vectors, labelled.source, why)


def _vectors(log: CodedLog, embedder: Embedder) -> NDArray[np.float32] | None:
    """Unit vectors of the log's different questions; None where they are no texts."""
    texts = log.query_texts
    if texts is None or all(HASH.fullmatch(text) for text in texts):
        return None
    return unit_vectors(embedder, list(texts))


def unit_vectors(embedder: Embedder, texts: list[str]) -> NDArray[np.float32]:
    """Embed questions to vectors of length 1. Raises InputError: a vector of zeros or NaN."""
    from ragopt.embed.stored_rows import embedded_rows  # noqa: PLC0415 - loads numpy

    return embedded_rows(embedder.embed_queries(texts), (len(texts), embedder.dim), "cosine",
                         describe=lambda row: f"the question {texts[row][:60]!r}")  # fmt: skip
