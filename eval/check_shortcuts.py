"""What the shortcuts of `ragopt check` cost: a second quantizer of fewer rows, exact neighbours by 16-bit vectors.

SQuAD's 100,000 passages by WordLlama. 1,500 titles with two passages or more are held back as new documents; the index
is trained on 65,536 of the other rows, the second quantizer on as many as a build gives it, and on 16,384. The ratio of
coding errors of the same kind should be 1.

    RAGOPT_SHARED=... OMP_NUM_THREADS=1 python eval/check_shortcuts.py --out eval/results/<date>-check-shortcuts.json
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.corpus.chunks import embed_text
from ragopt.embed.stored_rows import unit_rows
from ragopt.embed.wordllama import WordLlamaEmbedder
from ragopt.index.build import train_index
from ragopt.index.coding_error import coding_errors
from ragopt.index.factory import parse_factory
from ragopt.measure.neighbours import exact_neighbours
from ragopt.serve.check_material import HELD_OUT_TRAIN_ROWS, N_HELD_OUT, parted
from ragopt.serve.drift import error_ratio
from ragopt.serve.manifest import coding_of
from ragopt.sweep.settings import CONFIRM_TRAIN_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

SEED = 20261126
N_TITLES, N_QUERIES, K = 1_500, 1_000, 10
FACTORIES = ("SQ4", "SQ6", "SQ8", "PQ64x4fs", "PQ32np", "RaBitQ")


def read(path: Path) -> list[dict[str, str]]:
    """The lines of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def ratios(vectors: Vectors, new: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """By factory and training rows of the second quantizer, the ratio of errors of rows of the same kind."""
    rows = np.random.default_rng(SEED).permutation(np.flatnonzero(~new))
    found = []
    for text in FACTORIES:
        factory = parse_factory(text, vectors.shape[1])
        index = train_index(factory, vectors[np.sort(rows[:CONFIRM_TRAIN_ROWS])], metric="cosine", seed=SEED)
        added = coding_of(coding_errors(index, vectors[new]))
        own = parted(len(rows), is_scalar=factory.codec.family == "SQ")[0]
        held_out = np.random.default_rng(SEED + 1).permutation(rows)
        for n_train in sorted({own, HELD_OUT_TRAIN_ROWS, CONFIRM_TRAIN_ROWS}):
            began = time.perf_counter()
            second = train_index(factory, vectors[np.sort(held_out[:n_train])], metric="cosine", seed=SEED)
            seconds = time.perf_counter() - began
            errors = coding_errors(second, vectors[np.sort(held_out[n_train : n_train + N_HELD_OUT])])
            found.append({"factory": text, "n_train": n_train, "of_a_build": n_train == own, "seconds": seconds,
                          "ratio": asdict(error_ratio(added, coding_of(errors)))})  # fmt: skip
            print(json.dumps(found[-1]), flush=True)
    return found


def half_precision(vectors: Vectors, queries: Vectors) -> dict[str, Any]:
    """How many of the ten exact neighbours are others when the vectors are read in half precision."""
    ids = []
    for rows in (vectors, vectors.astype(np.float16).astype(np.float32)):
        blocks = ((first, rows[first : first + 4_096]) for first in range(0, len(rows), 4_096))
        ids.append(exact_neighbours(blocks, queries, k=K, n=len(rows), metric="cosine", gather=rows.__getitem__).ids)
    other = [len(set(one[:K]) - set(two[:K])) for one, two in zip(*(part.tolist() for part in ids), strict=True)]
    return {"n_queries": len(queries), "k": K, "other_neighbours": sum(other), "queries": sum(map(bool, other))}


def main() -> None:
    """Measure both and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    folder, model = Path(os.environ["RAGOPT_SHARED"]) / "data" / "squad-100k", WordLlamaEmbedder()
    documents = read(folder / "corpus.jsonl")
    titles = [one.get("title", "") for one in documents]
    texts = [embed_text(title, one["text"]) for title, one in zip(titles, documents, strict=True)]
    vectors = unit_rows(model.embed_documents(texts))
    asked = [one["text"] for one in read(folder / "queries.jsonl")[:N_QUERIES]]
    several = sorted(title for title, n in Counter(titles).items() if n > 1)
    held_back = set(np.random.default_rng(SEED).choice(np.array(several), N_TITLES, replace=False).tolist())
    new = np.array([title in held_back for title in titles])
    half = half_precision(vectors, unit_rows(model.embed_queries(asked)))
    found = {"seed": SEED, "n": len(vectors), "n_new": int(new.sum()), "half": half, "ratios": ratios(vectors, new)}
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
