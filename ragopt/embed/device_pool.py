"""One process per device, each with its own copy of a model, that embed a block of texts between them.

The library's own pool of processes (sentence-transformers 6.2) was tried first: when its parent is killed with -9 the
workers stay, with the device's memory, because each holds both ends of the queue that it waits on. Here each worker has
one end of its own pipe and watches its parent: either one's end is noticed at once.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
import weakref
from collections import deque
from multiprocessing import connection, get_context, parent_process
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.errors import RagoptError, WorkerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

    from numpy.typing import NDArray

    from ragopt.embed.embedder import Role
    from ragopt.embed.precision import Precision

    Rows = NDArray[np.int64]

JOBS_PER_DEVICE = 4
"""Parts of a call for each device: whichever is done takes the next, so devices wait for a quarter of their work at
most; more parts would be smaller than a batch."""

STOP_S = 5.0
"""Seconds that workers have to end by themselves: more than a full batch takes an H100 (0.4 s). One that is killed
leaves its locks to multiprocessing's resource tracker, which warns of them."""


class DevicePool:
    """Worker processes, one a device, that end with this object, with this process and when it is killed."""

    def __init__(self, model: str, devices: Sequence[str], precision: Precision | None) -> None:
        """Start the processes; they load the model while the first call waits.

        Args:
            model: folder or hub name.
            devices: torch devices, one process each.
            precision: of the weights; None leaves them as saved.
        """
        context = get_context("spawn")  # CUDA cannot be used in a forked process (torch.multiprocessing)
        self._devices = tuple(devices)
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        self.close = weakref.finalize(self, _close, self._pipes, self._processes)
        # Before multiprocessing, whose own end of things kills daemons: what is registered last is called first.
        atexit.register(self.close)
        # Side by side, each with as many threads as there are cores, they would take turns instead of sharing them.
        n_threads = max(1, (os.cpu_count() or 1) // len(devices))
        for device in devices:
            here, there = context.Pipe()
            process = context.Process(target=_work, args=(there, model, device, precision, n_threads), daemon=True)
            process.start()
            there.close()  # the worker's end: held here too, its death would not show
            self._pipes.append(here)
            self._processes.append(process)
        self._free: deque[int] = deque()  # workers that have loaded the model and wait
        self._one_call = threading.Lock()

    @property
    def process_ids(self) -> list[int]:
        """Process id of each device's worker."""
        return [process.pid for process in self._processes]

    def encode(self, texts: Sequence[str], role: Role, *, dim: int) -> NDArray[np.float32]:
        """Embed texts on all devices; calls of several threads wait for each other.

        Args:
            texts: any number.
            role: whether they are documents or queries.
            dim: of the vectors.

        Returns:
            float32 (n, dim).

        Raises:
            WorkerError: a worker process ended. The pool is closed.
            RagoptError: what a worker raised. The pool is closed.
        """
        # Longest first, so that the last parts, for which some device has to wait, are short ones.
        order = np.array(sorted(range(len(texts)), key=lambda row: -len(texts[row])), dtype=np.int64)
        jobs = deque(np.array_split(order, min(len(order), JOBS_PER_DEVICE * len(self._devices)) or 1))
        result = np.empty((len(texts), dim), dtype=np.float32)
        with self._one_call:
            try:
                self._run(jobs, lambda rows: ([texts[row] for row in rows.tolist()], role), result)
            except BaseException:  # also Ctrl-C: what the workers still send belongs to no later call
                self.close()
                raise
        return result

    def _run(self, jobs: deque[Rows], message_of: Callable[[Rows], object], result: NDArray[np.float32]) -> None:
        running: dict[int, Rows] = {}
        while jobs or running:
            while jobs and self._free:
                worker, rows = self._free.popleft(), jobs.popleft()
                self._send(worker, message_of(rows))
                running[worker] = rows
            for worker, vectors in self._arrived():
                if vectors is not None:
                    result[running.pop(worker)] = vectors
                self._free.append(worker)

    def _send(self, worker: int, message: object) -> None:
        try:
            self._pipes[worker].send(message)
        except OSError:
            raise self._ended(worker) from None

    def _arrived(self) -> list[tuple[int, NDArray[np.float32] | None]]:
        """Wait for messages; None is that of a worker that has just loaded the model."""
        found = []
        for pipe in connection.wait(self._pipes):
            worker = self._pipes.index(pipe)  # type: ignore[arg-type]
            try:
                message = self._pipes[worker].recv()
            except (EOFError, OSError):
                raise self._ended(worker) from None
            if isinstance(message, Exception):
                raise message
            found.append((worker, message))
        return found

    def _ended(self, worker: int) -> WorkerError:
        process = self._processes[worker]
        process.join(STOP_S)
        code = process.exitcode
        how = f"by signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"with exit code {code}"
        return WorkerError(
            f"The process that embeds on {self._devices[worker]} ended {how}",
            next_step=(
                "Run again: finished blocks are kept. If it was killed for memory, name one device, such as --device "
                f"{self._devices[0]}; in a script of your own, call ragopt under `if __name__ == '__main__':`"
            ),
        )


def _close(pipes: list[Connection], processes: list[Any]) -> None:
    for pipe in pipes:
        pipe.close()
    deadline = time.monotonic() + STOP_S
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()
        process.close()
    pipes.clear()
    processes.clear()


def _work(pipe: Connection, model: str, device: str, precision: Precision | None, n_threads: int) -> None:
    """What a worker does: load the model, then embed what comes until the other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the parent ends these
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from ragopt.embed.sentence_transformer import SentenceTransformerEmbedder  # noqa: PLC0415 - imports this file

    try:
        import torch  # noqa: PLC0415 - loaded when first used

        torch.set_num_threads(n_threads)
        embedder = SentenceTransformerEmbedder(model, devices=(device,), precision=precision)
        pipe.send(None)
        while True:
            texts, role = pipe.recv()
            embed = embedder.embed_queries if role == "query" else embedder.embed_documents
            pipe.send(embed(texts))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone or has closed the pool
    except RagoptError as error:
        pipe.send(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told to the user, by the parent
        pipe.send(_told(error, device))


def _end_with_parent() -> None:
    """End this process with its parent, also while a model loads or a batch is under way."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _told(error: Exception, device: str) -> WorkerError:
    lines = str(error).strip().splitlines() or [""]
    return WorkerError(
        f"Embedding on {device} failed: {type(error).__name__}: {lines[0].rstrip('.')}",
        next_step="Run again: finished blocks are kept. If it fails again, name another --device",
    )
