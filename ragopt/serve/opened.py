"""A served index as its users hold it: search, change, check."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args, overload

from ragopt.devices import AUTO, CPU_NAME, check_device_name, choose_device
from ragopt.embed.open_embedder import open_embedder
from ragopt.errors import InputError
from ragopt.serve.asked import asked_queries, embedded_questions
from ragopt.serve.cache_argument import CacheArgument, caches_of, check_cache_argument
from ragopt.serve.cache_counts import CacheStats
from ragopt.serve.cached_search import cached_search, search_version
from ragopt.serve.embedder_check import check_embedder
from ragopt.serve.file_checks import Verify
from ragopt.serve.filters import allowed_rows
from ragopt.serve.layout import safe_path
from ragopt.serve.nearest import checked_k, query_vectors
from ragopt.serve.row_store import row_store
from ragopt.serve.snapshot import Snapshot, open_snapshot
from ragopt.serve.table import open_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ragopt.corpus.records import Document
    from ragopt.embed.embedder import Embedder
    from ragopt.serve.caches import Caches
    from ragopt.serve.hits import Hit
    from ragopt.serve.manifest import Manifest
    from ragopt.serve.writer import Changed, Writer


def open_index(
    folder: Path | str,
    *,
    verify: Verify = "full",
    embedder: Embedder | None = None,
    model: str | None = None,
    device: str = AUTO,
    cache: CacheArgument = None,
) -> Index:
    """Open a folder that `ragopt build` wrote.

    Args:
        folder: the folder.
        verify: `full` compares the SHA-256 of every file, and whether table, rows and canaries are of each other;
            `quick` lengths, and hashes of small files, which takes milliseconds at any size: a changed byte of a large
            file may give other results, or end the process within Lance.
        embedder: turns questions into vectors; None opens the model that the manifest names when first needed.
        model: where that model lies now, a folder for example; None takes the manifest's name.
        device: where that model runs: `auto`, `cpu`, `cuda:1`, ...; see `ragopt.devices.choose_device`.
        cache: what is put in front of searches: sizes of one's own; `recommended` for those that the folder was built
            with; None for nothing. The sizes stay what they are when the folder is replaced.

    Raises:
        InputError: `verify` or `cache` is something else, the folder keeps no recommended sizes, or the device is not
            there.
        MissingExtra: a cache needs packages that are not installed.
        IndexFormatError: the folder is damaged, or of another version.
        IndexBusy: a writer changed it during every try.
    """
    if verify not in get_args(Verify):
        raise InputError(f"verify is {verify!r}", allowed=" or ".join(get_args(Verify)), next_step="Correct verify")
    check_cache_argument(cache)
    check_device_name(device)
    if device not in (AUTO, CPU_NAME):
        choose_device(device)  # what was asked for by name is there, or is told now
    # Absolute: files are read later too, when the process may work in another folder.
    snapshot = open_snapshot(Path(folder).absolute(), verify)
    return Index(snapshot, embedder=embedder, model=model, device=device, caches=caches_of(cache, snapshot))


class Index:
    """An opened index; many threads may search it, and one at a time changes it.

    Searches see the version that is current when they begin. Changes by another process are seen after `refresh`.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        embedder: Embedder | None = None,
        model: str | None = None,
        device: str = AUTO,
        caches: Caches | None = None,
    ) -> None:
        """Serve an opened version; use `open_index`."""
        self._snapshot = snapshot
        self._embedder, self._model, self._device = embedder, model, device
        self._embedder_lock, self._serve_lock, self._write_lock = threading.Lock(), threading.RLock(), threading.RLock()
        self._writer: Writer | None = None
        if embedder is not None:
            check_embedder(embedder, self.manifest)
        self._caches = caches
        if caches is not None:
            caches.serve(snapshot)

    def __repr__(self) -> str:
        """Show place, version and size."""
        return f"Index({str(self.folder)!r}, version={self.version}, n_chunks={self.n_chunks})"

    def __enter__(self) -> Self:
        """Use the index for a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop writing."""
        self.close()

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self._snapshot.root

    @property
    def manifest(self) -> Manifest:
        """What belongs to the version that is served."""
        return self._snapshot.manifest

    @property
    def snapshot(self) -> Snapshot:
        """The version that is served."""
        return self._snapshot

    @property
    def version(self) -> int:
        """Number of the version that is served: one more with every change."""
        return self._snapshot.manifest.version

    @property
    def n_chunks(self) -> int:
        """Chunks of different text that can be found."""
        return self._snapshot.n_alive

    @overload
    def search(self, queries: str, k: int = 5, where: str | None = None, *, tenant: str = "") -> list[Hit]: ...  # type: ignore[overload-overlap]
    @overload
    def search(
        self, queries: Sequence[str] | NDArray[np.float32], k: int = 5, where: str | None = None, *, tenant: str = ""
    ) -> list[list[Hit]]: ...

    def search(
        self,
        queries: str | Sequence[str] | NDArray[np.float32],
        k: int = 5,
        where: str | None = None,
        *,
        tenant: str = "",
    ) -> list[Hit] | list[list[Hit]]:
        """Find the chunks nearest to a question, to each of several, or to query vectors.

        Args:
            queries: a question; a list of questions; or float32 (n_queries, full dimension) vectors of the model, of
                any length for cosine.
            k: chunks per query.
            where: a SQL condition over metadata columns, `id`, `document`, `title` and `text`.
            tenant: whose answers of the result cache are taken and kept. It hides nothing from anybody: what a tenant
                may see is a condition for `where`.

        Returns:
            Hits best first; a list of them per query unless one question was given. There are fewer than k only where
            fewer chunks satisfy the condition.

        Raises:
            InputError: k is out of range, the condition cannot be read, the vectors do not fit, or the tenant is no
                text.
        """
        snapshot, caches = self._snapshot, self._caches
        if not isinstance(tenant, str):
            raise InputError(f"tenant is {tenant!r}", allowed="text", next_step="Give the tenant's name as text")
        one = isinstance(queries, str)
        asked = asked_queries(snapshot, [queries] if one else queries)

        def embed(texts: list[str]) -> NDArray[np.float32]:
            return embedded_questions(self.embedder, snapshot.manifest, texts, caches)

        if caches is None:
            hits = search_version(snapshot, asked, k, where, embed=embed)
        else:
            hits = cached_search(caches, snapshot, asked, k, where, tenant=tenant, embed=embed,
                                 embedder=lambda: self.embedder)  # fmt: skip
        return hits[0] if one else hits

    def nearest(
        self, vectors: NDArray[np.float32], k: int = 10, where: str | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the nearest rows of query vectors, without reading texts.

        Returns:
            float32 (n_queries, k) scores and int64 (n_queries, k) rows, -1 where there is no further one.

        Raises:
            InputError: as `search`.
        """
        snapshot = self._snapshot
        queries = query_vectors(snapshot, vectors)
        allowed = allowed_rows(snapshot, where)[0]
        store = row_store(snapshot.manifest.engine)
        return store.nearest(snapshot, queries, checked_k(k), where=where, allowed=allowed)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed questions as the run did: float32 (n, full dimension), of unit length for cosine. Raises InputError."""
        return embedded_questions(self.embedder, self.manifest, texts, self._caches)

    @property
    def embedder(self) -> Embedder:
        """The model, opened when first needed.

        Raises:
            InputError: the index was built from ready vectors and no embedder was given.
            IndexFormatError: the model is not the one that the vectors were made with.
        """
        with self._embedder_lock:
            if self._embedder is None:
                if not self.manifest.model:
                    raise InputError(
                        "This index was built from ready vectors: it cannot embed text",
                        next_step="Search with vectors, or name the model: ragopt.open(DIR, embedder=...)",
                    )
                opened = open_embedder(self._model or self.manifest.parsed_trial.space.model, device=self._device)
                check_embedder(opened, self.manifest)
                self._embedder = opened
            return self._embedder

    def canary_questions(self) -> list[str]:
        """Texts of the canaries; empty for an index of ready vectors."""
        name = self.manifest.questions
        return [str(text) for text in json.loads(safe_path(self.folder, name).read_text("utf-8"))] if name else []

    def as_lancedb(self) -> Any:
        """The LanceDB table at this version, for queries of one's own: read it, do not change it."""
        manifest = self.manifest
        return open_table(safe_path(self.folder, manifest.table).parent, manifest.table_version)

    def add(self, documents: Iterable[Document], *, split: bool = True) -> Changed:
        """Add documents; they are on the disk and found by searches when this returns.

        Args:
            documents: with ids that the index does not have.
            split: whether to cut them into chunks as the run did; False keeps each whole, its id being the chunk's.

        Raises:
            InputError: an id, of a document or a chunk, that is there already or comes twice, or a text that cannot be
                embedded.
            IndexBusy: another process is writing.
        """
        return self._write(lambda writer: writer.add(documents, split=split))

    def update(self, documents: Iterable[Document], *, split: bool = True) -> Changed:
        """Put documents in the place of those with the same ids, in one version; others are added.

        Raises:
            InputError, IndexBusy: as `add`.
        """
        return self._write(lambda writer: writer.update(documents, split=split))

    def delete(self, ids: Iterable[str]) -> Changed:
        """Delete documents, or single chunks, by id; searches that begin afterwards do not find them.

        Args:
            ids: of them; a text is one id.

        Returns:
            What was deleted; ids that are not there are listed in `missing`.

        Raises:
            IndexBusy: another process is writing.
        """
        return self._write(lambda writer: writer.delete(ids))

    def compact(self) -> Changed:
        """Rewrite the folder without what is deleted, as one segment; codes are copied; LanceDB's are made anew.

        Where every row is ranked, hits and scores stay what they were, up to the order of equal scores. What is
        searched in part (a few lists, a graph, a rescoring depth) was searched so in every segment, and then is once.
        Who opened the folder before keeps the old generation: its files go with the first compaction, or the first
        change by a newly opened writer, that finds nobody reading them.

        Raises:
            IndexBusy: another process is writing.
        """
        return self._write(lambda writer: writer.compact())

    def _write(self, change: Any) -> Changed:
        from ragopt.serve.writer import Writer  # noqa: PLC0415 - readers need no writer

        with self._write_lock:
            if self._writer is None:
                self._writer = Writer(self)
            changed: Changed = change(self._writer)
            return changed

    def serve(self, snapshot: Snapshot) -> None:
        """Serve another version from now on; searches under way finish on theirs.

        Raises:
            IndexFormatError: it is of another folder, whose vectors are of another model than the one that is open.
        """
        with self._serve_lock:
            if not snapshot.same_as(self._snapshot):
                with self._embedder_lock:
                    if self._embedder is not None:
                        check_embedder(self._embedder, snapshot.manifest)
                    self._snapshot = snapshot
                if self._caches is not None:
                    self._caches.serve(snapshot)

    def cache_stats(self) -> CacheStats:
        """What the caches have done since the index was opened; one that is off has a capacity of 0."""
        return CacheStats() if self._caches is None else self._caches.stats()

    def clear_cache(self) -> None:
        """Drop everything that the caches hold; what was counted stays."""
        if self._caches is not None:
            self._caches.clear()

    def refresh(self) -> int:
        """Serve what lies in the folder now, whoever wrote it or put it there; returns its version.

        It does not wait for a change that another thread makes through this index.

        Raises:
            IndexFormatError: the folder is damaged, or was replaced by one of another model.
            IndexBusy: a writer changed it during every try.
        """
        while True:
            before = self._snapshot
            newest = open_snapshot(self.folder, "quick")
            with self._serve_lock:
                if self._snapshot is before:  # else what was opened may be older than what another thread serves now
                    self.serve(newest)
                    return self.version

    def close(self) -> None:
        """Stop writing: another process may. Searches go on to work."""
        with self._write_lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
