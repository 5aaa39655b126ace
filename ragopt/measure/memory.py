"""Memory of this process: what it allocated itself, and what of mapped files is resident."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from pathlib import Path
from types import TracebackType

from ragopt.embed.mapped_pages import advise_dont_need
from ragopt.errors import RagoptError
from ragopt.units import format_bytes

STATUS_FILE = Path("/proc/self/status")

CLEAR_FILE, MAPS_FILE = Path("/proc/self/clear_refs"), Path("/proc/self/maps")

SHARED_READ_ONLY = "r--s"
"""Of a mapping in /proc/self/maps (proc_pid_maps(5))."""

SAMPLE_SECONDS = 0.05
"""Short beside the building of an index, long beside the reading of one small file of the kernel."""


def anonymous_bytes() -> int:
    """Resident anonymous memory of this process in bytes.

    `RssAnon` of /proc/self/status (Linux 4.5 and later, proc_pid_status(5)). A system without that line has no such
    figure; there it is the peak resident size (getrusage(2), `ru_maxrss`), which is never less.

    Raises:
        RagoptError: the system gives neither figure.
    """
    return _status("RssAnon") or _peak_resident_bytes()


def _status(name: str) -> int:
    """A size of /proc/self/status in bytes; 0 where the system has none."""
    if STATUS_FILE.exists():
        for line in STATUS_FILE.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0


def resident_bytes() -> int:
    """Resident memory of this process now in bytes, mapped pages included; its peak where the system tells no more."""
    return _status("VmRSS") or _peak_resident_bytes()


def peak_resident_bytes() -> int:
    """Most resident memory of this process so far in bytes, mapped pages included.

    `VmHWM` of /proc/self/status (proc_pid_status(5)); `ru_maxrss` of getrusage(2) elsewhere.

    Raises:
        RagoptError: the system gives neither figure.
    """
    return _status("VmHWM") or _peak_resident_bytes()


def forget_peak() -> bool:
    """Let the kernel count the peak of resident memory from here on; False where it cannot.

    Writing 5 to /proc/self/clear_refs resets `VmHWM` (proc_pid_clear_refs(5), Linux 4.0).
    """
    try:
        CLEAR_FILE.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def release_mapped_pages(folder: Path) -> None:
    """Give the resident pages of mapped files below a folder back to the system; they are read again when needed.

    Only of shared read-only mappings, which lose nothing. No other thread may map or unmap files meanwhile. Nothing
    happens where the system shows no mappings (/proc/self/maps) or has no madvise(2).
    """
    try:
        lines = MAPS_FILE.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    root = f"{folder.resolve()}/"
    for line in lines:
        span, rights, _offset, _device, _inode, *name = line.split(maxsplit=5)
        # Shared and read-only, as FAISS and numpy map an index. A private one may be a library's: its pages are changed
        # once, while it is loaded, and would come back without that.
        if rights == SHARED_READ_ONLY and name and name[0].startswith(root):
            start, stop = (int(end, 16) for end in span.split("-"))
            advise_dont_need(start, stop)


def _peak_resident_bytes() -> int:
    import sys  # noqa: PLC0415 - loaded when first used

    try:
        import resource  # noqa: PLC0415 - loaded when first used
    except ImportError as error:
        raise RagoptError(
            f"Cannot read the memory of a process on {sys.platform}",
            allowed="systems with /proc/self/status or getrusage",
            next_step="Run on Linux or macOS",
        ) from error
    # macOS counts bytes, the others KiB: getrusage(2) of each.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def release_free_memory() -> None:
    """Give memory that was freed back to the system where the C library can (glibc, malloc_trim(3)).

    Arrays of a few megabytes leave holes in the heap, which otherwise count as this process's own for good.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class PeakMemory:
    """Watch the memory while a block runs.

    Attributes:
        anonymous_bytes: most that was sampled.
        resident_bytes: most by the kernel's own count; that of the whole process where the count cannot begin anew.

    >>> with PeakMemory() as peak:
    ...     block = bytearray(1000)
    >>> 0 < peak.anonymous_bytes <= peak.resident_bytes
    True
    """

    def __init__(self) -> None:
        """Prepare; sampling starts with the block."""
        self.anonymous_bytes = self.resident_bytes = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> PeakMemory:  # noqa: PYI034 - typing.Self would say no more
        """Take the first sample and start the thread."""
        forget_peak()
        self.anonymous_bytes = anonymous_bytes()
        self._stop.clear()
        self._thread = threading.Thread(target=self._watch, name="ragopt-memory", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the thread and take the last sample."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._sample()
        self.resident_bytes = peak_resident_bytes()

    def printed(self) -> str:
        """Both peaks in words."""
        resident = format_bytes(self.resident_bytes)
        return f"peak memory {format_bytes(self.anonymous_bytes)} anonymous, {resident} resident"

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        self.anonymous_bytes = max(self.anonymous_bytes, anonymous_bytes())
