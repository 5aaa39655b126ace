"""What the corpus room reads and hands on: documents and the options of their readers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """One document as the user keeps it, before it is cut into chunks.

    Attributes:
        id: unique in its corpus; the name that judgements use.
        title: empty when the source has none.
        text: plain text, markup stripped, paragraphs kept apart by an empty line.
    """

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Columns to read from JSONL and Parquet; None takes the usual names.

    Attributes:
        id_column: None means `_id`, else `id`.
        title_column: None means `title` where there is one, else no title.
        text_column: None means `text`.
    """

    id_column: str | None = None
    title_column: str | None = None
    text_column: str | None = None
