"""Anonymous memory of this process: what it allocated itself, without mapped files."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from pathlib import Path
from types import TracebackType

from ragopt.errors import RagoptError

STATUS_FILE = Path("/proc/self/status")

SAMPLE_SECONDS = 0.05
"""Short beside the building of an index, long beside the reading of one small file of the kernel."""


def anonymous_bytes() -> int:
    """Resident anonymous memory of this process in bytes.

    `RssAnon` of /proc/self/status (Linux 4.5 and later, proc_pid_status(5)). A system without that line has no such
    figure; there it is the peak resident size (getrusage(2), `ru_maxrss`), which is never less.

    Raises:
        RagoptError: the system gives neither figure.
    """
    if STATUS_FILE.exists():
        for line in STATUS_FILE.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return _peak_resident_bytes()


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


class PeakAnonymous:
    """Watch the anonymous memory while a block runs.

    >>> with PeakAnonymous() as peak:
    ...     block = bytearray(1000)
    >>> peak.peak_bytes > 0
    True
    """

    def __init__(self) -> None:
        """Prepare; sampling starts with the block."""
        self.peak_bytes = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> PeakAnonymous:  # noqa: PYI034 - typing.Self would say no more
        """Take the first sample and start the thread."""
        self.peak_bytes = anonymous_bytes()
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

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        self.peak_bytes = max(self.peak_bytes, anonymous_bytes())
