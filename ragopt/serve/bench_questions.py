"""The questions that an opened index is measured with: a file's, or those of its canaries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.errors import InputError

if TYPE_CHECKING:
    from ragopt.serve.opened import Index


def questions_for(index: Index, queries_file: str | None) -> list[str]:
    """Read questions, text only.

    Args:
        index: opened.
        queries_file: .txt, .jsonl or .parquet; None takes the canary questions of the index.

    Raises:
        InputError: the index was built from ready vectors and cannot embed a question, or the file cannot be read.
    """
    if not index.manifest.model:
        raise InputError(
            f"The index in {index.folder} was built from ready vectors: it cannot embed questions",
            allowed="an index that ragopt built from texts",
            next_step="Open it in Python with its model, index = ragopt.open(DIR, embedder=...), and call "
            "ragopt.serve.bench.bench_serve(index, questions)",
        )
    from ragopt.corpus.queries import read_queries  # noqa: PLC0415 - loaded when first used

    given = read_queries(queries_file, None, corpus_source=str(index.folder)) if queries_file else None
    return list(given.texts) if given else index.canary_questions()
