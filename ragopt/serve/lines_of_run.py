"""The lines of a run's corpus, in the order of its vectors, with the metadata of their documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ragopt.corpus.documents import read_documents
from ragopt.corpus.metadata import ColumnKind, columns_of_metadata
from ragopt.serve.table import BATCH_LINES, Line, filterable

if TYPE_CHECKING:
    from ragopt.corpus.chunks import Chunks
    from ragopt.corpus.records import MetadataValue
    from ragopt.serve.run_material import RunMaterial

SAME_TEXT = "="
"""Between a document's id and the id of the chunk that holds its text, in the id of a line of equal text: `b=a#0`."""


def metadata_columns(material: RunMaterial) -> dict[str, ColumnKind]:
    """Columns to filter by, with their kinds: one pass over the documents."""
    if material.corpus is None:
        return {}
    settings = material.settings
    kinds = columns_of_metadata(
        document.metadata for document in read_documents(settings.corpus or "", settings.read, with_metadata=True)
    )
    return {name: kinds[name] for name in filterable(kinds)}


def lines_of_run(material: RunMaterial) -> Iterator[list[Line]]:
    """Lines in batches: first those of every row in order, then those of documents whose text another one has.

    Documents are streamed a second time beside their chunks, so that metadata is never held for all of them; only that
    of documents with duplicates waits for the end.
    """
    if material.corpus is None:
        rows = range(len(material.vector_ids))
        for start in rows[::BATCH_LINES]:
            some = material.vector_ids[start : start + BATCH_LINES]
            yield [Line(start + number, name, name, "", "") for number, name in enumerate(some)]
        return
    chunks = material.corpus.chunks
    duplicates = chunks.duplicates()
    waiting = {name for names in duplicates.values() for name in names}
    metadata: dict[str, Mapping[str, MetadataValue]] = {}
    kept: dict[int, Line] = {}
    for batch in _rows_in_order(chunks, material, waiting, metadata):
        kept |= {line.row: line for line in batch if line.row in duplicates}
        yield batch
    copies = [
        Line(row, f"{name}{SAME_TEXT}{kept[row].id}", name, kept[row].title, kept[row].text, metadata.get(name, {}))
        for row, names in duplicates.items()
        for name in names
    ]
    for start in range(0, len(copies), BATCH_LINES):
        yield copies[start : start + BATCH_LINES]


def _rows_in_order(
    chunks: Chunks, material: RunMaterial, waiting: set[str], metadata: dict[str, Mapping[str, MetadataValue]]
) -> Iterator[list[Line]]:
    settings = material.settings
    documents = iter(read_documents(settings.corpus or "", settings.read, with_metadata=True))
    current, own = None, {}
    for start, records in chunks.records(BATCH_LINES):
        batch = []
        for number, (chunk_id, document_id, title, text) in enumerate(records):
            while document_id != current:
                document = next(documents)
                current, own = document.id, dict(document.metadata)
                if current in waiting:
                    metadata[current] = own
            batch.append(Line(start + number, chunk_id, document_id, title, text, own))
        yield batch
    for document in documents:
        if document.id in waiting:
            metadata[document.id] = dict(document.metadata)
