"""Check a served folder: files, embedder, recall, drift of documents and queries, the bill; and one word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.devices import choose_device
from ragopt.errors import IndexFormatError, InputError
from ragopt.measure.intervals import MIN_QUERIES, Interval, mean_interval, paired_difference
from ragopt.serve.canary_replay import replay_canaries
from ragopt.serve.check_asked import not_there_yet, refuse_empty, refuse_unmeasurable
from ragopt.serve.check_inputs import documents_of
from ragopt.serve.check_records import Checked, CodingDrift, EmbedderReplay, Reason, RecallNow, Repriced
from ragopt.serve.drift import MIN_ROWS, coding_drift, fresh_recall
from ragopt.serve.exact_vectors import exact_vectors
from ragopt.serve.layout import MANIFEST_FILE
from ragopt.serve.manifest import Coding, coding_of
from ragopt.serve.manifest_reading import read_manifest
from ragopt.serve.new_rows import prepared
from ragopt.serve.opened import Index, open_index
from ragopt.serve.prices_today import prices_today
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
    from pathlib import Path

    from ragopt.corpus.records import Document
    from ragopt.serve.check_inputs import ToCheck
    from ragopt.sweep.progress import Progress

CANARIES, ADDED = "the canaries", "rows added since the build"

MOST_MOVE = 0.01
"""Of a question's vector, as a share of its length. Batches of another size moved one by 7e-7 in float32, bfloat16 by
0.0068 (all-MiniLM-L6-v2); a move of 0.01 changes 0.5 % of ten exact neighbours, one of 0.1 3.9 % (22,067 vectors;
eval/embedder_move.py, 2026-11-26)."""


def check_folder(folder: Path, given: ToCheck, progress: Progress) -> Checked:
    """Check a folder that `ragopt build` wrote.

    Returns:
        What was found; a folder that is damaged, or whose embedder is another one, is `broken`, not an error.

    Raises:
        IndexFormatError: there is no served index.
        IndexBusy: a writer changed it whenever it was opened.
        InputError: queries or documents that cannot be read, embedded or measured: before anything is embedded.
        MissingExtra, EmbeddingServiceError: the embedder cannot run here.
    """
    if not (folder / MANIFEST_FILE).is_file():
        raise IndexFormatError(f"{folder} is no served index: it has no {MANIFEST_FILE}",
                               next_step="Build one: ragopt build RUN --out DIR")  # fmt: skip
    progress.notice(f"device: {choose_device(given.device).printed()}")
    report = progress.phase("files", f"Checking the files of {folder}")
    try:
        refuse_unmeasurable(read_manifest(folder), given)  # hashing all files takes minutes
        index = open_index(folder, verify="full", model=given.model, device=given.device)
    except IndexFormatError as error:
        return _unreadable(folder, error)
    report(1, 1)
    with index:
        refuse_empty(index.snapshot, given)
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
        self.documents = self._new_documents()

    def run(self) -> Checked:
        """Measure everything and give the word."""
        replay = self._embedder_replay()
        canaries = self._canaries()
        usable = not any(reason.word == "broken" for reason in self.reasons)
        queries = self._queries() if usable else None
        added = self._added()
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
        exact = exact_vectors(self.snapshot, self.index.embedder if given.embed_again else None)
        if exact is None:
            raise ValueError("refuse_unmeasurable lets nothing through that has no vectors")
        vectors = self.index.embed_queries(given.questions)
        report = self.progress.phase("queries", f"Exact neighbours of {len(vectors):,} queries")
        found = fresh_recall(self.snapshot, vectors, exact, report)
        self.notes.append(f"{name}: exact neighbours are found by {found.exact_from}")
        self.reasons.append(reason_of_recall(name, found, self.manifest.k, self.floor))
        return found

    def _new_documents(self) -> list[Document] | None:
        """Those to embed: the ones that the index has already are left out, in words."""
        if self.given.documents is None:
            return None
        found = documents_of(self.given, self.manifest)
        new, note = not_there_yet(self.snapshot, found, self.given.documents_name)
        self.notes += [note] if note else []
        return new

    def _documents(self) -> CodingDrift | None:
        if self.documents is None:
            return None
        self.progress.phase("documents", f"Embedding {len(self.documents):,} documents")
        rows = prepared(self.index, self.documents, split=True)
        if len(rows.errors) < MIN_ROWS:
            raise InputError(f"{self.given.documents_name} have {len(rows.errors)} chunks",
                             allowed=f"{MIN_ROWS} or more, an interval needs them",
                             next_step="Give more documents")  # fmt: skip
        return self._drift(self.given.documents_name, coding_of(rows.errors))

    def _added(self) -> CodingDrift | None:
        """Coding errors of the rows that were added since the build and are not deleted."""
        errors = self.snapshot.added_errors
        if self.snapshot.alive is not None:
            errors = errors[self.snapshot.alive[self.manifest.n_rows - len(errors) :]]
        return self._drift(ADDED, coding_of(errors)) if len(errors) else None

    def _drift(self, what: str, coding: Coding) -> CodingDrift | None:
        found = coding_drift(what, coding, self.manifest.coding_held_out)
        if isinstance(found, str):
            self.notes.append(found)
            return None
        self.reasons.append(reason_of_drift(found))
        return found

    def _bill(self) -> Repriced | None:
        book, note = prices_today(self.manifest, self.given.book, self.given.prices)
        found = repriced(self.manifest, self.snapshot.n_alive, book)
        if isinstance(found, str):
            self.notes.append(found)
            return None
        self.notes += [note] if note else []
        return found


def compared(now: Any, kept: Any) -> EmbedderReplay:
    """Compare vectors of the same questions, both float32 (n, dim): by how much of its length each has moved."""
    before, after = kept.astype(np.float64), now.astype(np.float64)
    length = np.linalg.norm(before, axis=1)
    moved = np.linalg.norm(after - before, axis=1) / np.where(length > 0, length, 1)
    return EmbedderReplay(len(moved), int((moved > MOST_MOVE).sum()), float(moved.max()), MOST_MOVE)
