"""The vector store: every text embedded once, read back in blocks or by row without loading all."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.embed.row_file import read_exactly, read_rows
from ragopt.embed.stored_rows import stored_rows
from ragopt.embed.vector_file import BYTES_PER_VALUE, INFO_FILE, VECTORS_FILE, Progress, write_vectors
from ragopt.errors import ArtifactError, InputError
from ragopt.units import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from ragopt.artifacts import ArtifactStore
    from ragopt.embed.embedder import Embedder, Role
    from ragopt.records import Metric

MOST_MAPPED_BYTES = 256 * MIB
"""Vectors of up to so many bytes are mapped into memory, which is the fastest; of larger files the pages that were
touched would count as this process's memory until the kernel wants them back, so those are read."""

BLOCK_ROWS = 4096
"""What a kill may lose: 6 MB of 384 dimensions, a second of wordllama, minutes of a transformer on a CPU."""

TEXTS_PER_CALL = 256
"""Texts handed at once to a model that does not name its own number as `texts_per_call`, so that progress moves within
a block; a multiple of the usual batch of 32."""

TEXT_SHOWN_CHARS = 60  # enough to find the text, short enough for one line


class Vectors:
    """Stored vectors, read side: float32 rows in one file, of unit length when stored for cosine.

    Attributes:
        n: number of vectors.
        dim: dimension.
        fingerprint: SHA-256 of the raw little-endian float32 rows, in hexadecimal.
    """

    def __init__(self, path: Path, *, n: int, dim: int, fingerprint: str) -> None:
        """Read from `path`, which holds exactly n x dim float32 values."""
        self.path = path
        self.n = n
        self.dim = dim
        self.fingerprint = fingerprint

    def __repr__(self) -> str:
        """Show shape and place."""
        return f"Vectors(n={self.n}, dim={self.dim}, path={str(self.path)!r})"

    @classmethod
    def open(cls, folder: Path) -> Vectors:
        """Open a finished artifact.

        Raises:
            ArtifactError: its file is missing or has another length than recorded.
        """
        path = folder / VECTORS_FILE
        try:
            info = json.loads((folder / INFO_FILE).read_text(encoding="utf-8"))
            found = path.stat().st_size
            expected = info["n"] * info["dim"] * BYTES_PER_VALUE
            vectors = cls(path, n=info["n"], dim=info["dim"], fingerprint=info["sha256"])
        except (FileNotFoundError, KeyError, ValueError) as error:
            raise ArtifactError(
                f"The stored vectors {folder} are damaged: {error}", next_step=f"Delete that folder: rm -r {folder}"
            ) from error
        if found != expected:
            raise ArtifactError(
                f"The stored vectors {path} have {found} bytes instead of {expected}",
                next_step=f"Delete that folder: rm -r {folder}",
            )
        return vectors

    def blocks(self, block_rows: int = 16384, *, first_row: int = 0) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Read everything once, in order.

        Args:
            block_rows: rows per block; the last one may be shorter.
            first_row: where to begin.

        Yields:
            The first row's number and a float32 (rows, dim) block that is the caller's to keep.
        """
        # Plain reads instead of a memory map: mapped pages would count as this process's resident memory.
        with self.path.open("rb", buffering=0) as handle:
            for first in range(first_row, self.n, block_rows):
                rows = min(block_rows, self.n - first)
                block = np.empty((rows, self.dim), dtype=np.float32)
                read_exactly(handle.fileno(), block, first * self.dim * BYTES_PER_VALUE, self.path)
                yield first, block
                del block  # before the next one is made: a caller that keeps none never holds two

    @property
    def is_small(self) -> bool:
        """Whether all vectors may be mapped at once."""
        return self.n * self.dim * BYTES_PER_VALUE <= MOST_MAPPED_BYTES

    def reader(self) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
        """Give a function that returns the vectors of some rows, float32 (m, dim): mapped if small, else read."""
        return functools.partial(np.take, self.mapped(), axis=0) if self.is_small else self.rows

    def mapped(self) -> NDArray[np.float32]:
        """Map all vectors as one read-only float32 (n, dim) array, which FAISS scans without a copy."""
        return np.asarray(np.memmap(self.path, dtype=np.float32, mode="r", shape=(self.n, self.dim)))

    def rows(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read some rows, in the order asked for; a row may be asked for more than once.

        Args:
            rows: int64 (m,), each from 0 to n - 1; never changed.

        Returns:
            float32 (m, dim).

        Raises:
            IndexError: a row number lies outside 0 to n - 1.
        """
        wanted, place = np.unique(np.asarray(rows, dtype=np.int64), return_inverse=True)
        if wanted.size and (wanted[0] < 0 or wanted[-1] >= self.n):
            outside = wanted[0] if wanted[0] < 0 else wanted[-1]
            raise IndexError(f"Row {outside} lies outside 0 to {self.n - 1}")
        with self.path.open("rb", buffering=0) as handle:
            found = read_rows(handle.fileno(), self.dim, wanted, self.path)
        place = place.reshape(-1)
        # A copy of a training sample would be the peak of a build.
        return found if np.array_equal(place, np.arange(len(found))) else found[place]


def vectors_recipe(
    embedder: Embedder, *, texts_fingerprint: str, n_texts: int, role: Role, metric: Metric
) -> dict[str, Any]:
    """Everything that stored vectors depend on, for `embed_to_store`.

    Args:
        embedder: whose `identity` goes in.
        texts_fingerprint: a hash over all texts in their order.
        n_texts: number of texts.
        role: documents and queries differ when the model has prompts.
        metric: cosine stores unit vectors.
    """
    return {
        "kind": "vectors",
        "format": 1,
        "embedder": dict(embedder.identity),
        "texts": texts_fingerprint,
        "n_texts": n_texts,
        "role": role,
        "metric": metric,
    }


def embed_to_store(  # noqa: PLR0913 - one value each for what, by which model, and how
    store: ArtifactStore,
    recipe: Mapping[str, Any],
    *,
    n_texts: int,
    texts: Callable[[int, int], list[str]],
    embedder: Embedder,
    role: Role,
    metric: Metric,
    block_rows: int = BLOCK_ROWS,
    progress: Progress | None = None,
) -> Vectors:
    """Embed texts once at full dimension; a second call with this recipe embeds nothing.

    Blocks are flushed one by one, so a kill loses at most one block and the next call goes on after the last whole
    one. Within a block texts go to the model longest first, which wastes the least padding.

    Args:
        store: where artifacts lie.
        recipe: what makes these vectors; see `vectors_recipe`.
        n_texts: number of texts, at least 1.
        texts: gives the texts from a first row up to, not including, a last one.
        embedder: the model.
        role: whether the texts are documents or queries.
        metric: `cosine` stores every row at unit length.
        block_rows: texts per block.
        progress: called with (texts done, n_texts).

    Returns:
        The stored vectors, n_texts x embedder.dim.

    Raises:
        InputError: there is no text, a text cannot be encoded, or its vector is NaN, infinite or (cosine) zero.
        EmbeddingServiceError: a remote model failed after every retry; finished blocks are kept.
        StorageError: the disk is full or cannot be written.
        ArtifactError: what is stored under this recipe has another shape.
    """
    if n_texts < 1:
        raise InputError(f"There is no {role} to embed", next_step=f"Give at least one {role}")
    work = _Embedding(texts, n_texts, embedder, role, metric, block_rows, progress or (lambda _done, _total: None))
    vectors = Vectors.open(write_vectors(store, recipe, dim=embedder.dim, blocks_from=work.blocks_from))
    if (vectors.n, vectors.dim) != (n_texts, embedder.dim):
        raise ArtifactError(
            f"The stored vectors {vectors.path} are {vectors.n} x {vectors.dim}, not {n_texts} x {embedder.dim}",
            next_step=f"Delete that folder: rm -r {vectors.path.parent}",
        )
    if progress:
        progress(n_texts, n_texts)
    return vectors


class _Embedding:
    """One pass of a model over texts, block by block from any row on."""

    def __init__(  # noqa: PLR0913, PLR0917 - carries the arguments of embed_to_store
        self,
        texts: Callable[[int, int], list[str]],
        n_texts: int,
        embedder: Embedder,
        role: Role,
        metric: Metric,
        block_rows: int,
        progress: Progress,
    ) -> None:
        self.texts = texts
        self.n_texts = n_texts
        self.embedder = embedder
        self.embed = embedder.embed_queries if role == "query" else embedder.embed_documents
        self.role = role
        self.metric = metric
        self.block_rows = block_rows
        self.progress = progress

    def blocks_from(self, first_row: int) -> Iterator[NDArray[np.float32]]:
        self.progress(first_row, self.n_texts)
        for first in range(first_row, self.n_texts, self.block_rows):
            block = self.texts(first, min(first + self.block_rows, self.n_texts))
            _check_encodable(block, first, self.role)

            def describe(row: int, first: int = first, block: list[str] = block) -> str:
                return _describe(block[row], first + row, self.role)

            yield stored_rows(self._embed_block(first, block), self.metric, describe=describe)

    def _embed_block(self, first: int, block: list[str]) -> NDArray[np.float32]:
        longest_first = sorted(range(len(block)), key=lambda row: -len(block[row]))
        result = np.empty((len(block), self.embedder.dim), dtype=np.float32)
        step = getattr(self.embedder, "texts_per_call", TEXTS_PER_CALL)
        for start in range(0, len(block), step):
            batch = longest_first[start : start + step]
            vectors = self.embed([block[row] for row in batch])
            if vectors.shape != (len(batch), self.embedder.dim):
                raise InputError(
                    f"The model {self.embedder.name} gave an array of shape {vectors.shape} for {len(batch)} texts",
                    allowed=f"shape ({len(batch)}, {self.embedder.dim})",
                    next_step="Use another model",
                )
            result[batch] = vectors
            self.progress(first + start + len(batch), self.n_texts)
        return result


def _describe(text: str, row: int, role: Role) -> str:
    shown = text[:TEXT_SHOWN_CHARS]
    return f"{role} {row} (counting from 0), which starts {shown!r},"


def _check_encodable(block: list[str], first: int, role: Role) -> None:
    """Refuse half of a surrogate pair, which JSON escapes can smuggle in and no tokenizer takes."""
    for row, text in enumerate(block):
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise InputError(
                    f"The text of {_describe(text, first + row, role)} cannot be written as UTF-8: {error.reason}",
                    next_step="Repair or remove that text",
                ) from error
