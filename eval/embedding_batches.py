"""Embed texts of mixed length in batches of so many texts and of so many tokens: which is faster on this CPU?

    python eval/embedding_batches.py MODEL corpus.jsonl --out eval/results/FILE.json

MODEL is a sentence-transformers folder or name, the corpus one in BEIR form. Every text is cut after a number of words
drawn evenly on a log scale. The ways take turns, so that a busy machine slows all of them; each ratio is of medians
within one run, to batches of 32 texts as the library sorts them. Seconds of the processor stand beside the clock's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

from ragopt.embed.sentence_transformer import SentenceTransformerEmbedder
from ragopt.embed.token_batches import TokenBatches

SETS = {"mixed": (64, 4, 250), "short": (256, 4, 30)}
"""Number of texts, fewest and most words: chunks of all lengths, and questions or titles."""

BUDGETS = (1_024, 2_048, 4_096, 8_192)
ROUNDS = 5


def cut_texts(corpus: Path, n: int, fewest: int, most: int) -> list[str]:
    """Texts of the corpus, each cut at its own number of words."""
    generator = np.random.default_rng(0)
    lines = corpus.read_text(encoding="utf-8").splitlines()[:n]
    words = np.exp(generator.uniform(np.log(fewest), np.log(most), len(lines))).astype(int)
    return [" ".join(json.loads(line)["text"].split()[:size]) for line, size in zip(lines, words, strict=True)]


def measure(embedder: SentenceTransformerEmbedder, texts: list[str]) -> dict[str, dict[str, float]]:
    """Seconds of every way, and their ratio to 32 texts a batch."""
    model = embedder._model  # noqa: SLF001 - the way of before has no method any more

    def by_tokens(budget: int) -> Callable[[], Any]:
        def way() -> None:
            embedder._batches = TokenBatches(budget)  # noqa: SLF001 - the bound is what is measured
            embedder.embed_documents(texts)

        return way

    ways: dict[str, Callable[[], Any]] = {
        "32 texts": lambda: model.encode(texts, batch_size=32, show_progress_bar=False),
        **{f"{budget} tokens": by_tokens(budget) for budget in BUDGETS},
    }
    clock: dict[str, list[float]] = {name: [] for name in ways}
    processor: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS + 1):
        for name, way in ways.items():
            began, began_cpu = time.perf_counter(), time.process_time()
            way()
            clock[name].append(time.perf_counter() - began)
            processor[name].append(time.process_time() - began_cpu)
    found = {}
    for name in ways:
        # The first round warms up.
        seconds, cpu = statistics.median(clock[name][1:]), statistics.median(processor[name][1:])
        found[name] = {
            "seconds": round(seconds, 4), "ratio": round(seconds / statistics.median(clock["32 texts"][1:]), 3),
            "cpu_seconds": round(cpu, 4), "cpu_ratio": round(cpu / statistics.median(processor["32 texts"][1:]), 3),
        }  # fmt: skip
    return found


def main() -> None:
    """Measure both sets and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--name", default="", help="printed name of the model")
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    embedder = SentenceTransformerEmbedder(told.model, device="cpu")
    result: dict[str, Any] = {
        "model": told.name or embedder.name, "n_cores": os.cpu_count(), "machine": platform.machine(),
        "library": embedder.identity["library"], "rounds": ROUNDS,
    }  # fmt: skip
    for name, (n, fewest, most) in SETS.items():
        texts = cut_texts(told.corpus, n, fewest, most)
        result[name] = {"n_texts": len(texts), "words": [fewest, most], "ways": measure(embedder, texts)}
    text = json.dumps(result, indent=1)
    print(text)
    if told.out:
        told.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
