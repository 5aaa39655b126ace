"""What every compared row can do: build, open, search, and say where its bytes live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Setting = dict[str, int]
"""Value by knob name."""


@dataclass(frozen=True, slots=True)
class Knob:
    """A whole number that trades search time for recall: the peer's default and the most that is tried."""

    name: str
    default: int
    most: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes by the peer's own format.

    Attributes:
        ram_bytes_per_vector: codes, ids and links, which grow with the corpus.
        ram_fixed_bytes: codebooks, rotations, centroids.
        rescoring_bytes_per_vector: what rescoring reads, on a cheaper tier if the peer can keep it there.
        file_bytes: all files of the index together, rescoring tier included.
    """

    ram_bytes_per_vector: float
    ram_fixed_bytes: int
    rescoring_bytes_per_vector: float
    file_bytes: int


class Peer:
    """One row: subclasses override `build`, `open`, `search` and `sizes`.

    Attributes:
        name: of the row, for --only.
        label: the peer and its configuration, for the table.
        note: what a reader has to know beside the figures.
        modules: imported by the process whose memory is the baseline.
        distributions: whose versions are reported.
        knobs: outermost first; set by `open` at the latest.
        rescoring_files: glob of files that only rescoring reads.
    """

    name: str
    label: str
    note: str = ""
    modules: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()
    knobs: tuple[Knob, ...] = ()
    rescoring_files: str = ""

    def python(self, work: Path) -> str:
        """Interpreter that has the peer's packages."""
        import sys  # noqa: PLC0415 - loaded when first used

        _ = work
        return sys.executable

    def build(self, corpus: NDArray[Any], folder: Path) -> dict[str, Any]:
        """Build over float32 (n, dim) unit vectors into `folder`; returns details to report, often none."""
        raise NotImplementedError

    def open(self, folder: Path) -> None:
        """Open what `build` wrote."""
        raise NotImplementedError

    def search(self, queries: NDArray[Any], k: int, setting: Setting) -> NDArray[Any]:
        """Return int64 (n_queries, k) corpus rows, best first, -1 for none; one thread."""
        raise NotImplementedError

    def sizes(self, folder: Path, n: int, dim: int) -> Sizes:
        """Where the bytes of what `build` wrote live; called after `open`."""
        raise NotImplementedError

    def rescoring_range(self) -> tuple[int, int] | None:
        """Address and length of a rescoring tier that shares a mapped file with the codes."""
        return None

    def default(self) -> Setting:
        """Every knob at the peer's default."""
        return {knob.name: knob.default for knob in self.knobs}


def folder_bytes(folder: Path, pattern: str = "*") -> int:
    """Bytes of all files under a folder whose names match."""
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())
