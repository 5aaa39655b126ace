"""What half precision costs a model in nDCG@10: ragopt's own check, run for fp16 and bf16 on any device, CPU included.

    python eval/half_precision.py MODEL BEIR_FOLDER --device cpu --texts 600 --out eval/results/FILE.json

BEIR_FOLDER holds corpus.jsonl, queries.jsonl and one file in qrels/. The first queries that have a relevant document
among the first texts are judged by it, and by the ten nearest of float32. All is embedded once in each precision.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ragopt.embed.sentence_transformer import SentenceTransformerEmbedder
from ragopt.sweep.half_precision import HalfCheck, compare_precisions
from ragopt.sweep.precision_sample import N_QUERIES, PrecisionSample


def sample_of(folder: Path, n_texts: int) -> PrecisionSample:
    """The first texts, and the first queries that have a relevant one among them."""
    rows = [json.loads(line) for line in (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()[:n_texts]]
    held = {row["_id"] for row in rows}
    qrels: dict[str, dict[str, int]] = {}
    for line in next((folder / "qrels").glob("*.tsv")).read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        if document in held and int(grade) > 0:
            qrels.setdefault(query, {})[document] = int(grade)
    lines = (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    queries = [row for row in map(json.loads, lines) if row["_id"] in qrels][:N_QUERIES]
    return PrecisionSample(
        [f"{row.get('title', '')} {row['text']}".strip() for row in rows],
        [row["_id"] for row in rows],
        [row["_id"] for row in queries],
        [row["text"] for row in queries],
        {row["_id"]: qrels[row["_id"]] for row in queries},
    )


class Remembered:
    """An embedder that embeds the texts of a sample once, for both ways of judging."""

    def __init__(self, embedder: SentenceTransformerEmbedder, sample: PrecisionSample) -> None:
        """Embed texts and queries."""
        self._texts, self._queries = embedder.embed_documents(sample.texts), embedder.embed_queries(sample.queries)

    def embed_documents(self, _texts: Any) -> Any:
        """The vectors of the sample's texts."""
        return self._texts

    def embed_queries(self, _texts: Any) -> Any:
        """The vectors of the sample's queries."""
        return self._queries


def row_of(found: HalfCheck) -> dict[str, Any]:
    """One finding as JSON."""
    loss = found.loss
    return {"precision": found.precision, "judged": found.judged, "kept": found.kept, "n_texts": found.n_documents,
            "loss": loss and loss.value, "low": loss and loss.low, "high": loss and loss.high,
            "n_queries": loss and loss.n}  # fmt: skip


def main() -> None:
    """Check both precisions and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--texts", type=int, default=4096)
    parser.add_argument("--name", default="", help="printed name of the model")
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    sample = sample_of(told.folder, told.texts)
    float32 = SentenceTransformerEmbedder(told.model, device=told.device, precision="fp32")
    full: Any = Remembered(float32, sample)
    found = []
    for precision in ("fp16", "bf16"):
        half: Any = Remembered(float32.with_precision(precision), sample)
        for of in (sample, replace(sample, qrels=None)):
            found.append(row_of(compare_precisions(full, half, of, precision=precision, metric="cosine")))
            print(json.dumps(found[-1]), flush=True)
    result = {"model": told.name or float32.name, "corpus": told.folder.name, "device": float32.device,
              "library": float32.identity["library"], "found": found}  # fmt: skip
    if told.out:
        told.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
