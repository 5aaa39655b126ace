"""A folder of text files: which files count, in which order, and what each one says."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ragopt.corpus.markup import html_to_text, markdown_to_text
from ragopt.corpus.pdf import pdf_to_text
from ragopt.corpus.records import Document
from ragopt.corpus.restructured import rst_to_text
from ragopt.corpus.text_files import decode, read_bytes
from ragopt.errors import InputError

TEXT_SUFFIXES = (".txt", ".md", ".rst", ".html", ".pdf")

CONVERTERS: Mapping[str, Callable[[str], tuple[str, str]]] = {
    ".txt": lambda text: ("", text.strip()),
    ".md": markdown_to_text,
    ".rst": rst_to_text,
    ".html": html_to_text,
}
"""Suffix to a function from the file's text to (title, plain text)."""


RUN_FILES = frozenset({"trials.parquet", "recommendation.json"})
"""What marks a folder as one that a sweep wrote, even an unfinished one (`ragopt/sweep/run_folder.py`)."""


@dataclass(frozen=True, slots=True)
class FolderListing:
    """What a folder holds, searched recursively; hidden files and folders are left out.

    Attributes:
        text_files: files with a suffix of `TEXT_SUFFIXES`, sorted.
        parquet_files: `.parquet` files, sorted; empty when there are text files.
        n_ignored: files that are not read, by suffix (empty string: no suffix).
    """

    text_files: tuple[Path, ...]
    parquet_files: tuple[Path, ...]
    n_ignored: Mapping[str, int]


def list_folder(folder: Path) -> FolderListing:
    """List the files that `read_documents` reads from a folder, and count those that it ignores.

    Raises:
        InputError: nothing readable is in it; lists what was found.
    """
    files: dict[str, list[Path]] = {}
    for path in _walk(folder):
        files.setdefault(path.suffix.lower(), []).append(path)
    text_files = tuple(sorted(path for suffix in TEXT_SUFFIXES for path in files.get(suffix, [])))
    parquet_files = () if text_files else tuple(sorted(files.get(".parquet", [])))
    read = {".parquet"} if parquet_files else set(TEXT_SUFFIXES)
    n_ignored = Counter({suffix: len(paths) for suffix, paths in sorted(files.items()) if suffix not in read})
    if not text_files and not parquet_files:
        raise _nothing_readable(folder, n_ignored)
    return FolderListing(text_files, parquet_files, dict(n_ignored))


def _nothing_readable(folder: Path, n_ignored: Counter[str]) -> InputError:
    found = ", ".join(f"{count} {suffix or 'without suffix'}" for suffix, count in n_ignored.most_common(8))
    return InputError(
        f"Nothing in the folder {folder} can be read; found: {found or 'no files'}",
        allowed=f"{' '.join(TEXT_SUFFIXES)} or .parquet files, or a corpus.jsonl in BEIR layout",
        next_step="Name a .jsonl file itself, or convert the documents to one of these",
    )


def _walk(folder: Path) -> Iterator[Path]:
    """Yield regular files; each real folder is entered once, so that a symbolic link cannot make a loop."""
    entered: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        status = Path(place).stat()
        if (status.st_dev, status.st_ino) in entered:
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        if set(names) >= RUN_FILES:
            # A run folder that an earlier sweep left among the documents: its report is no document.
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if not name.startswith(".") and path.is_file():
                yield path


def read_folder(folder: Path, listing: FolderListing) -> Iterator[Document]:
    """Stream one document per text file; its id is the path relative to `folder`, with forward slashes."""
    for path in listing.text_files:
        yield read_text_file(path, path.relative_to(folder).as_posix())


def read_text_file(path: Path, document_id: str) -> Document:
    """Read one `.txt .md .rst .html .pdf` file as a document.

    Raises:
        InputError: not UTF-8, not a PDF, or a file name that is not UTF-8.
        MissingExtra: a PDF without pypdf.
    """
    try:
        document_id.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"The file name {os.fsencode(path)!r} is not UTF-8",
            allowed="file names in UTF-8: they are the document ids",
            next_step="Rename the file",
        ) from error
    data = read_bytes(path)
    suffix = path.suffix.lower()
    title, text = pdf_to_text(data, path) if suffix == ".pdf" else CONVERTERS[suffix](decode(data, path, offset=0))
    return Document(document_id, title, text)
