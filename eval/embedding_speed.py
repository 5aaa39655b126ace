"""Tokens per second of an embedding model on this machine: what "buy or build" needs to be measured.

    python eval/embedding_speed.py MODEL corpus.jsonl --device cuda --batch 64 256 1024 --out eval/results/FILE.json

MODEL is a sentence-transformers folder or name, the corpus one in BEIR form (title and text are joined). Tokenizing is
in the time, as it is when a corpus is embedded; tokens are those that the model reads: texts are cut at its own limit.
Weights are float16 on a GPU and float32 on a CPU. The median of the rounds is given beside the least and the most.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

FEWEST_ROUNDS = 5


def measure(model: Any, texts: list[str], n_tokens: int, *, batch: int, seconds: float) -> dict[str, Any]:
    """Embed all texts several times; tokens per second of each round."""
    model.encode(texts[:batch], batch_size=batch, show_progress_bar=False)
    rounds: list[float] = []
    began = time.perf_counter()
    while len(rounds) < FEWEST_ROUNDS or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        model.encode(texts, batch_size=batch, show_progress_bar=False)
        rounds.append(n_tokens / (time.perf_counter() - start))
    return {"batch": batch, "tokens_per_second": statistics.median(rounds), "least": min(rounds),
            "most": max(rounds), "n_rounds": len(rounds)}  # fmt: skip


def machine(device: str) -> dict[str, Any]:
    """The processor and the versions that the figures hold for."""
    import sentence_transformers  # noqa: PLC0415 - loaded when first used
    import torch  # noqa: PLC0415 - loaded when first used

    names = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]  # fmt: skip
    gpu = torch.cuda.get_device_name() if device == "cuda" else None
    return {"gpu": gpu, "cpu": names[0] if names else platform.machine(), "n_cores": os.cpu_count(),
            "torch_threads": torch.get_num_threads(), "torch": torch.__version__,
            "sentence_transformers": sentence_transformers.__version__,
            "python": platform.python_version()}  # fmt: skip


def main() -> None:
    """Measure every batch size and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--texts", type=int, default=10**9, help="most texts")
    parser.add_argument("--batch", type=int, nargs="+", default=[32])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--name", default="", help="printed name of the model")
    parser.add_argument("--billed-vm", required=True, help="VM type of the price book that is nearest to this machine")
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()

    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - loaded when first used

    model = SentenceTransformer(told.model, device=told.device)
    model = model.half() if told.device == "cuda" else model.float()
    lines = told.corpus.read_text(encoding="utf-8").splitlines()[: told.texts]
    texts = [f"{row.get('title', '')} {row['text']}".strip() for row in map(json.loads, lines)]
    limit = model.max_seq_length
    n_tokens = sum(min(len(ids), limit) for ids in model.tokenizer(texts)["input_ids"])
    result = {
        "model": told.name or Path(told.model).name,
        "billed_vm": told.billed_vm,
        "max_tokens": limit,
        "n_texts": len(texts),
        "n_tokens": n_tokens,
        "machine": machine(told.device),
        "measured": [measure(model, texts, n_tokens, batch=size, seconds=told.seconds) for size in told.batch],
    }
    print(json.dumps(result, indent=2))
    if told.out:
        told.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
