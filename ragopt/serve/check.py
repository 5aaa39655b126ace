"""Check a served folder: files, embedder, recall, drift of documents and queries, the bill; and one word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.errors import IndexFormatError, InputError
from ragopt.measure.intervals import MIN_QUERIES, Interval, mean_interval, paired_difference
from ragopt.serve.canary_replay import replay_canaries
from ragopt.serve.check_records import Checked, CodingDrift, EmbedderReplay, Reason, RecallNow, Repriced
from ragopt.serve.drift import coding_drift, fresh_recall
from ragopt.serve.exact_vectors import HOW_TO_HAVE_THEM, exact_vectors
from ragopt.serve.layout import MANIFEST_FILE
from ragopt.serve.manifest import Coding
from ragopt.serve.new_rows import check_ids, prepared
from ragopt.serve.opened import Index, open_index
from ragopt.serve.reprice import repriced
from ragopt.serve.verdict import (
    few_queries_notes,
    reason_of_drift,
    reason_of_embedder,
    reason_of_recall,
    recall_floor,
    verdict,
)

if TYPE_CHECKING:
    from ragopt.bill.price_book import PriceBook
    from ragopt.corpus.records import Document
    from ragopt.embed.embedder import Embedder
    from ragopt.sweep.progress import Progress

CANARIES, ADDED = "the canaries", "rows added since the build"

MOST_MOVE = 0.01
"""Of a question's vector, as a share of its length. Batches of another size moved one by 7e-7 in float32, bfloat16 by
0.0068 (all-MiniLM-L6-v2); a move of 0.01 changes 0.5 % of ten exact neighbours, one of 0.1 3.9 % (22,067 vectors;
eval/embedder_move.py, 2026-11-26)."""


@dataclass(frozen=True, slots=True)
class ToCheck:
    """What a check is given beside the folder.

    Attributes:
        questions: new queries, as text. documents: new documents. queries_name, documents_name: where they come from.
        embed_again: whether texts of the table are embedded to find exact neighbours, where no vectors are kept.
        embedder: as in `ragopt.open`. model: likewise.
        book: prices of today.
    """

    book: PriceBook
    questions: Sequence[str] | None = None
    documents: Sequence[Document] | None = None
    queries_name: str = "the new queries"
    documents_name: str = "the new documents"
    embed_again: bool = False
    embedder: Embedder | None = None
    model: str | None = None


def check_folder(folder: Path, given: ToCheck, progress: Progress) -> Checked:
    """Check a folder that `ragopt build` wrote.

    Returns:
        What was found; a folder that is damaged, or whose embedder is another one, is `broken`, not an error.

    Raises:
        IndexFormatError: there is no served index.
        IndexBusy: a writer changed it whenever it was opened.
        InputError: queries or documents that cannot be embedded, or fewer than two queries.
        MissingExtra, EmbeddingServiceError: the embedder cannot run here.
    """
    if not (folder / MANIFEST_FILE).is_file():
        raise IndexFormatError(f"{folder} is no served index: it has no {MANIFEST_FILE}",
                               next_step="Build one: ragopt build RUN --out DIR")  # fmt: skip
    report = progress.phase("files", f"Checking the files of {folder}")
    try:
        index = open_index(folder, verify="full", model=given.model)
    except IndexFormatError as error:
        return _unreadable(folder, error)
    report(1, 1)
    with index:
        return _Check(index, given, progress).run()


def _unreadable(folder: Path, error: IndexFormatError) -> Checked:
    reasons = (Reason("broken", str(error)),)
    return Checked(str(folder), 0, 0, "", 0, None, None, None, None, None, None, None, "broken", reasons,
                   ("nothing else was measured",))  # fmt: skip


class _Check:
    """One check under way: findings are gathered as they are made."""

    def __init__(self, index: Index, given: ToCheck, progress: Progress) -> None:
        self.index, self.given, self.progress = index, given, progress
        self.manifest, self.snapshot = index.manifest, index.snapshot
        limits = dict(self.manifest.about.get("limits") or {})
        self.floor = recall_floor(dict(self.manifest.about.get("quality") or {}), limits.get("min_recall"),
                                  self.manifest.k)  # fmt: skip
        n_files = len(self.manifest.files)
        self.reasons = [Reason("keep", f"The {n_files:,} files have the SHA-256 that the manifest of version "
                                       f"{self.manifest.version} names")]  # fmt: skip
        self.notes: list[str] = []

    def run(self) -> Checked:
        """Measure everything and give the word."""
        replay = self._embedder_replay()
        canaries = self._canaries()
        usable = not any(reason.word == "broken" for reason in self.reasons)
        queries = self._queries() if usable else None
        added = self._drift(ADDED, self.manifest.coding_added) if self.manifest.coding_added.n else None
        documents = self._documents() if usable else None
        if not usable and (self.given.questions is not None or self.given.documents is not None):
            self.notes.append("new queries and documents were not embedded: the embedder is not that of the build")
        bill = self._bill()
        self.notes += few_queries_notes(((CANARIES, canaries), (self.given.queries_name, queries)))
        word, reasons = verdict(self.reasons)
        return Checked(
            folder=str(self.index.folder),
            version=self.manifest.version,
            n_chunks=self.snapshot.n_alive,
            trial=self.manifest.trial,
            k=self.manifest.k,
            recall_floor=self.floor,
            embedder=replay,
            canaries=canaries,
            queries=queries,
            added=added,
            documents=documents,
            bill=bill,
            word=word,
            reasons=reasons,
            notes=tuple(self.notes),
        )

    def _embedder_replay(self) -> EmbedderReplay | None:
        """Embed the canaries' questions and compare; an embedder of another identity is broken."""
        questions = self.index.canary_questions()
        report = self.progress.phase("embedder", "Embedding the canaries")
        try:
            if self.given.embedder is not None:
                self.index = Index(self.snapshot, embedder=self.given.embedder)
            if not questions:
                self.notes.append("the embedder is not replayed: the folder was built from ready vectors and has none")
                return None
            now = self.index.embed_queries(questions)
        except IndexFormatError as error:
            self.reasons.append(Reason("broken", str(error)))
            return None
        report(1, 1)
        replay = compared(now, self.snapshot.canaries())
        self.reasons.append(reason_of_embedder(replay))
        return replay

    def _canaries(self) -> RecallNow | None:
        """What the index finds of the canaries' exact neighbours now, beside what it found at the build."""
        replayed, kept = replay_canaries(self.snapshot), self.manifest.canary_recall
        n_known, n = int(replayed.known.sum()), len(replayed.known)
        if n_known < MIN_QUERIES:
            self.notes.append(
                f"{CANARIES} are not replayed: the {self.manifest.k} nearest rows are known of {n_known:,} of {n:,}, "
                "those of others are deleted; a new build has new ones"
            )
            return None
        scores = replayed.scores[replayed.known]
        change = at_build = None
        if kept is None:
            self.notes.append("the folder keeps no recall of the canaries at the build to compare with")
        else:
            before = np.array(kept.hits)[replayed.known] / self.manifest.k
            change = paired_difference(scores, before)
            at_build = Interval(kept.value, kept.low, kept.high, len(kept.hits))
        found = RecallNow(mean_interval(scores), n - n_known, at_build, change, "the neighbours kept with the index")
        if found.n_unknown:
            self.notes.append(f"{found.n_unknown:,} of {n:,} canaries are left out: too many of their kept neighbours "
                              "are deleted")  # fmt: skip
        self.reasons.append(reason_of_recall(CANARIES, found, self.manifest.k, self.floor))
        return found

    def _queries(self) -> RecallNow | None:
        given, name = self.given, self.given.queries_name
        if given.questions is None:
            return None
        if len(given.questions) < MIN_QUERIES:
            raise InputError(f"{name} holds {len(given.questions)} queries", allowed=f"{MIN_QUERIES} or more",
                             next_step="Give more queries with --queries")  # fmt: skip
        if self.snapshot.n_alive < self.manifest.k:
            self.notes.append(f"{name}: the index holds fewer than {self.manifest.k} chunks")
            return None
        embedder = self.index.embedder if given.embed_again else None
        exact = exact_vectors(self.snapshot, embedder)
        if exact is None:
            self.notes.append(f"{name}: no exact neighbours, the folder keeps codes only; {HOW_TO_HAVE_THEM}")
            return None
        vectors = self.index.embed_queries(given.questions)
        report = self.progress.phase("queries", f"Exact neighbours of {len(vectors):,} queries")
        found = fresh_recall(self.snapshot, vectors, exact, report)
        self.reasons.append(reason_of_recall(name, found, self.manifest.k, self.floor))
        return found

    def _documents(self) -> CodingDrift | None:
        if self.given.documents is None:
            return None
        check_ids(self.given.documents)
        self.progress.phase("documents", f"Embedding {len(self.given.documents):,} documents")
        rows = prepared(self.index, self.given.documents, split=True)
        return self._drift(self.given.documents_name, rows.coding_with(Coding(0, 0.0, 0.0)))

    def _drift(self, what: str, coding: Coding) -> CodingDrift | None:
        found = coding_drift(what, coding, self.manifest.coding_held_out)
        if isinstance(found, str):
            self.notes.append(found)
            return None
        self.reasons.append(reason_of_drift(found))
        return found

    def _bill(self) -> Repriced | None:
        found = repriced(self.manifest, self.snapshot.n_alive, self.given.book)
        if isinstance(found, str):
            self.notes.append(found)
            return None
        return found


def compared(now: Any, kept: Any) -> EmbedderReplay:
    """Compare vectors of the same questions, both float32 (n, dim): by how much of its length each has moved."""
    before, after = kept.astype(np.float64), now.astype(np.float64)
    length = np.linalg.norm(before, axis=1)
    moved = np.linalg.norm(after - before, axis=1) / np.where(length > 0, length, 1)
    return EmbedderReplay(len(moved), int((moved > MOST_MOVE).sum()), float(moved.max()), MOST_MOVE)
