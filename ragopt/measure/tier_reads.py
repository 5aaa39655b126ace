"""Single-search latency of a two-tier index: codes in RAM, rescoring tier read cold from the disk and warm from RAM."""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.errors import InputError, SpecError
from ragopt.index.build import set_search
from ragopt.index.saved import INDEX_FILE, open_index
from ragopt.measure.latency import MIN_TIMED, one_thread, time_searches
from ragopt.records import LatencyMs
from ragopt.units import MIB

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

PAGE = mmap.PAGESIZE

READ_BLOCK = 4 * MIB
"""Bytes read at once to bring the codes into the page cache: large enough for a disk, small beside any memory."""

RESIDENT_BIT = 1
"""The bit of each byte of mincore(2) that is defined; the others are reserved."""


@dataclass(frozen=True, slots=True)
class TierReads:
    """What a search costs when its rescoring tier is on the disk and when it is in RAM; codes are in RAM for both.

    Attributes:
        cold: each query with no page of the tier in RAM; None unless `cold_verified`.
        warm: the same queries with all that they read in RAM; None where it was not asked for.
        major_faults_per_query: pages that a cold query waited for, mean; None unless `cold_verified`.
        bytes_read_per_query: bytes that a cold query fetched from the disk, mean; None unless `cold_verified` or where
            the kernel does not say (``/proc/thread-self/io``).
        n_queries: queries timed, each once cold and once warm.
        cold_verified: whether the tier was seen to leave RAM before every cold query.
        reason: why there is no cold figure; empty when there is one.
    """

    cold: LatencyMs | None
    warm: LatencyMs | None
    major_faults_per_query: float | None
    bytes_read_per_query: float | None
    n_queries: int
    cold_verified: bool
    reason: str


@dataclass(frozen=True, slots=True)
class _Mapping:
    """One mapping of the index file in this process: addresses [start, stop) show the file from `offset`."""

    start: int
    stop: int
    offset: int


class _Tier:
    """The pages of the index file that hold the rescoring vectors and nothing else."""

    def __init__(self, path: Path, codes: Any) -> None:
        """Find the tier by the address of its codes in the mapping that FAISS made.

        Raises:
            SpecError: the codes are not mapped from the file, or fill no whole page.
        """
        self._path = path
        self._libc = ctypes.CDLL(None, use_errno=True)
        address, size = int(codes.data()), int(codes.size())
        own = next((m for m in _mappings(path) if m.start <= address and address + size <= m.stop), None)
        if own is None:
            raise SpecError(
                f"FAISS does not map the rescoring tier of {path} from the file",
                allowed="Refine(Flat), Refine(SQ8), Refine(SQfp16) and the like, opened by open_index on Linux",
                next_step="Measure another rescoring codec",
            )
        # Inward to whole pages: a page shared with the codes has to stay in RAM.
        self._start = -(-address // PAGE) * PAGE
        self._size = (address + size) // PAGE * PAGE - self._start
        if self._size <= 0:
            raise SpecError(
                f"The rescoring tier of {path} has {size} bytes and fills no whole page of {PAGE}",
                next_step="Measure an index of more vectors",
            )
        self._offset = self._start - own.start + own.offset

    def load_codes(self) -> None:
        """Read all of the file that is not tier into the page cache."""
        with self._path.open("rb") as handle:
            end = self._offset + self._size
            for start, stop in ((0, self._offset), (end, os.fstat(handle.fileno()).st_size)):
                handle.seek(start)
                for first in range(start, stop, READ_BLOCK):
                    handle.read(min(READ_BLOCK, stop - first))

    def drop(self) -> None:
        """Ask the kernel to forget the tier's pages; only `resident_pages` tells whether it did."""
        end = self._offset + self._size
        for mapping in _mappings(self._path):
            # Mapped pages stay in the page cache, so every mapping of this process lets go first.
            first, last = max(mapping.offset, self._offset), min(mapping.offset + mapping.stop - mapping.start, end)
            if first < last:
                self._madvise(mapping.start + first - mapping.offset, last - first, mmap.MADV_DONTNEED)
        descriptor = os.open(self._path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, self._offset, self._size, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)

    def resident_pages(self) -> int:
        """Count the tier's pages in RAM (mincore(2); a file of another owner counts as resident, Linux 5.2)."""
        pages = np.zeros(self._size // PAGE, np.uint8)
        status = self._libc.mincore(
            ctypes.c_void_p(self._start), ctypes.c_size_t(self._size), ctypes.c_void_p(pages.ctypes.data)
        )
        if status:
            raise _system_error("mincore", self._path)
        return int((pages & RESIDENT_BIT).sum())

    def _madvise(self, start: int, size: int, advice: int) -> None:
        if self._libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), ctypes.c_int(advice)):
            raise _system_error("madvise", self._path)


def tier_reads(
    folder: Path, search: str, project: Callable[[Vectors], Vectors], queries: Vectors, n_results: int,
    *, with_warm: bool = True,
) -> TierReads:  # fmt: skip
    """Time single searches with the rescoring tier on the disk, then with it in RAM.

    Before each cold query the tier's pages are dropped from the page cache, and mincore(2) has to find none of them
    left; the codes stay. FAISS maps the file with reading ahead off (MADV_RANDOM, 1.15.1), so a row is a page or two.
    A disk behind a hypervisor may keep in its own cache what this machine has dropped: cold is what this machine reads.

    Args:
        folder: where `save_index` wrote an index whose factory has a Refine part.
        search: FAISS search parameters, ``k_factor_rf=10`` for example.
        project: brings float32 (1, full dimension) query rows into the trial's space.
        queries: float32 (n_queries, full dimension), at least 2.
        n_results: neighbours that a search returns.
        with_warm: whether to time the searches with the tier in RAM too.

    Raises:
        InputError: fewer than 2 queries.
        SpecError: the index has no rescoring tier, or FAISS does not map it from the file.
        IndexFormatError: see `open_index`.

    Source: docs/method-forecast.md#cold-and-warm-rescoring.
    """
    import faiss  # noqa: PLC0415 - loaded when first used

    if len(queries) < MIN_TIMED:
        raise InputError(
            f"Cannot time cold reads with {len(queries)} queries",
            allowed=f"at least {MIN_TIMED} queries",
            next_step="Give more queries",
        )
    saved = open_index(folder)
    index: Any = faiss.downcast_index(saved.index)
    if not isinstance(index, faiss.IndexRefine):
        raise SpecError(
            f"{saved.trial} has no rescoring tier",
            allowed="a factory that ends in Refine(...)",
            next_step="Measure its latency with time_searches",
        )
    set_search(index, search)
    rescoring: Any = faiss.downcast_index(index.refine_index)
    tier = _Tier(folder / INDEX_FILE, rescoring.codes)

    def search_one(row: Vectors) -> object:
        return index.search(project(row), n_results)

    tier.load_codes()
    # A scan maps all codes into this process and wakes FAISS and the projection.
    time_searches(search_one, queries[:MIN_TIMED], warmup=0)
    cold, faults, bytes_read, reason = _cold(tier, search_one, queries)
    warm = None
    if with_warm:
        # Once untimed: the last drop has left the tier on the disk.
        time_searches(search_one, queries, warmup=0)
        warm = time_searches(search_one, queries, warmup=0).latency
    return TierReads(cold, warm, faults, bytes_read, len(queries), not reason, reason)


def _cold(
    tier: _Tier, search_one: Callable[[Vectors], object], queries: Vectors
) -> tuple[LatencyMs | None, float | None, float | None, str]:
    wall_ns = np.empty(len(queries), np.int64)
    faults, fetched = 0, 0
    with one_thread():
        for number, query in enumerate(queries):
            row = np.array(query[None], dtype=np.float32)
            tier.drop()
            if left := tier.resident_pages():
                return None, None, None, _not_cold(left)
            faults_before, fetched_before = _major_faults(), _bytes_read()
            began = time.perf_counter_ns()
            search_one(row)
            wall_ns[number] = time.perf_counter_ns() - began
            faults += _major_faults() - faults_before
            fetched += _bytes_read() - fetched_before
    if not faults:
        return None, None, None, "no search waited for the disk although the tier had left RAM"
    p50, p95, p99 = (float(value) for value in np.percentile(wall_ns / 1e6, [50, 95, 99]))
    # A container may hide the bytes; then they do not count up at all.
    bytes_per_query = fetched / len(queries) if fetched else None
    return LatencyMs(p50, p95, p99, len(queries)), faults / len(queries), bytes_per_query, ""


def _not_cold(left: int) -> str:
    return (
        f"{left} pages of the rescoring tier stay in RAM after the kernel was asked to drop them: the file lies in a "
        "memory file system, another process maps it, or this user may not see its pages"
    )


def _mappings(path: Path) -> list[_Mapping]:
    """Every mapping of a file in this process (proc_pid_maps(5)), told by its inode: a name may hold spaces."""
    status = path.stat()
    found = []
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        span, mode, offset, device, inode = line.split(maxsplit=5)[:5]
        major, minor = (int(part, 16) for part in device.split(":"))
        same = int(inode) == status.st_ino and os.makedev(major, minor) == status.st_dev
        # Only read-only mappings: dropping a private, changed one would lose its content.
        if same and "w" not in mode:
            start, stop = (int(part, 16) for part in span.split("-"))
            found.append(_Mapping(start, stop, int(offset, 16)))
    return found


def _major_faults() -> int:
    return resource.getrusage(resource.RUSAGE_THREAD).ru_majflt


def _bytes_read() -> int:
    """Bytes that this thread made the disk deliver (proc_pid_io(5)); always 0 where the kernel does not say."""
    try:
        lines = Path("/proc/thread-self/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("read_bytes:")), 0)


def _system_error(call: str, path: Path) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call} failed: {os.strerror(number)}", str(path))
