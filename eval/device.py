"""Time exact candidates, training, encoding and building on a device, beside FAISS on this machine's CPU.

    python eval/device.py [--device auto|cpu|cuda] [--sizes 1M,4M] [--train-rows 65536] [--queries 1000]
        [--factories PQ48np 'IVF{nlist},PQ48np']

Makes clustered unit vectors on the device and holds them in this machine's memory (1.5 GB a million of 384). Prints
each stage and writes eval/results/<date>-device-<name>.json after each size. Needs numpy, faiss, torch and ragopt.
Shares are of what is measured first: the device's rate of float32 matrix products and its copies from page-locked
memory. Without an accelerator it says so and measures the torch path on the CPU.
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

from ragopt.index.build import add_blocks, train_index
from ragopt.index.factory import parse_factory
from ragopt.index.inner import inner_index
from ragopt.index.torch_encoding import TorchEncoder, add_with_torch
from ragopt.index.torch_training import train_with_torch
from ragopt.measure.device_neighbours import device_neighbours
from ragopt.measure.neighbours import MARGIN, Neighbours, exact_neighbours, recall_vs_exact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

DIM, K, N_CANDIDATES, NPROBE = 384, 10, 500, 32
"""Candidates are 50 x K: where the estimate of a compressed search moves by under 0.1 point (ragopt's own rule)."""

BLOCK_ROWS = 16_384  # of ragopt's vector store
FACTORIES = ("PQ48np", "PQ96x4fs", "IVF{nlist},PQ48np", "IVF{nlist},PQ96x4fs", "OPQ48,PQ48np")
OPQ_TRAIN_ROWS = 16_384
"""OPQ runs 240 rounds of k-means: from 65,536 rows it would take most of the script's five minutes on the CPU."""

TOPICS, TOPICS_POWER, SPECTRUM, SPREAD, NOISE = 3.0, 0.7, 0.6, 0.3, 0.03
"""The distribution of eval/clustered_vectors.py, where these are explained; drawn here by torch, so other rows."""

DEVICE_BYTES = {"cuda": 4 << 30, "cpu": 8 << 20}
"""Bound on blocks and scores in training and encoding: small beside a GPU's memory; 8 MB stay in a CPU's caches,
a third faster than 64 MB (two cores)."""


def main() -> None:
    """Measure every size and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--sizes", help="rows, such as 1M,4M; 1M on CUDA and 100k on a CPU by default")
    parser.add_argument("--train-rows", type=int, default=65_536)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--factories", nargs="+", default=FACTORIES, help="{nlist} stands for about the root of rows")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    device = chosen(given.device)
    sizes = [rows_of(text) for text in (given.sizes or ("1M" if device.type == "cuda" else "100k")).split(",")]
    about = machine(device)
    print(json.dumps(about), flush=True)
    rates = device_rates(device)
    print(json.dumps(rates), flush=True)
    result: dict[str, Any] = {"machine": about, "rates": rates, "dim": DIM, "n_queries": given.queries, "sizes": []}
    name = "cpu" if device.type == "cpu" else re.sub(r"[^a-z0-9]+", "-", about["device"].lower()).strip("-")
    path = given.out / f"{dt.datetime.now(tz=dt.UTC).date()}-device-{name}.json"
    for n in sizes:
        result["sizes"].append(Size(n, device, rates, given).measured())
        path.write_text(json.dumps(result, indent=1) + "\n")
    print(path)


def chosen(asked: str) -> torch.device:
    """The device, with a line when it is not an accelerator."""
    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise SystemExit("No CUDA device: torch sees none on this machine. Run with --device cpu")
    if asked == "cpu" or not there:
        print("No accelerator is used: the torch path is measured on the CPU", flush=True)
        return torch.device("cpu")
    return torch.device("cuda")


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
        if by != "faiss" and flop:
            row["share_of_matrix_rate"] = round(flop / seconds / self._rates["matrix_flops"], 4)
        if by != "faiss" and bytes_in:
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
        began = time.perf_counter()
        exact = exact_neighbours(self._blocks(), self._queries, n=self._n, **asked)
        seconds = time.perf_counter() - began
        same = {name: float((one.ids[:, : K + MARGIN] == exact.ids[:, : K + MARGIN]).mean())
                for name, one in found.items()}  # fmt: skip
        kept = {name: float((np.sort(one.ids) == np.sort(exact.ids)).mean()) for name, one in found.items()}
        self._note("exact candidates", "faiss", self._n, seconds, equal_neighbours=same, equal_candidates=kept)
        return exact

    def _built(self, text: str, exact: Neighbours) -> dict[str, Any]:
        """Train, encode and build one factory both ways."""
        factory = parse_factory(text, DIM)
        rows = min(self._given.train_rows, self._n, OPQ_TRAIN_ROWS if "OPQ" in text else self._n)
        chosen_rows = np.sort(np.random.default_rng(self._given.seed).choice(self._n, rows, replace=False))
        sample = self._corpus[chosen_rows]
        there = {"device": self._device, "memory_bytes": self._memory_bytes}
        by_torch = self._timed("train", "torch", text, rows, lambda: train_with_torch(
            factory, sample, metric="ip", seed=self._given.seed, **there))  # fmt: skip
        by_faiss = self._timed("train", "faiss", text, rows, lambda: train_index(
            factory, sample, metric="ip", seed=self._given.seed))  # fmt: skip
        encoder = TorchEncoder(by_torch, **there)
        flop = 2 * self._n * DIM * ((1 << factory.codec.bits) + factory.nlist + (DIM if factory.transform else 0))
        self._timed("encode", "torch", text, self._n, lambda: [encoder.encode(block) for _, block in self._blocks()],
                    flop=flop, bytes_in=self._corpus.nbytes)  # fmt: skip
        self._timed("build", "torch", text, self._n, lambda: add_with_torch(by_torch, self._blocks(), **there),
                    bytes_in=self._corpus.nbytes)  # fmt: skip
        self._timed("build", "faiss", text, self._n, lambda: add_blocks(by_faiss, self._blocks()))
        recalls = {"factory": text, "recall_vs_exact_at": K}
        for name, index in (("torch", by_torch), ("faiss", by_faiss)):
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


def clustered(n: int, n_queries: int, *, device: torch.device, seed: int) -> tuple[Vectors, Vectors]:
    """Corpus and held-out queries of clustered unit vectors, made on the device, in this machine's memory."""
    generator = torch.Generator(device).manual_seed(seed)
    normal = {"generator": generator, "device": device}
    spectrum = torch.arange(1, DIM + 1, device=device) ** -SPECTRUM
    spectrum /= spectrum.norm()
    topics = torch.randn(max(1, round(TOPICS * n**TOPICS_POWER)), DIM, **normal) * spectrum * math.sqrt(1 - SPREAD)
    around = (SPREAD * spectrum.square() + NOISE / DIM).sqrt()
    rotation = torch.linalg.qr(torch.randn(DIM, DIM, **normal))[0]
    made = np.empty((n + n_queries, DIM), np.float32)
    for first in range(0, len(made), BLOCK_ROWS):
        rows = min(BLOCK_ROWS, len(made) - first)
        topic = torch.randint(len(topics), (rows,), **normal)
        drawn = (torch.randn(rows, DIM, **normal) * around + topics[topic]) @ rotation
        made[first : first + rows] = (drawn / drawn.norm(dim=1, keepdim=True)).cpu().numpy()
    return made[:n], made[n:]


if __name__ == "__main__":
    main()
