"""What the corpus room reads and hands on: documents and the options of their readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MetadataValue = str | int | float | bool
"""What a filter can compare: text, a whole number of 64 bits with sign, a finite number, true or false."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document as the user keeps it, before it is cut into chunks.

    Attributes:
        id: unique in its corpus; the name that judgements use.
        title: empty when the source has none.
        text: plain text, markup stripped, paragraphs kept apart by an empty line.
        metadata: what else the source says of it, as `metadata_of` gives it; empty when there is nothing or when it was
            not asked for. No part of the text: it is neither embedded nor stored with chunks.
    """

    id: str
    title: str
    text: str
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict, hash=False)


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
