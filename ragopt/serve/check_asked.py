"""What a check is asked for and cannot measure is an error before anything long begins, never a silent `keep`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.errors import InputError
from ragopt.measure.intervals import MIN_QUERIES
from ragopt.serve.drift import MIN_ROWS
from ragopt.serve.exact_vectors import has_exact_vectors
from ragopt.serve.table import DOCUMENT, ID, id_filters, lines_where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragopt.corpus.records import Document
    from ragopt.serve.check_inputs import ToCheck
    from ragopt.serve.manifest import Coding, Manifest
    from ragopt.serve.snapshot import Snapshot

LISTED = 3
"""Ids named in a message, as elsewhere in the serve room."""


def refuse_unmeasurable(manifest: Manifest, given: ToCheck) -> None:
    """Refuse queries and documents that this folder cannot be checked with.

    Raises:
        InputError: too few queries, no vectors to find their exact neighbours by, no coding error to compare that of
            documents with, or vectors to be embedded again for no queries.
    """
    asked = given.questions is not None or given.documents is not None
    if asked and not manifest.model and given.embedder is None:
        raise InputError("The folder was built from ready vectors: it cannot embed text",
                         next_step="Name the model in Python: ragopt.check(DIR, embedder=...)")  # fmt: skip
    if given.questions is None:
        if given.embed_again:
            raise InputError("--embed-again finds exact neighbours of queries, and there are none",
                             next_step="Give --queries too, or leave --embed-again out")  # fmt: skip
    elif len(given.questions) < MIN_QUERIES:
        raise InputError(f"{given.queries_name} holds {len(given.questions)} queries", allowed=f"{MIN_QUERIES} or more",
                         next_step="Give more queries with --queries")  # fmt: skip
    elif not given.embed_again and not has_exact_vectors(manifest):
        raise InputError(
            f"{given.queries_name} cannot be measured: the folder keeps codes only, of which no exact neighbours are "
            "known",
            next_step="Embed every chunk of the folder once more with --embed-again, or build it with --with-vectors",
        )
    if given.documents is not None and (why := no_coding_error(manifest, manifest.coding_held_out)):
        raise InputError(f"{given.documents_name} cannot be measured: {why}",
                         next_step="Check with --queries instead, which may ask for new documents")  # fmt: skip


def no_coding_error(manifest: Manifest, held_out: Coding | None) -> str:
    """Why coding errors of new rows have nothing to be compared with; empty where they have."""
    if manifest.engine == "lancedb":
        return "an index of LanceDB keeps no codes that could be decoded"
    if held_out is None or held_out.n < MIN_ROWS:
        return "the corpus had too few rows to hold some out at the build and train on the others"
    return "" if held_out.mean > 0 else "the codes are the vectors themselves, there is no coding error"


def refuse_empty(snapshot: Snapshot, given: ToCheck) -> None:
    """Refuse queries of an index with fewer than k chunks. Raises InputError."""
    if given.questions is not None and snapshot.n_alive < snapshot.manifest.k:
        raise InputError(
            f"{given.queries_name} cannot be measured: {snapshot.n_alive} chunks are left in the index",
            allowed=f"{snapshot.manifest.k} or more, as many as results are counted",
            next_step="Add documents first, or check without --queries",
        )


def not_there_yet(snapshot: Snapshot, documents: Sequence[Document], name: str) -> tuple[list[Document], str]:
    """The documents whose ids the index does not have, and a note of those left out; empty for none.

    Raises:
        InputError: it has all of them.
    """
    ids, there = [one.id for one in documents], set[str]()
    for where in id_filters(ids, (DOCUMENT, ID)):
        found = lines_where(snapshot.table, where, (ID, DOCUMENT))
        there |= {*found[ID].to_pylist(), *found[DOCUMENT].to_pylist()}
    left = [one for one in documents if one.id not in there]
    known = [one for one in ids if one in there]
    if not left:
        raise InputError(f"{name}: all {len(ids):,} are in the index already, by id: {', '.join(known[:LISTED])}",
                         allowed="documents that are new", next_step="Name the new documents alone")  # fmt: skip
    if not known:
        return left, ""
    return left, (f"{name}: {len(known):,} of {len(ids):,} are left out, the index has their ids already "
                  f"({', '.join(known[:LISTED])})")  # fmt: skip
