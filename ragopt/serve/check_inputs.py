"""What a check is given: new queries and documents, from files or as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ragopt.corpus.documents import read_documents
from ragopt.corpus.queries import read_queries
from ragopt.corpus.records import ReadOptions
from ragopt.devices import AUTO
from ragopt.errors import IndexFormatError, InputError
from ragopt.serve.new_rows import check_ids

if TYPE_CHECKING:
    from ragopt.bill.price_book import PriceBook
    from ragopt.corpus.records import Document
    from ragopt.embed.embedder import Embedder
    from ragopt.serve.manifest import Manifest


def questions_of(queries: str | Path | Sequence[str] | None) -> tuple[list[str] | None, str]:
    """Texts of new queries, and what to call them.

    Args:
        queries: a file of queries (`ragopt.corpus.queries`), or texts; None for none.

    Raises:
        InputError: a file that is missing or malformed, or something else than texts.
    """
    if queries is None:
        return None, ""
    if isinstance(queries, str | Path):
        found = read_queries(str(queries), None, corpus_source="")
        return list(found.texts) if found else [], f"queries of {Path(queries).name}"
    texts = list(queries)
    if not all(isinstance(text, str) for text in texts):
        raise InputError("The new queries hold something else than text", allowed="a file, or a list of questions",
                         next_step="Give questions as text")  # fmt: skip
    return texts, "the new queries"


@dataclass(frozen=True, slots=True)
class ToCheck:
    """What a check is given beside the folder.

    Attributes:
        questions: new queries, as text. queries_name: where they come from.
        documents: new documents, or a source of them that is read by the columns of the run's corpus.
        embed_again: whether texts of the table are embedded to find exact neighbours, where no vectors are kept.
        embedder: as in `ragopt.open`. model, device: likewise.
        book: prices of today. prices: a file of prices that replace all others; None for none.
    """

    book: PriceBook
    prices: Path | None = None
    questions: Sequence[str] | None = None
    queries_name: str = "the new queries"
    documents: Sequence[Document] | str | None = None
    embed_again: bool = False
    embedder: Embedder | None = None
    model: str | None = None
    device: str = AUTO

    @property
    def documents_name(self) -> str:
        """Where the documents come from, in words."""
        return f"documents of {Path(self.documents).name}" if isinstance(self.documents, str) else "the new documents"


def documents_of(given: ToCheck, manifest: Manifest) -> list[Document]:
    """New documents with a text.

    Args:
        given: with documents, or a source that `ragopt sweep` reads.
        manifest: of the folder, whose run read its corpus by columns of these names.

    Raises:
        InputError: a source that is missing or malformed, or holds nothing; ids that are none or come twice.
        IndexFormatError: the manifest's columns cannot be read.
    """
    if isinstance(given.documents, str):
        read = _read(given.documents, _columns(manifest))
        found = [one for one in read if one.text.strip() or one.title.strip()]  # a sweep leaves out the others too
    else:
        found = list(given.documents or ())
    if not found:
        raise InputError(f"{given.documents_name}: there is none with a text", allowed="one document or more",
                         next_step="Give documents that are not in the index")  # fmt: skip
    check_ids(found)
    return found


def _read(source: str, columns: ReadOptions) -> list[Document]:
    try:
        return list(read_documents(source, columns, with_metadata=False))
    except InputError as error:
        if "-column" not in error.next_step:
            raise
        by = ", ".join(f"{name} {one!r}" for name, one in asdict(columns).items() if one) or "the usual columns"
        next_step = f"Write it as the corpus of the run was written, which was read by {by}"
        raise InputError(error.failed, allowed=error.allowed, next_step=next_step) from error


def _columns(manifest: Manifest) -> ReadOptions:
    try:
        columns = ReadOptions(**manifest.about["check"]["read"])
        named = asdict(columns).values()
    except (KeyError, TypeError, ValueError) as error:
        raise IndexFormatError(f"The manifest's columns of the corpus cannot be read: {type(error).__name__}: {error}",
                               next_step="Build the index again") from error  # fmt: skip
    if not all(one is None or isinstance(one, str) for one in named):
        raise IndexFormatError(f"The manifest's columns of the corpus are {columns}", allowed="names",
                               next_step="Build the index again")  # fmt: skip
    return columns
