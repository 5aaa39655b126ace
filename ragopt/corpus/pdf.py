"""Text of PDF files, by pypdf (extra `pdf`)."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path

from ragopt.corpus.text_files import drop_surrogates
from ragopt.errors import InputError, MissingExtra


def pdf_to_text(data: bytes, path: Path) -> tuple[str, str]:
    """Extract a PDF's title (from its metadata) and text, pages kept apart by an empty line.

    A scanned PDF has no text: the result is then empty and the document is counted as such.

    Raises:
        MissingExtra: pypdf is not installed.
        InputError: the file is damaged, or encrypted with a password.
    """
    try:
        from pypdf import PdfReader  # noqa: PLC0415 - loaded when first used
        from pypdf.errors import PyPdfError  # noqa: PLC0415 - loaded when first used
    except ImportError as error:
        raise MissingExtra.for_extra(f"Reading the PDF {path}", "pdf") from error

    # pypdf answers damaged objects with whatever Python error they provoke, next to its own kind.
    damage = (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, NotImplementedError)
    with _quiet():
        try:
            reader = PdfReader(io.BytesIO(data))
            title = (reader.metadata.title or "") if reader.metadata else ""
            pages = [page.extract_text().strip() for page in reader.pages]
        except (*damage, RecursionError) as error:
            raise InputError(
                f"Cannot read the PDF {path}: {type(error).__name__}: {error}",
                allowed="PDF files that are whole and need no password",
                next_step="Save it again without a password, or move it out of the folder",
            ) from error
    return drop_surrogates(str(title)).strip(), drop_surrogates("\n\n".join(page for page in pages if page))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep pypdf's notes about sloppy but readable files off standard error."""
    logger = logging.getLogger("pypdf")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
