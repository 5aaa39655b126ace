"""Ten thousand random operations on a cached index: no answer is stale, expired, or of another key than was asked."""

import random
from collections import Counter
from dataclasses import replace

import faiss
import numpy as np
import pytest

from ragopt.cache.settings import CacheSettings
from ragopt.serve.build import build_index
from ragopt.serve.byte_cache import ByteCache
from ragopt.serve.lance_build import LanceTarget
from ragopt.serve.result_cache import ResultCache
from ragopt.sweep.progress import Silent
from ragopt.sweep.run_folder import read_run
from tests.cached import Hands, NotingEmbedder, opened_cached
from tests.small_served import TRIAL, build, documents, opened, question

N_OPERATIONS = {"faiss": 8_200, "lancedb": 1_900}
TTL_S = 100.0
SMALL = CacheSettings(embedding_bytes=6_000, result_bytes=150_000, chunk_bytes=8_000, ttl_s=TTL_S)
"""So small that every cache evicts."""

NAMES = [f"n{number}" for number in range(12)]
ASKED = [*NAMES, "b1", "b2", "b3"]
CONDITIONS = (None, "even = true", "even = false", "document LIKE 'n%'")
TENANTS = ("", "acme", "globex")
DEPTHS = (1, 3, 5)
N_HABITS = 6


def built(small, out, engine):
    """A folder of an engine with two documents that have metadata."""
    if engine == "faiss":
        build(small, out, TRIAL)
    else:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ragopt.serve.lance_tuning.N_TIMED", 5)
            patch.setattr("ragopt.serve.lance_build.N_TIMED", 20)
            build_index(read_run(small / "run"), out=out, cache_dir=small / "cache", progress=Silent(),
                        lance=LanceTarget("IVF_FLAT", 0.1))  # fmt: skip
    with opened(out) as index:
        index.add([*documents(["n0"], even=True), *documents(["n1"], even=False)], split=False)
    return out


class Marking(ByteCache):
    """Writes into every answer that it keeps what it was kept under, and when."""

    def put(self, version, key, value, size_bytes):
        """Mark and keep."""
        mark = repr((version, *key, self._clock()))
        super().put(version, key, tuple(replace(hit, also_in=(mark,)) for hit in value), size_bytes)


class Driver:
    """A cached index, its uncached twin, and a second writer of the same folder."""

    def __init__(self, folder, seed):
        self.rng, self.hands = random.Random(seed), Hands()
        self.cached = opened_cached(folder, SMALL, self.hands)
        self.caches = self.cached._caches
        marking = Marking(SMALL.result_bytes, policy="LRU", ttl_s=TTL_S, clock=self.hands)
        self.caches._result, self.caches.results = marking, ResultCache(marking)
        self.caches.serve(self.cached.snapshot)
        self.twin, self.other = opened(folder), opened(folder)
        self.there, self.ahead, self.known = {"n0", "n1"}, False, {}
        self.habits, self.done, self.n_marked = [], Counter(), 0

    def expected(self, query, k, where):
        """What the uncached twin finds; found once per version."""
        key = (query if isinstance(query, str) else query.tobytes(), k, where)
        if key not in self.known:
            asked = query if isinstance(query, str) else query[np.newaxis]
            found = self.twin.search(asked, k, where)
            self.known[key] = found if isinstance(query, str) else found[0]
        return self.known[key]

    def check(self, hits, query, k, where, tenant):
        """Compare one answer with the twin's, and its mark with what was asked; then spoil it."""
        marks = {hit.also_in for hit in hits}
        assert len(marks) <= 1, "hits of one answer come from one entry"
        for (mark,) in marks - {()}:
            *kept_under, written_s = eval(mark, {"array": np.array})  # noqa: S307 - written by this test
            model = None if not isinstance(query, str) else self.caches._model
            text = query if isinstance(query, str) else query.tobytes()
            assert kept_under == [self.caches.number_of(self.cached.snapshot), tenant, where, k, model, text]
            assert self.hands.now_s - written_s < TTL_S
            self.n_marked += 1
        assert [replace(hit, also_in=()) for hit in hits] == self.expected(query, k, where)
        for hit in hits:
            hit.metadata["spoilt"] = True
        hits.clear()

    def search(self):
        """One question, a list of them with repetitions, or vectors; mostly one of a few that are asked again."""
        if self.rng.random() < 0.07 or len(self.habits) < N_HABITS:
            kind = self.rng.choice(["text", "text", "list", "vectors"])
            names = self.rng.choices(ASKED, k=1 if kind == "text" else self.rng.randint(1, 4))
            ask = (kind, [question(name) for name in names], self.rng.choice(DEPTHS), self.rng.choice(CONDITIONS))
            self.habits = [ask, *self.habits][:N_HABITS]
        else:
            ask = self.rng.choice(self.habits)
        kind, texts, k, where = ask
        tenant = self.rng.choice(TENANTS)
        if kind == "text":
            self.check(self.cached.search(texts[0], k, where, tenant=tenant), texts[0], k, where, tenant)
            return
        asked = texts if kind == "list" else self.twin.embed_queries(texts)
        answers = self.cached.search(asked, k, where, tenant=tenant)
        assert len(answers) == len(asked)
        for hits, query in zip(answers, asked, strict=True):
            self.check(hits, query, k, where, tenant)

    def change(self):
        """Add, update, delete or compact through the cached index, or through another that it does not know of."""
        if self.ahead:
            self.refresh()
        index = self.rng.choice([self.cached, self.other])
        if index is self.other:
            index.refresh()
        away = [name for name in NAMES if name not in self.there]
        here = [name for name in NAMES if name in self.there]
        kind = self.rng.choice(["add", "delete", "update", "compact"])
        names = self.rng.sample(away if kind == "add" else here, min(2, len(away if kind == "add" else here)))
        new = [one for name in names for one in documents([name], even=bool(self.rng.randrange(2)))]
        with index:
            if kind == "compact":
                index.compact()
            elif kind == "delete":
                index.delete([*names, "not there"])
            else:
                getattr(index, kind)(new, split=False)
        if kind != "compact":
            self.there = self.there - set(names) if kind == "delete" else self.there | set(names)
        self.done[kind] += 1
        self.ahead = index is self.other
        if not self.ahead:
            self.refresh()

    def refresh(self):
        """Cached index and twin serve what lies in the folder."""
        assert self.cached.refresh() == self.twin.refresh()
        self.known, self.ahead = {}, False
        self.done["refresh"] += 1

    def step(self):
        """Do one operation."""
        kind = self.rng.choices(["search", "advance", "change", "refresh", "clear"], weights=[966, 20, 7, 5, 2])[0]
        if kind == "advance":
            self.hands.now_s += self.rng.choice([1.0, 30.0, TTL_S, 2 * TTL_S])
        elif kind == "clear":
            self.cached.clear_cache()
        else:
            getattr(self, kind)()
        self.done[kind] += 1
        for counts in (stats := self.cached.cache_stats()).embedding, stats.result, stats.chunk:
            assert counts.size_bytes <= counts.capacity_bytes
        return stats


@pytest.fixture(autouse=True)
def one_thread():
    """FAISS on one thread: over 300 vectors its threads mostly wait for each other."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize("engine", N_OPERATIONS)
def test_no_answer_is_stale_expired_or_of_another_tenant(engine, small, ram):
    """Every answer is the twin's, and a kept one was kept for this version, tenant, condition, k, model and query."""
    driver = Driver(built(small, ram / "index", engine), seed=20261126)
    for _ in range(N_OPERATIONS[engine]):
        stats = driver.step()
    assert all(driver.done[kind] > 0 for kind in ("add", "delete", "update", "compact", "refresh", "advance"))
    assert driver.n_marked > N_OPERATIONS[engine] / 10, "a cache that never hits is never stale"
    for counts in (stats.embedding, stats.result, stats.chunk):
        assert min(counts.hits, counts.misses, counts.evictions, counts.expired) > 0, repr(stats)
    assert isinstance(driver.cached.embedder, NotingEmbedder)
    assert len(driver.cached.embedder.asked) == stats.embedding.misses
