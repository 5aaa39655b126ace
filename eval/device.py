"""Time embedding, exact candidates, training, encoding and building on a device, beside FAISS on this machine's CPU.

    python eval/device.py [--device auto|cpu|cuda] [--sizes 1M,4M,10M] [--train-rows 65536] [--queries 1000]
        [--factories PQ48np 'IVF{nlist},PQ48np'] [--model FOLDER] [--texts 20000]

Makes clustered unit vectors on the device and holds them in this machine's memory (1.5 GB a million of 384); a size
that does not fit there is left out, and said so. Prints each stage and writes
eval/results/<date>-device-<name>.json after each size. Needs numpy, faiss, torch and ragopt; the embed stage
sentence-transformers too, else it says that it is skipped. Where FAISS sees a GPU (`faiss-gpu`), its own GPU code is
measured as well. Shares are of what is measured first: the device's rate of float32 matrix products and its copies from
page-locked memory. Without an accelerator it says so and measures the torch path on the CPU, with small sizes.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import os
import platform
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
import torch
from device_embed import embedded
from device_vectors import BLOCK_ROWS, DIM, clustered

from ragopt.devices import faiss_gpus
from ragopt.index.build import add_blocks, train_index
from ragopt.index.factory import parse_factory
from ragopt.index.faiss_gpu import faiss_gpu_trains, train_with_faiss_gpu
from ragopt.index.inner import inner_index
from ragopt.index.torch_encoding import TorchEncoder, add_with_torch
from ragopt.index.torch_training import train_with_torch
from ragopt.measure.device_neighbours import device_neighbours
from ragopt.measure.faiss_gpu_scan import GpuScan
from ragopt.measure.neighbours import MARGIN, Neighbours, exact_neighbours, recall_vs_exact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

K, N_CANDIDATES, NPROBE = 10, 500, 32
"""Candidates are 50 x K: where the estimate of a compressed search moves by under 0.1 point (ragopt's own rule)."""

HOST_SHARE = 1.3  # vectors, and the codes of two indexes, training samples and neighbours beside them
FACTORIES = ("PQ48np", "PQ96x4fs", "IVF{nlist},PQ48np", "IVF{nlist},PQ96x4fs")
OPQ_FACTORIES = ("OPQ48,PQ48np",)
"""By default on a GPU only: 240 rounds of k-means by torch on a CPU take minutes (378 s on two busy cores)."""

SIZES = {"cuda": "1M,4M,10M", "cpu": "20k"}
TRAIN_ROWS = {"cuda": 65_536, "cpu": 16_384}
N_TEXTS = {"cuda": 20_000, "cpu": 100}
"""By default: what an H100 does in minutes, and two cores in two."""

OPQ_SHARE = 4
"""OPQ trains from so many times fewer rows than the others, or it would take most of the script's time."""

DEVICE_BYTES = {"cuda": 0, "cpu": 8 << 20}
"""Bound on blocks and scores in training and encoding: half of what a GPU says is free, ragopt's own default; 8 MB stay
in a CPU's caches, a third faster than 64 MB (two cores)."""


def main() -> None:
    """Measure every size and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--sizes", help=f"rows; {SIZES['cuda']} on CUDA and {SIZES['cpu']} on a CPU by default")
    parser.add_argument("--train-rows", type=int, help="65,536 on CUDA and 16,384 on a CPU by default")
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--factories", nargs="+", help="{nlist} stands for about the root of rows")
    parser.add_argument("--model", default="", help="folder of a sentence-transformers model for the embed stage")
    parser.add_argument("--texts", type=int, help="texts of the embed stage; 0 leaves it out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    device = chosen(given.device)
    sizes = [rows_of(text) for text in (given.sizes or SIZES[device.type]).split(",")]
    given.train_rows = given.train_rows or TRAIN_ROWS[device.type]
    given.factories = given.factories or (FACTORIES if device.type == "cpu" else FACTORIES + OPQ_FACTORIES)
    about = machine(device)
    print(json.dumps(about), flush=True)
    rates = device_rates(device)
    print(json.dumps(rates), flush=True)
    n_texts = N_TEXTS[device.type] if given.texts is None else given.texts
    embed = embedded(given.model, n_texts, str(device), rates["matrix_flops"])
    print(json.dumps(embed), flush=True)
    result: dict[str, Any] = {
        "machine": about, "rates": rates, "dim": DIM, "n_queries": given.queries, "embed": embed, "sizes": [],
        "left_out": [],
    }  # fmt: skip
    name = "cpu" if device.type == "cpu" else re.sub(r"[^a-z0-9]+", "-", about["device"].lower()).strip("-")
    path = given.out / f"{dt.datetime.now(tz=dt.UTC).date()}-device-{name}.json"
    for n in sizes:
        needed, free = round(n * DIM * 4 * HOST_SHARE), available_bytes()
        if needed > free:
            result["left_out"].append({"n": n, "needs_bytes": needed, "free_bytes": free})
            print(json.dumps({"n": n, "left_out": f"{needed} bytes of memory are needed, {free} are free"}), flush=True)
        else:
            result["sizes"].append(Size(n, device, rates, given).measured())
        path.write_text(json.dumps(result, indent=1) + "\n")
    print(path)


def chosen(asked: str) -> torch.device:
    """The device, with a line when it is not an accelerator."""
    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise SystemExit("No CUDA device: torch sees none on this machine. Run with --device cpu")
    if asked == "cpu" or not there:
        why = "used" if there else "there: torch sees no CUDA device on this machine"
        print(f"No accelerator is {why}. The torch path is measured on the CPU", flush=True)
        return torch.device("cpu")
    return torch.device("cuda")


def available_bytes() -> int:
    """What this machine's memory can still take (MemAvailable of proc_meminfo(5))."""
    line = next(one for one in Path("/proc/meminfo").read_text().splitlines() if one.startswith("MemAvailable"))
    return int(line.split()[1]) * 1024


def rows_of(text: str) -> int:
    """Read 1M as 1,000,000 and 100k as 100,000."""
    return int(float(text[:-1]) * {"M": 10**6, "k": 10**3}[text[-1]]) if text[-1] in "Mk" else int(text)


def machine(device: torch.device) -> dict[str, Any]:
    """What the figures hold for."""
    cpuinfo = Path("/proc/cpuinfo")
    models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "cpu": models[0] if models else platform.machine(),
        "n_cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "faiss_threads": faiss.omp_get_max_threads(),
        "torch": torch.__version__,
        "faiss": faiss.__version__,
        "faiss_gpus": faiss_gpus(),
        "python": platform.python_version(),
    }


def settled(device: torch.device) -> float:
    """The time, once the device has done all that was queued."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def device_rates(device: torch.device) -> dict[str, float]:
    """Float32 matrix products in FLOP/s and copies to the device in bytes/s: the best of five."""
    side = 8192 if device.type == "cuda" else 2048
    left = torch.randn(side, side, device=device)
    host = torch.empty(256 << 20, dtype=torch.uint8, pin_memory=device.type == "cuda")
    there = torch.empty_like(host, device=device)
    seconds: dict[str, list[float]] = {"product": [], "copy": []}
    for _ in range(6):  # the first is not counted
        for name, work in (("product", lambda: left @ left), ("copy", lambda: there.copy_(host, non_blocking=True))):
            began = settled(device)
            work()
            seconds[name].append(settled(device) - began)
    return {
        "matrix_flops": 2 * side**3 / min(seconds["product"][1:]),
        "copy_bytes_per_second": host.numel() / min(seconds["copy"][1:]),
    }


class Size:
    """All stages over one number of vectors."""

    def __init__(self, n: int, device: torch.device, rates: dict[str, float], given: argparse.Namespace) -> None:
        """Make the vectors."""
        self._n, self._device, self._rates, self._given = n, device, rates, given
        self._memory_bytes = DEVICE_BYTES[device.type]
        self._stages: list[dict[str, Any]] = []
        began = settled(device)
        self._corpus, self._queries = clustered(n, given.queries, device=device, seed=given.seed)
        self._note("generate", "torch", n, settled(device) - began)

    def measured(self) -> dict[str, Any]:
        """Every stage and the recall of both paths."""
        exact = self._candidates()
        nlist = 2 ** round(math.log2(math.sqrt(self._n)))
        recalls = [self._built(text.format(nlist=nlist), exact) for text in self._given.factories]
        peak = torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else None
        return {"n": self._n, "stages": self._stages, "recalls": recalls, "peak_device_bytes": peak}

    def _blocks(self) -> Iterator[tuple[int, Vectors]]:
        return ((first, self._corpus[first : first + BLOCK_ROWS]) for first in range(0, self._n, BLOCK_ROWS))

    def _note(self, stage: str, by: str, items: int, seconds: float, **more: Any) -> None:
        """Print and keep one stage; `flop` and `bytes_in` become shares of the device's rates."""
        flop, bytes_in = more.pop("flop", None), more.pop("bytes_in", None)
        row = {"stage": stage, "by": by, "items": items, "seconds": round(seconds, 4),
               "items_per_second": round(items / seconds), **more}  # fmt: skip
        if by.startswith("torch") and flop:
            row["share_of_matrix_rate"] = round(flop / seconds / self._rates["matrix_flops"], 4)
        if by.startswith("torch") and bytes_in:
            row["share_of_copy_rate"] = round(bytes_in / seconds / self._rates["copy_bytes_per_second"], 4)
        self._stages.append(row)
        print(json.dumps({"n": self._n, **row}), flush=True)

    def _candidates(self) -> Neighbours:
        """Exact candidates on the device in every precision, and by FAISS: the neighbours must be the same."""
        asked = {"k": K, "metric": "ip", "gather": lambda rows: self._corpus[rows], "n_candidates": N_CANDIDATES}
        few = self._corpus[:BLOCK_ROWS]
        device_neighbours([(0, few)], self._queries, n=len(few), device=self._device, **asked)  # warm
        found: dict[str, Neighbours] = {}
        for precision in ("fp32", "tf32", "bf16"):
            began = settled(self._device)
            found[precision] = device_neighbours(
                self._blocks(), self._queries, n=self._n, device=self._device, precision=precision, **asked
            )
            seconds = settled(self._device) - began
            self._note("exact candidates", f"torch {precision}", self._n, seconds, bytes_in=self._corpus.nbytes,
                       flop=2 * self._n * len(self._queries) * DIM)  # fmt: skip
        if faiss_gpus():
            scan = GpuScan(0)
            exact_neighbours([(0, few)], self._queries, n=len(few), knn=scan, **asked)  # warm
            began = time.perf_counter()
            found["faiss-gpu"] = exact_neighbours(self._blocks(), self._queries, n=self._n, knn=scan, **asked)
            self._note("exact candidates", "faiss-gpu", self._n, time.perf_counter() - began)
        began = time.perf_counter()
        exact = exact_neighbours(self._blocks(), self._queries, n=self._n, **asked)
        seconds = time.perf_counter() - began
        same = {name: float((one.ids[:, : K + MARGIN] == exact.ids[:, : K + MARGIN]).mean())
                for name, one in found.items()}  # fmt: skip
        kept = {name: float((np.sort(one.ids) == np.sort(exact.ids)).mean()) for name, one in found.items()}
        first_k = {name: float((one.ids[:, :K] == exact.ids[:, :K]).mean()) for name, one in found.items()}
        self._note("exact candidates", "faiss", self._n, seconds, equal_first_k=first_k, equal_neighbours=same,
                   equal_candidates=kept)  # fmt: skip
        return exact

    def _built(self, text: str, exact: Neighbours) -> dict[str, Any]:
        """Train, encode and build one factory both ways."""
        factory = parse_factory(text, DIM)
        rows = min(self._given.train_rows // (OPQ_SHARE if "OPQ" in text else 1), self._n)
        chosen_rows = np.sort(np.random.default_rng(self._given.seed).choice(self._n, rows, replace=False))
        sample = self._corpus[chosen_rows]
        there = {"device": self._device, "memory_bytes": self._memory_bytes}
        by_torch = self._timed("train", "torch", text, rows, lambda: train_with_torch(
            factory, sample, metric="ip", seed=self._given.seed, **there))  # fmt: skip
        by_faiss = self._timed("train", "faiss", text, rows, lambda: train_index(
            factory, sample, metric="ip", seed=self._given.seed))  # fmt: skip
        by_gpu = None
        if faiss_gpus() and faiss_gpu_trains(factory):
            by_gpu = self._timed("train", "faiss-gpu", text, rows, lambda: train_with_faiss_gpu(
                factory, sample, metric="ip", number=0, seed=self._given.seed))  # fmt: skip
            add_blocks(by_gpu, self._blocks())
        encoder = TorchEncoder(by_torch, **there)
        flop = 2 * self._n * DIM * ((1 << factory.codec.bits) + factory.nlist + (DIM if factory.transform else 0))
        self._timed("encode", "torch", text, self._n, lambda: [encoder.encode(block) for _, block in self._blocks()],
                    flop=flop, bytes_in=self._corpus.nbytes)  # fmt: skip
        self._timed("build", "torch", text, self._n, lambda: add_with_torch(by_torch, self._blocks(), **there),
                    bytes_in=self._corpus.nbytes)  # fmt: skip
        self._timed("build", "faiss", text, self._n, lambda: add_blocks(by_faiss, self._blocks()))
        recalls = {"factory": text, "recall_vs_exact_at": K}
        for name, index in (("torch", by_torch), ("faiss", by_faiss), ("faiss-gpu", by_gpu)):
            if index is None:
                continue
            if factory.nlist:
                inner_index(index).nprobe = NPROBE
            found = index.search(self._queries, K)[1]
            recalls[name] = round(float(recall_vs_exact(found, exact, k=K).mean()), 4)
        print(json.dumps({"n": self._n, **recalls}), flush=True)
        return recalls

    def _timed(self, stage: str, by: str, text: str, items: int, work: Callable[[], Any], **more: Any) -> Any:
        began = settled(self._device)
        made = work()
        self._note(stage, by, items, settled(self._device) - began, factory=text, **more)
        return made


if __name__ == "__main__":
    main()
