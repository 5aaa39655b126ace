"""First stage: documents to chunks, and the queries that everything is measured on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.artifacts import ArtifactStore, canonical_json, key_of, write_atomically
from ragopt.corpus.chunks import Chunks, write_chunks
from ragopt.corpus.documents import fingerprint_source, read_documents
from ragopt.corpus.known_items import known_item_queries
from ragopt.corpus.queries import Queries, check_qrels, read_queries
from ragopt.errors import InputError
from ragopt.measure.intervals import MIN_QUERIES
from ragopt.sweep.settings import FEWEST_HOLDOUT_QUERIES, SweepSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

FEWEST_FIT_QUERIES, MOST_FIT_QUERIES = 500, 1000
"""Queries that a rotation is fitted on: fewer than a dimension or two per query fit noise, more than 1,000 would cost a
transformer on a CPU another minute."""

QUERIES_FILE = "queries.json"


@dataclass(frozen=True, slots=True)
class Corpus:
    """The chunks and the queries of a sweep."""

    source: str
    fingerprint: str
    chunks_key: str
    chunks: Chunks
    queries: Queries


@dataclass(frozen=True, slots=True)
class QuerySplit:
    """Row numbers of the queries to select with and of those to confirm finalists with.

    Attributes:
        select: int64 row numbers into all queries.
        confirm: other rows; the same rows when too few queries are left over.
        holdout: whether `confirm` holds other queries than `select`.
        fit: int64 row numbers of queries that a reduction may be fitted on: in neither of the others, empty when too
            few are left over.
    """

    select: NDArray[np.int64]
    confirm: NDArray[np.int64]
    holdout: bool
    fit: NDArray[np.int64]

    @property
    def rows(self) -> NDArray[np.int64]:
        """int64, every row number that is used, ascending."""
        return np.unique(np.concatenate([self.select, self.confirm, self.fit]))


def load_corpus(
    settings: SweepSettings,
    store: ArtifactStore,
    *,
    tokenizer: Tokenizer | None,
    tokenizer_name: str,
    progress: Callable[[int, int], None],
) -> Corpus:
    """Read, cut and store the corpus, with its queries; a second call reads what the first one stored.

    Raises:
        InputError: anything wrong with the corpus, the queries or the judgements.
    """
    source = settings.corpus or ""
    named = read_queries(settings.queries, settings.qrels, corpus_source=source)
    fingerprint = fingerprint_source(source, settings.read)
    recipe: dict[str, Any] = {
        "kind": "chunks",
        "format": 1,
        "source": fingerprint,
        "chunk": asdict(settings.chunk),
        "tokenizer": tokenizer_name if settings.chunk.chunk_tokens else "",
    }
    if named is None:
        recipe["known_items"] = {"n": settings.n_queries + settings.confirm_queries, "seed": settings.seed}

    def make(folder: Path) -> None:
        queries, indexed = named, None
        if queries is None:
            queries, indexed = known_item_queries(
                read_documents(source, settings.read, with_metadata=False),
                n_queries=settings.n_queries + settings.confirm_queries,
                seed=settings.seed,
            )
            write_atomically(folder / QUERIES_FILE, canonical_json(_queries_to_json(queries)))
        documents = read_documents(source, settings.read, with_metadata=False)
        write_chunks(
            map(indexed, documents) if indexed else documents,
            folder,
            options=settings.chunk,
            tokenizer=tokenizer,
            progress=progress,
        )

    folder = store.get_or_make(recipe, make)
    chunks = Chunks(folder)
    if named is None:
        named = _queries_from_json(json.loads((folder / QUERIES_FILE).read_text(encoding="utf-8")))
    check_qrels(named, chunks.all_document_ids())
    return Corpus(source, fingerprint, key_of(recipe), chunks, named)


def usable_rows(query_ids: Sequence[str], qrels: Mapping[str, Mapping[str, int]] | None) -> NDArray[np.int64]:
    """Row numbers of the queries that everything is measured on: the judged ones where there are judgements.

    Raises:
        InputError: the judgements speak of fewer than two queries.
    """
    if qrels is None:
        return np.arange(len(query_ids), dtype=np.int64)
    rows = np.array([row for row, name in enumerate(query_ids) if qrels.get(name)], dtype=np.int64)
    if len(rows) < MIN_QUERIES:
        raise InputError(
            f"The qrels judge {len(rows)} of the {len(query_ids):,} queries: an interval needs two",
            next_step="Check that --queries and --qrels use the same ids, or leave --qrels out",
        )
    return rows


def split_queries(rows: NDArray[np.int64], settings: SweepSettings) -> QuerySplit:
    """Draw the selection queries and, from the others, the confirmation queries; seeded.

    Args:
        rows: int64 row numbers of the queries that may be drawn.
        settings: how many of each, and the seed.

    Raises:
        InputError: fewer than two queries.
    """
    if len(rows) < MIN_QUERIES:
        raise InputError(
            f"There are {len(rows)} queries: an interval needs two, a useful one a hundred",
            next_step="Give more with --queries",
        )
    drawn = rows[np.random.default_rng(settings.seed).permutation(len(rows))]
    select = np.sort(drawn[: settings.n_queries])
    rest = np.sort(drawn[settings.n_queries :][: settings.confirm_queries])
    if len(rest) < FEWEST_HOLDOUT_QUERIES:
        return QuerySplit(select, select, holdout=False, fit=rest[:0])
    left = np.sort(drawn[settings.n_queries + settings.confirm_queries :][:MOST_FIT_QUERIES])
    if settings.grid and ":joint" not in Path(settings.grid).read_text(encoding="utf-8"):
        left = left[:0]  # no trial of the recipe is fitted on queries: embedding them would be for nothing
    return QuerySplit(select, rest, holdout=True, fit=left if len(left) >= FEWEST_FIT_QUERIES else left[:0])


def texts_fingerprint(texts: list[str]) -> str:
    """SHA-256 over texts in their order, each with its length, so that no two lists share a hash by joining."""
    digest = hashlib.sha256()
    for text in texts:
        blob = text.encode()
        digest.update(len(blob).to_bytes(8, "little"))
        digest.update(blob)
    return digest.hexdigest()


def _queries_to_json(queries: Queries) -> dict[str, Any]:
    return {
        "ids": list(queries.ids),
        "texts": list(queries.texts),
        "qrels": {name: dict(scores) for name, scores in (queries.qrels or {}).items()},
        "source": queries.source,
    }


def _queries_from_json(stored: Mapping[str, Any]) -> Queries:
    return Queries(tuple(stored["ids"]), tuple(stored["texts"]), stored["qrels"], synthetic=True,
                   source=stored["source"])  # fmt: skip
