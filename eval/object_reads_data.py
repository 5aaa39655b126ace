"""The vectors and rows that object_reads.py writes to the store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from clustered_vectors import Clustered

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEED = 20261126
TEXT_BYTES = 1024


def rows_of(corpus: NDArray[Any]) -> Any:
    """Return a table of keys, incompressible text and vectors."""
    import pyarrow as pa  # noqa: PLC0415 - the workers must not pay for it

    rng = np.random.default_rng(SEED)
    text = [rng.bytes(TEXT_BYTES // 2).hex() for _ in range(len(corpus))]
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(corpus.ravel()), corpus.shape[1])
    return pa.table({"row": pa.array(np.arange(len(corpus))), "text": pa.array(text), "vector": vectors})


def minilm() -> tuple[NDArray[Any], NDArray[Any]]:
    """Read 22,067 passages, those of a document side by side, and 400 questions."""
    stem = Path(os.environ["RAGOPT_SHARED"]) / "vectors" / "squad22k-minilm-384"
    corpus, queries = (np.load(f"{stem}.{part}.f16.npy").astype(np.float32) for part in ("corpus", "queries"))
    return corpus, queries[:400]


def clustered() -> tuple[NDArray[Any], NDArray[Any]]:
    """Draw 100,000 vectors in random order, and 400 queries."""
    source = Clustered(100_000, dim=384, seed=SEED)
    blocks = [source.corpus_block(number) for number in range(-(-source.n // 16_384))]
    return np.concatenate(blocks), source.queries(400)
