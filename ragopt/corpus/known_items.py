"""Known-item queries: questions made from the corpus itself when nobody has written any.

The document that a query was made from is its one relevant document. What the query says is taken out of the indexed
text, else the search would find its own words. Such figures compare settings on one corpus; they do not say how well
real questions are answered, and are labelled wherever they appear. (For the idea: Azzopardi, de Rijke & Balog,
Building simulated queries for known-item topics, SIGIR 2007.)
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ragopt.corpus.queries import Queries
from ragopt.errors import InputError

if TYPE_CHECKING:
    from ragopt.corpus.records import Document

MIN_TITLE_WORDS = 3
"""A title of one or two words names a subject that many documents share."""

MIN_QUERY_WORDS = 4
MAX_QUERY_WORDS = 60
"""First sentences shorter than this say nothing ("See also."), longer ones are no sentences but tables or code."""

MIN_REST_WORDS = 20
"""With less text left, a document can hardly be found by what it says."""

OVERSAMPLING = 4
"""Candidates kept per query wanted: those that prove not to be unique are dropped at the end."""

HEAD_CHARACTERS = 2_000
"""A first sentence ends within this or is none."""

SENTENCE_END = re.compile(r"[.!?][\"')\]\u00bb\u201d\u2019]*(?=\s)|[\u3002\uff01\uff1f]|(?=\n[ \t]*\n)")
ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|cf|vs|etc|al|approx|Dr|Mr|Mrs|Ms|Prof|St|No|Fig|Eq|Sec|Vol)|\b[A-Z])\.$")

WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
"""A run of letters and digits, or one character of a script that puts no spaces between words."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    document_id: str
    query: str
    cut: int


class _Sample:
    """The candidates with the smallest seeded hash, whatever order they come in; knows which queries came twice."""

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._key = str(seed).encode()
        self._heap: list[tuple[int, _Candidate]] = []
        self._seen: set[int] = set()
        self._repeated: set[int] = set()

    def add(self, candidate: _Candidate) -> None:
        rank = self._rank(candidate.query)
        if rank in self._seen:
            self._repeated.add(rank)
            return
        self._seen.add(rank)
        item = (-rank, candidate)
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, item)
        elif item[0] > self._heap[0][0]:
            heapq.heapreplace(self._heap, item)

    def n_unique(self) -> int:
        """Number of queries that exactly one document gave."""
        return len(self._seen) - len(self._repeated)

    def unique(self, n_queries: int) -> list[_Candidate]:
        ranked = sorted(self._heap, key=lambda item: -item[0])
        return [candidate for rank, candidate in ranked if -rank not in self._repeated][:n_queries]

    def _rank(self, query: str) -> int:
        normal = " ".join(query.casefold().split()).encode()
        return int.from_bytes(hashlib.blake2b(normal, digest_size=16, key=self._key).digest(), "big")


def known_item_queries(
    documents: Iterable[Document], *, n_queries: int, seed: int
) -> tuple[Queries, Callable[[Document], Document]]:
    """Make queries from the corpus, by one rule for all of it.

    Titles, when at least half of the documents have a title of three or more words that no other document has: titles
    then leave every document's indexed text. Else first sentences: each leaves the text of the document it was taken
    from. Which documents are sampled depends on the seed and their words, not on their order.

    Args:
        documents: read once, streamed; memory holds the sample and some 100 bytes per document.
        n_queries: most queries to make.
        seed: of the sample.

    Returns:
        The queries, `synthetic`, and the function that maps each document to the form that must be indexed.

    Raises:
        InputError: fewer than two queries can be made, or fewer than two are asked for.
    """
    if n_queries < 2:
        raise InputError(f"--n-queries {n_queries} is too few", allowed="2 or more", next_step="Raise --n-queries")
    titles, sentences = (_Sample(n_queries * OVERSAMPLING, seed) for _ in range(2))
    n_documents = 0
    for document in documents:
        n_documents += bool(document.text.strip())
        if _words(document.title) >= MIN_TITLE_WORDS and _words(_without_title(document)):
            titles.add(_Candidate(document.id, " ".join(document.title.split()), 0))
        if sentence := _first_sentence(document):
            sentences.add(sentence)
    if n_documents and 2 * titles.n_unique() >= n_documents and titles.n_unique() >= 2:
        chosen = titles.unique(n_queries)
        return _queries(chosen, "titles, removed from every indexed text"), _index_without_title
    chosen = sentences.unique(n_queries)
    if len(chosen) < 2:
        raise InputError(
            f"Only {len(chosen)} known-item queries can be made from the {n_documents:,} documents",
            allowed=f"at least 2, from titles or from first sentences with {MIN_REST_WORDS} words after them",
            next_step="Name queries with --queries",
        )
    cuts = {candidate.document_id: candidate.cut for candidate in chosen}

    def index_without_sentence(document: Document) -> Document:
        cut = cuts.get(document.id)
        if cut is None:
            return document
        return replace(document, text=_without_title(document)[cut:].strip())

    return _queries(chosen, "first sentences, removed from the indexed text of their documents"), index_without_sentence


def _queries(chosen: list[_Candidate], rule: str) -> Queries:
    ids = tuple(f"known-item:{candidate.document_id}" for candidate in chosen)
    return Queries(
        ids=ids,
        texts=tuple(candidate.query for candidate in chosen),
        qrels={name: {candidate.document_id: 1} for name, candidate in zip(ids, chosen, strict=True)},
        synthetic=True,
        source=f"synthetic queries: {len(chosen):,} {rule}",
    )


def _index_without_title(document: Document) -> Document:
    return replace(document, title="", text=_without_title(document))


def _without_title(document: Document) -> str:
    """Return the text without the title that it may start with."""
    title, text = document.title.strip(), document.text.strip()
    head, rest = text[: len(title)], text[len(title) :]
    if title and head.casefold() == title.casefold() and not rest[:1].isalnum():
        return rest.lstrip(" \t\r\n.:;-\u2013\u2014")
    return text


def _first_sentence(document: Document) -> _Candidate | None:
    text = _without_title(document)
    head = text[:HEAD_CHARACTERS]
    for match in SENTENCE_END.finditer(head):
        sentence = head[: match.end()].strip()
        if not sentence or ABBREVIATION.search(sentence):
            continue
        fits = MIN_QUERY_WORDS <= _words(sentence) <= MAX_QUERY_WORDS
        if fits and _words(text[match.end() :]) >= MIN_REST_WORDS:
            return _Candidate(document.id, " ".join(sentence.split()), match.end())
        return None
    return None


def _words(text: str) -> int:
    return sum(1 for _ in WORD.finditer(text))
