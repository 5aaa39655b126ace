"""Documents from whatever the user names: a folder, a file or `python-docs`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

from ragopt.artifacts import canonical_json
from ragopt.corpus.folder import TEXT_SUFFIXES, list_folder, read_folder, read_text_file
from ragopt.corpus.python_docs import PYTHON_DOCS, read_python_docs
from ragopt.corpus.records import Document, ReadOptions
from ragopt.corpus.tables import read_jsonl, read_parquet
from ragopt.corpus.text_files import unreadable
from ragopt.errors import InputError

__all__ = ["Document", "ReadOptions", "fingerprint_source", "is_beir_folder", "read_documents"]

BEIR_CORPUS = "corpus.jsonl"

SOURCES = f"{PYTHON_DOCS}, a folder, a .jsonl or .parquet file, or one {' '.join(TEXT_SUFFIXES)} file"

READER_VERSION = 1
"""Raise it when a reader gives other text for the same file: stored chunks are then made again."""

READ_BYTES = 1 << 20


def read_documents(source: str, options: ReadOptions, *, with_metadata: bool = True) -> Iterator[Document]:
    """Stream the documents of a source, in an order that does not change between runs.

    Args:
        source: `python-docs`; a folder in BEIR layout (with `corpus.jsonl`), of Parquet files or of text files
            (`.txt .md .rst .html .pdf`, searched recursively); a `.jsonl` or `.parquet` file; or one text file.
        options: columns of JSONL and Parquet.
        with_metadata: fill `Document.metadata` from the other columns of JSONL and Parquet. Without it,
            as in a sweep, they are neither read nor checked.

    Returns:
        An iterator of documents; texts may be empty. What is wrong with the source's name is raised at once, what is
        wrong in its files when the iterator reaches it.

    Raises:
        InputError: nothing there, nothing readable there, a file that is not UTF-8, a broken line, a missing column,
            an id that comes twice, a value that no metadata can hold.
        MissingExtra: a PDF without pypdf.
    """
    if source == PYTHON_DOCS:
        return iter(read_python_docs())
    path = _existing(source)
    if path.is_dir():
        return _read_folder(path, options, with_metadata=with_metadata)
    if path.suffix.lower() == ".jsonl":
        return read_jsonl(path, options, with_metadata=with_metadata)
    if path.suffix.lower() == ".parquet":
        return read_parquet([path], options, with_metadata=with_metadata)
    if path.suffix.lower() in TEXT_SUFFIXES:
        return iter([read_text_file(path, path.name)])
    raise InputError(
        f"Cannot read documents from {path}: unknown suffix {path.suffix!r}",
        allowed=SOURCES,
        next_step="Convert the file to one of these",
    )


def _read_folder(path: Path, options: ReadOptions, *, with_metadata: bool) -> Iterator[Document]:
    if is_beir_folder(path):
        return read_jsonl(path / BEIR_CORPUS, options, with_metadata=with_metadata)
    listing = list_folder(path)
    if listing.parquet_files:
        return read_parquet(listing.parquet_files, options, with_metadata=with_metadata)
    return read_folder(path, listing)


def is_beir_folder(path: Path) -> bool:
    """Tell whether a folder has BEIR's layout: a `corpus.jsonl` in it."""
    return (path / BEIR_CORPUS).is_file()


def fingerprint_source(source: str, options: ReadOptions) -> str:
    """SHA-256 that changes when the documents of a source may have changed.

    It covers the reader's version, the column options, each file's name relative to the source and its bytes, read in
    blocks; for `python-docs` it covers the documents themselves. The source's own place does not matter.

    Raises:
        InputError: as `read_documents`.
    """
    digest = hashlib.sha256(canonical_json([READER_VERSION, astuple(options)]).encode())
    if source == PYTHON_DOCS:
        for document in read_python_docs():
            # Without metadata: chunks do not hold any, and these have none.
            digest.update(canonical_json([document.id, document.title, document.text]).encode())
        return digest.hexdigest()
    path = _existing(source)
    for name, file in _files_of(path):
        size = 0
        digest.update(canonical_json([name]).encode())
        try:
            with file.open("rb") as handle:
                while block := handle.read(READ_BYTES):
                    size += len(block)
                    digest.update(block)
        except OSError as error:
            raise unreadable(file, error) from error
        # The length after each file keeps bytes from moving across a file's end unnoticed.
        digest.update(canonical_json([size]).encode())
    return digest.hexdigest()


def _files_of(path: Path) -> list[tuple[str, Path]]:
    if not path.is_dir():
        return [(path.suffix.lower() if path.suffix.lower() not in TEXT_SUFFIXES else path.name, path)]
    if is_beir_folder(path):
        return [(BEIR_CORPUS, path / BEIR_CORPUS)]
    listing = list_folder(path)
    files = listing.parquet_files or listing.text_files
    return [(file.relative_to(path).as_posix(), file) for file in files]


def _existing(source: str) -> Path:
    path = Path(source)
    # Path("") is the current folder, which nobody means by an empty name.
    if not source or not path.exists():
        raise InputError(
            f"There is no file or folder {source!r}",
            allowed=SOURCES,
            next_step=f"Check the path, or try the embedded corpus: ragopt sweep {PYTHON_DOCS}",
        )
    return path
