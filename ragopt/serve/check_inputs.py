"""New queries and documents of a check, from files or as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ragopt.corpus.documents import read_documents
from ragopt.corpus.queries import read_queries
from ragopt.corpus.records import ReadOptions
from ragopt.errors import InputError

if TYPE_CHECKING:
    from ragopt.corpus.records import Document


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


def documents_of(documents: str | Path | Iterable[Document] | None) -> tuple[list[Document] | None, str]:
    """New documents with a text, and what to call them.

    Args:
        documents: a source that `ragopt sweep` reads, or documents; None for none.

    Raises:
        InputError: a source that is missing or malformed.
    """
    if documents is None:
        return None, ""
    if isinstance(documents, str | Path):
        read = read_documents(str(documents), ReadOptions(), with_metadata=False)
        return [one for one in read if one.text.strip() or one.title.strip()], f"documents of {Path(documents).name}"
    return list(documents), "the new documents"
