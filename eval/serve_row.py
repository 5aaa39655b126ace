"""What every served row can do: build and save, open, take a setting, answer one query or a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from frontier_peer import folder_bytes
from serve_data import K

if TYPE_CHECKING:
    from pathlib import Path

    from frontier_peer import Knob, Setting
    from numpy.typing import NDArray

M = 16
"""Links of every graph, twice as many on the lowest level: hnswlib's and usearch's own default."""

EF_CONSTRUCTION = 200
"""Of every graph, hnswlib's default: FAISS's 40 and usearch's 128 build worse graphs, and their rows would search more
for the same recall."""


class Row:
    """One row; subclasses override all methods that raise.

    Attributes:
        name: for --only and for files.
        label: library and configuration, for the table.
        note: what a reader has to know beside the figures.
        modules: imported before the baseline of memory is read.
        distributions: whose versions are reported.
        knobs: outermost first; whole numbers, chosen on the choosing queries.
        rescoring_files: glob of mapped files that only rescoring reads.
    """

    name: str
    label: str
    note: str = ""
    modules: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()
    knobs: tuple[Knob, ...] = ()
    rescoring_files: str = ""

    def build(self, corpus: NDArray[Any], folder: Path) -> dict[str, Any]:
        """Build over float32 (n, dim) unit rows with all threads and save; returns details to report."""
        raise NotImplementedError

    def open(self, folder: Path, dim: int) -> None:
        """Open what `build` saved, as a service does."""
        raise NotImplementedError

    def use(self, setting: Setting) -> None:
        """Set the knobs, once and not per query."""
        raise NotImplementedError

    def answer(self, query: NDArray[Any]) -> Any:
        """Search one query, float32 (1, dim), and return what the library returns; this is what is timed."""
        raise NotImplementedError

    def rows_of(self, answer: Any) -> NDArray[Any]:
        """Corpus rows of what `answer` or `answer_batch` returned, integers (n_queries, K)."""
        raise NotImplementedError

    def answer_batch(self, queries: NDArray[Any], n_threads: int) -> Any:
        """Search float32 (m, dim) the way the library does batches."""
        raise NotImplementedError

    def rescoring_range(self) -> tuple[int, int] | None:
        """Address and length of a rescoring tier that shares a mapped file with the codes."""
        return None

    def file_bytes(self, folder: Path) -> int:
        """Bytes of all files that serving reads."""
        return folder_bytes(folder)

    def label_of(self, folder: Path) -> str:
        """Label for the table, known at the latest when the row is built."""
        _ = folder
        return self.label


__all__ = ["EF_CONSTRUCTION", "K", "M", "Row"]
