"""Documents on their way into an index: checked, cut, embedded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.corpus.chunks import embed_text
from ragopt.corpus.metadata import metadata_of
from ragopt.corpus.records import Document
from ragopt.corpus.splitting import TextSplitter
from ragopt.corpus.text_files import clean
from ragopt.embed.spaces import project
from ragopt.embed.stored_rows import embedded_rows
from ragopt.errors import InputError
from ragopt.serve.row_store import row_store
from ragopt.serve.table import Line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ragopt.serve.opened import Index


@dataclass(frozen=True, slots=True)
class NewRows:
    """What is going to be added; rows are numbered behind those that are there.

    Attributes:
        lines: one per row. vectors: float32 (n, full dimension), of unit length for cosine.
        projected: float32 (n, dim), the same in the trial's space. errors: float64 (n,) coding
            errors; empty where rows are kept whole.
    """

    lines: Sequence[Line]
    vectors: NDArray[np.float32]
    projected: NDArray[np.float32]
    errors: NDArray[np.float64]


def check_ids(documents: Sequence[Document]) -> None:
    """Refuse what is no document, and ids that are no text, empty, or come twice. Raises InputError."""
    seen = set()
    for document in documents:
        if not isinstance(document, Document):
            raise InputError(f"{str(document)[:60]!r} is no document", allowed="records of ragopt.Document",
                             next_step="Give ragopt.Document(id, title, text, metadata)")  # fmt: skip
        if not isinstance(document.id, str) or not document.id:
            raise InputError(f"{document.id!r} is no document id", allowed="text that is not empty",
                             next_step="Give every document an id")  # fmt: skip
        if document.id in seen:
            raise InputError(f"Two of the documents have the id {document.id!r}", allowed="ids that come once",
                             next_step="Remove or rename one of them")  # fmt: skip
        seen.add(document.id)


def prepared(index: Index, documents: Sequence[Document], *, split: bool) -> NewRows:
    """Cut and embed documents as the run did.

    Raises:
        InputError: a document without text, a text or a value of metadata that no file can store, or a vector that
            cannot be searched.
    """
    snapshot = index.snapshot
    manifest = snapshot.manifest
    trial, dim = manifest.parsed_trial, manifest.full_dim
    if not documents:
        return NewRows((), np.empty((0, dim), np.float32), np.empty((0, trial.space.dim), np.float32), np.empty(0))
    lines = _lines(index, documents, split=split)
    texts = [embed_text(line.title, line.text) for line in lines]
    vectors = embedded_rows(index.embedder.embed_documents(texts), (len(texts), dim), manifest.metric,
                            describe=lambda row: f"the chunk {lines[row].id!r}")  # fmt: skip
    projected = project(vectors, trial.space, rotation=snapshot.rotation, metric=manifest.metric)
    return NewRows(lines, vectors, projected, row_store(manifest.engine).coding_errors(snapshot, projected))


def _lines(index: Index, documents: Sequence[Document], *, split: bool) -> list[Line]:
    first, lines = index.manifest.n_rows, list[Line]()
    pieces = _pieces(index, [document.text for document in documents], split=split)
    for document, texts in zip(documents, pieces, strict=True):
        place = f"document {document.id!r}"
        for name, value in (("id", document.id), ("title", document.title), ("text", document.text)):
            clean(value, name, place)
        if not embed_text(document.title, document.text):
            raise InputError(f"The {place} has neither title nor text", allowed="documents with a text",
                             next_step="Leave it out")  # fmt: skip
        metadata = metadata_of(document.metadata, place)
        for position, text in enumerate(texts or [document.text]):
            name = document.id if texts is None else f"{document.id}#{position}"
            lines.append(Line(first + len(lines), name, document.id, document.title, text, metadata))
    return lines


def _pieces(index: Index, texts: Sequence[str], *, split: bool) -> Sequence[list[str] | None]:
    """Chunks of each text; None for one that stays whole."""
    options = index.manifest.chunk
    if not split or options.chunk_tokens is None:
        return [None] * len(texts)
    tokenizer: Any = index.embedder.tokenizer
    if tokenizer is None:
        raise InputError(
            f"The model {index.embedder.name} brings no tokenizer to cut documents by",
            next_step="Cut them yourself and add them with split=False",
        )
    splitter = TextSplitter(tokenizer, chunk_tokens=options.chunk_tokens, chunk_overlap=options.chunk_overlap)
    return list(splitter.split(texts))
