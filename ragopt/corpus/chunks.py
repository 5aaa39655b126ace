"""Chunks on disk: written once while the documents stream by, read back by row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ragopt.artifacts import canonical_json, storage_errors
from ragopt.corpus.splitting import ChunkOptions, TextSplitter
from ragopt.errors import ArtifactError, InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from ragopt.corpus.records import Document

__all__ = ["ChunkOptions", "ChunkSummary", "Chunks", "write_chunks"]

CHUNKS_FILE = "chunks.parquet"
DUPLICATES_FILE = "duplicates.parquet"
EMPTY_FILE = "empty.parquet"
SUMMARY_FILE = "summary.json"

GROUP_ROWS = 8_192
GROUP_BYTES = 16_000_000
"""A row group is what a reader holds in memory; whichever of the two limits comes first ends it."""

BATCH_DOCUMENTS = 256
BATCH_CHARACTERS = 4_000_000
"""Documents that are cut together, so that the tokenizer uses every core."""

DIGEST_BYTES = 16
"""128 bits: at 10^9 chunks the chance of one wrong match is below 10^-20."""


@dataclass(frozen=True, slots=True)
class ChunkSummary:
    """What became of a corpus.

    Attributes:
        n_documents: documents read.
        n_chunks: chunks kept, each with another text.
        n_duplicates: chunks left out because an earlier chunk has the same title and text.
        n_empty: documents without title and text; not indexed.
        text_bytes: UTF-8 bytes of the kept chunks as they are embedded.
    """

    n_documents: int
    n_chunks: int
    n_duplicates: int
    n_empty: int
    text_bytes: int


def embed_text(title: str, text: str) -> str:
    """Join title and text as they are embedded: one space between them, none at the ends (BEIR's form).

    >>> embed_text("", "Only text.")
    'Only text.'
    """
    return f"{title} {text}".strip()


def write_chunks(
    documents: Iterable[Document],
    folder: Path,
    *,
    options: ChunkOptions,
    tokenizer: Tokenizer | None,
    progress: Callable[[int, int], None] | None = None,
) -> ChunkSummary:
    """Cut documents into chunks and write them, with memory bounded but for 16 bytes per distinct chunk.

    `folder` gets `chunks.parquet` (chunk_id, document_id, position int32, title, text), `duplicates.parquet` (row int64
    of the kept chunk, document_id of the one left out), `empty.parquet` (document_id) and `summary.json`.

    Args:
        documents: ids must be unique, as `read_documents` makes sure.
        folder: an existing folder.
        options: chunk size, or None for whole documents, whose chunk id is then the document's id.
        tokenizer: the embedding model's own; may be None when documents stay whole.
        progress: called with (documents done, 0): the total is not known while streaming.

    Raises:
        InputError: no document, or none with a text; no tokenizer to cut by.
        StorageError: the disk is full or the folder cannot be written.
    """
    splitter = _splitter(options, tokenizer)
    with storage_errors(folder), _Writer(folder) as writer:
        for batch in _batches(documents):
            texts = [document.text for document in batch]
            pieces = splitter.split(texts) if splitter else None
            for number, document in enumerate(batch):
                writer.add(document, None if pieces is None else pieces[number])
            if progress:
                progress(writer.n_documents, 0)
        summary = writer.summary()
        _refuse_empty(summary)
    with storage_errors(folder):
        (folder / SUMMARY_FILE).write_text(canonical_json(asdict(summary)), encoding="utf-8")
    return summary


def _splitter(options: ChunkOptions, tokenizer: Tokenizer | None) -> TextSplitter | None:
    if options.chunk_tokens is None:
        return None
    if tokenizer is None:
        raise InputError(
            f"Cannot cut documents into chunks of {options.chunk_tokens} tokens: the model brings no tokenizer",
            next_step="Keep documents whole with --no-chunk",
        )
    return TextSplitter(tokenizer, chunk_tokens=options.chunk_tokens, chunk_overlap=options.chunk_overlap)


def _refuse_empty(summary: ChunkSummary) -> None:
    if summary.n_documents == 0:
        raise InputError("The corpus is empty: it has no documents", next_step="Name a folder or file with documents")
    if summary.n_chunks == 0:
        raise InputError(
            f"The corpus is empty: none of its {summary.n_documents:,} documents has a text",
            next_step="Name the right column with --text-column, or use files with a text layer",
        )


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    characters = 0
    for document in documents:
        batch.append(document)
        characters += len(document.text)
        if len(batch) >= BATCH_DOCUMENTS or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


class _Table:
    """A Parquet file that grows by row groups of bounded size."""

    def __init__(self, path: Path, columns: dict[str, str]) -> None:
        import pyarrow as pa  # noqa: PLC0415 - loaded when first used
        import pyarrow.parquet as pq  # noqa: PLC0415 - loaded when first used

        self._schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in columns.items()])
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[tuple[Any, ...]] = []
        self._bytes = 0

    def add(self, row: tuple[Any, ...], size_bytes: int = 0) -> None:
        self._rows.append(row)
        self._bytes += size_bytes
        if len(self._rows) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        import pyarrow as pa  # noqa: PLC0415 - loaded when first used

        if self._rows:
            columns = [pa.array(column, kind) for column, kind in zip(zip(*self._rows), self._schema.types)]  # noqa: B905 - one width
            self._writer.write_batch(pa.record_batch(columns, schema=self._schema), row_group_size=GROUP_ROWS)
            self._rows, self._bytes = [], 0

    def close(self) -> None:
        self._writer.close()


class _Writer:
    """Counts, finds duplicates and writes while documents are added."""

    def __init__(self, folder: Path) -> None:
        kinds = {"chunk_id": "string", "document_id": "string", "position": "int32", "title": "string"}
        self._chunks = _Table(folder / CHUNKS_FILE, kinds | {"text": "string"})
        self._duplicates = _Table(folder / DUPLICATES_FILE, {"row": "int64", "document_id": "string"})
        self._empty = _Table(folder / EMPTY_FILE, {"document_id": "string"})
        self._row_of: dict[bytes, int] = {}
        self.n_documents = self._n_duplicates = self._n_empty = self._text_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for table in (self._chunks, self._duplicates, self._empty):
            if kind is None:
                table.flush()
            table.close()

    def add(self, document: Document, pieces: Sequence[str] | None) -> None:
        self.n_documents += 1
        if not embed_text(document.title, document.text):
            self._n_empty += 1
            self._empty.add((document.id,))
        elif pieces is None:
            self._add_chunk(document.id, document, 0, document.text)
        else:
            for position, text in enumerate(pieces):
                self._add_chunk(f"{document.id}#{position}", document, position, text)

    def _add_chunk(self, chunk_id: str, document: Document, position: int, text: str) -> None:
        data = embed_text(document.title, text).encode()
        row = len(self._row_of)
        kept = self._row_of.setdefault(hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest(), row)
        if kept != row:
            self._n_duplicates += 1
            self._duplicates.add((kept, document.id))
            return
        self._text_bytes += len(data)
        self._chunks.add((chunk_id, document.id, position, document.title, text), len(data))

    def summary(self) -> ChunkSummary:
        return ChunkSummary(self.n_documents, len(self._row_of), self._n_duplicates, self._n_empty, self._text_bytes)


class Chunks:
    """The chunks that `write_chunks` left in a folder; a row is a chunk's number from 0.

    Not for use by several threads at once.
    """

    def __init__(self, folder: Path) -> None:
        """Open a folder. Raises ArtifactError when it does not hold whole chunks."""
        import pyarrow as pa  # noqa: PLC0415 - loaded when first used
        import pyarrow.parquet as pq  # noqa: PLC0415 - loaded when first used

        self._folder = Path(folder)
        try:
            fields = json.loads((self._folder / SUMMARY_FILE).read_text(encoding="utf-8"))
            self.summary = ChunkSummary(**fields)
            self._file = pq.ParquetFile(self._folder / CHUNKS_FILE)
        except (OSError, ValueError, TypeError, pa.ArrowInvalid) as error:
            raise self._damaged(str(error)) from error
        meta = self._file.metadata
        if meta.num_rows != self.summary.n_chunks:
            raise self._damaged(f"{meta.num_rows} rows where the summary says {self.summary.n_chunks}")
        sizes = (meta.row_group(number).num_rows for number in range(meta.num_row_groups))
        self._starts = [0, *accumulate(sizes)]
        self._group: tuple[int, list[str]] = (-1, [])

    def _damaged(self, why: str) -> ArtifactError:
        return ArtifactError(
            f"The chunks in {self._folder} are damaged: {why}",
            next_step=f"Delete that folder, then run again: rm -r {self._folder}",
        )

    @property
    def n_chunks(self) -> int:
        """Number of chunks, which is the number of vectors."""
        return self.summary.n_chunks

    def embed_texts(self, start: int, stop: int) -> list[str]:
        """Texts of rows `start` to `stop` (exclusive) as they are embedded: title, one space, text, stripped.

        Raises:
            IndexError: not 0 <= start <= stop <= n_chunks.
        """
        if not 0 <= start <= stop <= self.n_chunks:
            raise IndexError(f"rows {start} to {stop} of {self.n_chunks}")
        texts: list[str] = []
        for number, (first, end) in enumerate(zip(self._starts, self._starts[1:], strict=False)):
            if first < stop and start < end:
                texts.extend(self._texts_of_group(number)[max(start - first, 0) : stop - first])
        return texts

    def texts(self, rows: Sequence[int]) -> list[str]:
        """Texts of single rows, in the order asked for, as they are embedded."""
        return [self.embed_texts(row, row + 1)[0] for row in rows]

    def _texts_of_group(self, number: int) -> list[str]:
        if self._group[0] != number:
            table = self._file.read_row_group(number, columns=["title", "text"])
            pairs = zip(table["title"].to_pylist(), table["text"].to_pylist(), strict=True)
            self._group = (number, [embed_text(title, text) for title, text in pairs])
        return self._group[1]

    def records(self, batch_rows: int) -> Iterator[tuple[int, list[tuple[str, str, str, str]]]]:
        """Stream every row in order: number of the batch's first row; chunk id, document id, title, text of each."""
        names, first = ["chunk_id", "document_id", "title", "text"], 0
        for batch in self._file.iter_batches(batch_size=batch_rows, columns=names):
            columns = [batch.column(name).to_pylist() for name in names]
            yield first, list(zip(*columns, strict=True))
            first += batch.num_rows

    def titles(self) -> list[str]:
        """Title of every row's document; empty where it has none."""
        return self._column(CHUNKS_FILE, "title")

    def chunk_ids(self) -> list[str]:
        """Chunk id of every row."""
        return self._column(CHUNKS_FILE, "chunk_id")

    def document_ids(self) -> list[str]:
        """Document id of every row."""
        return self._column(CHUNKS_FILE, "document_id")

    def duplicates(self) -> dict[int, list[str]]:
        """Row of a kept chunk to the ids of the further documents that hold the same chunk."""
        owners = self.document_ids()
        found: dict[int, dict[str, None]] = {}
        rows = self._column(DUPLICATES_FILE, "row")
        for row, document_id in zip(rows, self._column(DUPLICATES_FILE, "document_id"), strict=True):
            if document_id != owners[row]:
                found.setdefault(row, {})[document_id] = None
        return {row: list(ids) for row, ids in found.items()}

    def all_document_ids(self) -> set[str]:
        """Ids of every document that was read, also those that are empty or only duplicates."""
        files = (CHUNKS_FILE, DUPLICATES_FILE, EMPTY_FILE)
        return {name for file in files for name in self._column(file, "document_id")}

    def _column(self, file: str, name: str) -> list[Any]:
        import pyarrow.parquet as pq  # noqa: PLC0415 - loaded when first used

        column: list[Any] = pq.read_table(self._folder / file, columns=[name])[name].to_pylist()
        return column
