"""A small real searcher for the tests of the serving room: wordllama's vectors in a flat FAISS index."""

import functools
import itertools
import threading

import faiss
import numpy as np

from ragopt.embed.wordllama import WordLlamaEmbedder

WORDS = (
    "apple", "river", "engine", "doctor", "violin", "winter", "banker", "copper", "desert", "eagle", "forest",
    "garden", "hammer", "island", "jacket", "kitchen", "lemon", "market", "needle", "ocean", "planet", "queen",
    "rabbit", "saddle", "tunnel", "umbrella", "valley", "window", "yellow", "zebra", "anchor", "bridge",
    "candle", "dragon", "elbow", "feather", "giraffe", "harbor", "iron", "jungle",
)  # fmt: skip


def distinct_questions(n: int) -> list[str]:
    """Pairs of words, no two with the same words: no two have the same mean of token vectors."""
    return [" ".join(pair) for pair in itertools.islice(itertools.combinations(WORDS, 2), n)]


@functools.cache
def wordllama() -> WordLlamaEmbedder:
    """The model, loaded once for all searchers of a test run."""
    return WordLlamaEmbedder()


class FlatSearcher:
    """Answers are lists of (text, score), best first; `where` keeps passages that hold it; notes every call.

    A question that begins with `bad` makes its whole call fail.
    """

    def __init__(self, passages: list[str]) -> None:
        self.passages, self.embedder = passages, wordllama()
        vectors = self.embedder.embed_documents(passages)
        faiss.normalize_L2(vectors)
        self.index = faiss.IndexFlatIP(vectors.shape[1])
        self.index.add(vectors)
        self.calls: list[tuple[tuple[str, ...], int, str | None]] = []
        self._lock = threading.Lock()

    def search(self, queries, k=5, where=None):
        """Search a list of questions."""
        with self._lock:
            self.calls.append((tuple(queries), k, where))
        if bad := [text for text in queries if text.startswith("bad")]:
            raise ValueError(bad[0])
        vectors = self.embedder.embed_queries(queries)
        faiss.normalize_L2(vectors)
        params = None
        if where is not None:
            rows = [row for row, text in enumerate(self.passages) if where in text]
            params = faiss.SearchParameters(sel=faiss.IDSelectorBatch(np.array(rows, dtype=np.int64)))
        scores, rows = self.index.search(vectors, k, params=params)
        return [
            [(self.passages[row], float(score)) for row, score in zip(*one, strict=True) if row >= 0]
            for one in zip(rows, scores, strict=True)
        ]


class GatedSearcher(FlatSearcher):
    """A FlatSearcher whose calls wait until the test opens the gate, so that a test decides what gathers meanwhile."""

    def __init__(self, passages: list[str]) -> None:
        super().__init__(passages)
        self.entered, self.gate = threading.Semaphore(0), threading.Event()

    def search(self, queries, k=5, where=None):
        """Say that the call began, wait for the gate, search."""
        self.entered.release()
        assert self.gate.wait(30)
        return super().search(queries, k, where)


class ManualClock:
    """A clock whose hands only the test turns; `sleeping` counts the waits, each with its timeout."""

    def __init__(self) -> None:
        self.ms, self.timeouts, self.sleeping = 0.0, [], threading.Semaphore(0)
        self.condition = None

    def now_ms(self) -> float:
        """The hands."""
        return self.ms

    def wait(self, condition, timeout_ms) -> None:
        """Sleep until the batcher or the test gives notice, whatever the machine's clock says."""
        self.condition = condition
        self.timeouts.append(timeout_ms)
        self.sleeping.release()
        assert condition.wait(30)

    def advance(self, ms: float) -> None:
        """Turn the hands and wake the sleeper."""
        with self.condition:
            self.ms += ms
            self.condition.notify_all()
