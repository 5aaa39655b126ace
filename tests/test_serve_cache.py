"""`ragopt.open(DIR, cache=...)`: what is embedded, searched and read again, and what never is."""

import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ragopt
from ragopt.cache.settings import CacheSettings
from ragopt.errors import IndexFormatError, InputError, MissingExtra
from ragopt.serve.batcher import QueryBatcher
from ragopt.serve.build import build_index
from ragopt.serve.cache_argument import recommended_settings, with_cache_settings
from ragopt.serve.cache_counts import CacheStats
from ragopt.serve.caches import Caches
from ragopt.serve.opened import Index
from ragopt.sweep.progress import Silent
from ragopt.sweep.run_folder import read_run
from tests.cached import ROOMY, Hands, NotingEmbedder, opened_cached
from tests.helpers import run_python
from tests.killed import copy_of
from tests.small_served import HashEmbedder, build, documents, opened, question

B1, B2, B3 = (question(name) for name in ("b1", "b2", "b3"))
N_SEARCHERS, N_CHANGES = 8, 20


@pytest.fixture(scope="module")
def folder(small, tmp_path_factory):
    """A built folder with two added documents of metadata; tests change copies."""
    out = build(small, tmp_path_factory.mktemp("cached") / "index")
    with opened(out) as index:
        index.add([*documents(["n0"], even=True), *documents(["n1"], even=False)], split=False)
    return out


def counts(index):
    """Hits and misses of each cache."""
    stats = index.cache_stats()
    return [(one.hits, one.misses) for one in (stats.embedding, stats.result, stats.chunk)]


def test_a_repeated_question_is_neither_embedded_nor_searched_nor_read(folder):
    """Its answer comes from the result cache alone; the same as without caches."""
    index = opened_cached(folder)
    first = index.search(B1, 3)
    assert counts(index) == [(0, 1), (0, 1), (0, 3)]
    assert index.search(B1, 3) == first == opened(folder).search(B1, 3)
    assert counts(index) == [(0, 1), (1, 1), (0, 3)]
    assert index.embedder.asked == [B1]


@pytest.mark.parametrize(
    "other", [{"k": 4}, {"where": "even = true"}, {"where": "even = true "}, {"tenant": "acme"}], ids=str
)
def test_another_k_condition_or_tenant_is_another_answer(folder, other):
    """It is searched, with the vector that is known; asked twice it is known too."""
    index = opened_cached(folder)
    index.search(B1, 3)
    for _ in range(2):
        asked = {"k": 3, **other}
        found = index.search(B1, **asked)
        asked.pop("tenant", None)
        assert found == opened(folder).search(B1, **asked)
    assert counts(index)[:2] == [(1, 1), (1, 2)]
    assert index.embedder.asked == [B1]


def test_of_a_list_only_what_is_not_known_is_embedded(folder):
    """In the order of the list, a question that comes twice once."""
    index = opened_cached(folder)
    index.search(B2, 3)
    asked = [B1, B2, B3, B1]
    assert index.search(asked, 3) == opened(folder).search(asked, 3)
    assert index.embedder.asked == [B2, B1, B3]
    assert counts(index)[:2] == [(0, 3), (1, 3)]
    assert index.search([], 3) == []


def test_vectors_are_found_again_by_their_bytes(folder):
    """No model is asked; a vector of another length is the same one for cosine, another direction is not."""
    index, vectors = opened_cached(folder), HashEmbedder().embed_queries([B1, B2])
    first = index.search(vectors, 3)
    assert index.search(vectors * 4, 3) == first
    assert index.search(vectors[::-1], 3) == first[::-1]
    assert counts(index)[1] == (4, 2)
    assert index.search(-vectors, 3) == opened(folder).search(-vectors, 3)
    assert counts(index)[1] == (4, 4)
    assert index.embedder.asked == []


def test_lines_are_read_once(folder, monkeypatch):
    """With the chunk cache alone an answer that overlaps another reads only the lines that are new."""
    read = []
    take = ragopt.serve.cached_search.take_lines
    monkeypatch.setattr(
        "ragopt.serve.cached_search.take_lines", lambda table, ids: read.append(len(ids)) or take(table, ids)
    )
    index = opened_cached(folder, CacheSettings(chunk_bytes=1 << 20))
    index.search(B1, 2)
    assert index.search(B1, 5) == opened(folder).search(B1, 5)
    assert read == [2, 3]
    assert counts(index) == [(0, 0), (0, 0), (2, 5)]


def test_what_a_caller_does_to_hits_and_vectors_changes_no_later_answer(folder):
    """Lists, metadata and arrays are the caller's own, from the first call on and from every cache."""
    for settings in (ROOMY, CacheSettings(chunk_bytes=1 << 20), CacheSettings(result_bytes=1 << 20)):
        index, wanted = opened_cached(folder, settings), opened(folder).search(question("n0"), 3)
        for _ in range(3):
            hits = index.search(question("n0"), 3)
            assert hits == wanted
            hits[0].metadata["even"] = "spoilt"
            hits.clear()
    index = opened_cached(folder)
    wanted = opened(folder).embed_queries([B1])
    for _ in range(3):
        vectors = index.embed_queries([B1])
        assert (vectors == wanted).all()
        vectors[:] = 7


def test_every_change_drops_answers_and_lines_but_not_vectors(folder, ram):
    """Add, update, delete, compact and a refresh after another's change: all of them at once, each seen at once."""
    index, other = opened_cached(copy_of(folder, ram / "index")), opened(ram / "index")
    asked = question("n2")

    def by_another():
        index.close()
        other.refresh()
        with other:
            other.add(documents(["n2"]), split=False)
        index.refresh()

    changes = [
        lambda: index.add(documents(["n2"], even=True), split=False),
        lambda: index.update(documents(["n2"], even=False), split=False),
        lambda: index.delete(["n2"]),
        index.compact,
        by_another,
    ]
    for change in changes:
        index.search(asked, 2)
        change()
        stats = index.cache_stats()
        assert (stats.result.n_entries, stats.chunk.n_entries, stats.embedding.n_entries) == (0, 0, 1)
        assert index.search(asked, 2) == opened(ram / "index").search(asked, 2)
    assert index.search(asked, 1)[0].id == "n2"
    assert index.embedder.asked == [asked]
    index.refresh()
    assert index.cache_stats().result.n_entries > 0, "a refresh that finds nothing new drops nothing"


def test_a_folder_of_the_same_version_in_the_place_of_another_is_not_answered_for(small, ram):
    """After a refresh its own documents are found, though folder, version and generation have the same names."""
    for name, document in (("live", "stale"), ("next", "fresh")):
        with opened(build(small, ram / name)) as index:
            index.add(documents([document]), split=False)
    index = opened_cached(ram / "live")
    asked = question("stale")
    assert index.search(asked, 1)[0].id == "stale"
    (ram / "live").rename(ram / "old")
    (ram / "next").rename(ram / "live")
    assert (index.version, index.refresh()) == (2, 2)
    assert index.search(asked, 3) == opened(ram / "live").search(asked, 3)
    assert index.search(question("fresh"), 1)[0].id == "fresh"


def test_a_search_that_is_under_way_when_the_version_changes_keeps_nothing(folder, ram):
    """It answers from its own version; the next search is of the new one."""

    class Deleting(NotingEmbedder):
        def embed_queries(self, texts):
            if not self.asked:
                index.delete(["n0"])
            return super().embed_queries(texts)

    index = opened_cached(copy_of(folder, ram / "index"))
    index._embedder = Deleting()
    assert index.search(question("n0"), 1)[0].id == "n0"
    assert index.cache_stats().result.n_entries == index.cache_stats().chunk.n_entries == 0
    assert index.search(question("n0"), 1)[0].id != "n0"


def test_another_model_or_metric_has_vectors_of_its_own(folder):
    """A vector of unit length is not given to who needs the model's own length, nor one model's to another."""

    class Other(NotingEmbedder):
        identity = {"model": "another"}  # noqa: RUF012 - as an embedder has it

        def embed_queries(self, texts):
            return -super().embed_queries(texts)

    index = opened_cached(folder)
    unit = index.embed_queries([B1])
    manifest = replace(index.manifest, metric="ip")
    index.serve(replace(index.snapshot, manifest=manifest))
    longer = index.embed_queries([B1])
    assert (longer == HashEmbedder().embed_queries([B1])).all()
    assert not np.allclose(longer, unit)
    index._embedder = Other()
    assert (index.embed_queries([B1]) == -longer).all()
    assert counts(index)[0] == (0, 3)


def test_entries_of_answers_expire(folder):
    """After their time they are searched again; the vector's time is its own."""
    hands = Hands()
    index = opened_cached(folder, replace(ROOMY, ttl_s=10), hands)
    index.search(B1, 3)
    hands.now_s = 6
    index.search(B1, 4)
    hands.now_s = 10
    index.search(B1, 3)
    index.search(B1, 4)
    stats = index.cache_stats()
    assert (stats.result.expired, stats.embedding.expired, stats.result.hits) == (1, 1, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": True}, "k is True"), ({"k": 0}, "k is 0"), ({"where": 7}, "it is no text"),
        ({"where": ["even"]}, "it is no text"), ({"where": "odd = true"}, "cannot be used"),
        ({"tenant": None}, "tenant is None"), ({"tenant": 3}, "tenant is 3"),
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_whatever_is_known(folder, arguments, message):
    """Also after the same question was answered; with caches and without."""
    cached = opened_cached(folder)
    cached.search(B1, 1)
    for index in (cached, opened(folder)):
        for queries in (B1, [B1], HashEmbedder().embed_queries([B1])):
            with pytest.raises(InputError, match=message):
                index.search(queries, **{"k": 1, **arguments})


def test_stats_are_one_line_and_clearing_keeps_the_counts(folder):
    """An index without caches has stats of zero and shows them as off."""
    plain = opened(folder)
    plain.clear_cache()
    assert plain.cache_stats() == CacheStats()
    assert repr(plain.cache_stats()) == "CacheStats(embedding: off; result: off; chunk: off)"
    index = opened_cached(folder, CacheSettings(result_bytes=1 << 20))
    index.search(B1, 1)
    index.clear_cache()
    stats = index.cache_stats()
    assert (stats.result.n_entries, stats.result.size_bytes, stats.result.misses) == (0, 0, 1)
    assert repr(stats) == (
        "CacheStats(embedding: off; result: 0 of 1 hit, 0 entries of 0 of 1,048,576 bytes, 0 evicted, 0 expired, "
        "0 bypassed; chunk: off)"
    )


def test_an_answer_larger_than_the_cache_is_given_and_not_kept(folder):
    """It is counted as bypassed every time."""
    index = opened_cached(folder, CacheSettings(result_bytes=1000))
    assert index.search(B1, 50) == index.search(B1, 50) == opened(folder).search(B1, 50)
    assert (index.cache_stats().result.bypassed, index.cache_stats().result.n_entries) == (2, 0)


@pytest.mark.parametrize("own", ["embedding", "result", "chunk"])
def test_one_cache_may_have_a_policy_of_its_own(own, monkeypatch):
    """Of three LRU caches one is told LFU, and it alone has it."""
    made = {}
    monkeypatch.setattr("ragopt.serve.caches.ByteCache", lambda size, *, policy, **_: made.setdefault(size, policy))
    Caches(CacheSettings(1, 2, 3, policy="LRU", **{f"{own}_policy": "LFU"}))
    size = {"embedding": 1, "result": 2, "chunk": 3}[own]
    assert made == {1: "LRU", 2: "LRU", 3: "LRU", size: "LFU"}


@pytest.mark.parametrize(("own", "asked"), [(None, 4), ("LFU", 3)])
def test_the_policy_of_one_cache_says_what_it_evicts(folder, own, asked):
    """Room for two vectors: b1 twice, b2, b3, then b1 again; LFU keeps what was asked twice, LRU dropped it."""
    room = opened_cached(folder, CacheSettings(embedding_bytes=1 << 20))
    room.search(B1, 1)
    two = int(2.5 * room.cache_stats().embedding.size_bytes)
    index = opened_cached(folder, CacheSettings(embedding_bytes=two, policy="LRU", embedding_policy=own))
    for asking in (B1, B1, B2, B3, B1):
        index.search(asking, 1)
    assert len(index.embedder.asked) == asked


def test_the_batcher_hands_the_tenant_on(folder):
    """Questions of two tenants are two searches, each with its own entries; one without a tenant is no keyword."""
    index = opened_cached(folder)
    with QueryBatcher(index) as batcher:
        for tenant in ("acme", "acme", "globex", ""):
            assert batcher.search(B1, k=3, tenant=tenant) == opened(folder).search(B1, 3)
        with pytest.raises(InputError, match="tenant is 3"):
            batcher.submit(B1, tenant=3)
    assert counts(index)[:2] == [(2, 1), (1, 3)]
    assert index.embedder.asked == [B1]


def test_adapters_profit(folder):
    """LangChain's and LlamaIndex's second question comes from the result cache, under the tenant of the adapter."""
    from ragopt.serve.langchain import RagoptVectorStore  # noqa: PLC0415 - loaded when first used
    from ragopt.serve.llamaindex import RagoptRetriever  # noqa: PLC0415 - loaded when first used

    index = opened_cached(folder)
    for tenant in ("", "acme"):
        store, retriever = (
            RagoptVectorStore(index, tenant=tenant),
            RagoptRetriever(index, similarity_top_k=4, tenant=tenant),
        )
        first = [one.page_content for one in store.similarity_search(B1, 4)]
        assert [one.page_content for one in store.similarity_search(B1, 4)] == first
        assert len(retriever.retrieve(B1)) == 4
    assert counts(index)[:2] == [(1, 1), (4, 2)]


def test_a_folder_keeps_what_its_build_was_told(small, ram):
    """`recommended` opens with it, also after changes and compactions; a folder without it says what to do."""
    settings = CacheSettings(result_bytes=1 << 20, policy="LFU", ttl_s=60)
    build_index(
        read_run(small / "run"), out=ram / "index", cache_dir=small / "cache", progress=Silent(), cache=settings
    )
    with opened(ram / "index") as index:
        index.add(documents(["n0"]), split=False)
        index.compact()
    index = ragopt.open(ram / "index", embedder=HashEmbedder(), cache="recommended")
    assert recommended_settings(index.folder, index.manifest) == settings
    index.search(B1, 1)
    assert index.cache_stats().result.capacity_bytes == 1 << 20
    build(small, ram / "plain")
    with pytest.raises(InputError, match=r"keeps no recommended cache.*ragopt cache LOG"):
        ragopt.open(ram / "plain", cache="recommended")
    manifest = with_cache_settings(index.manifest, None)
    assert manifest == index.manifest
    damaged = replace(manifest, about={**manifest.about, "cache": {"result_bytes": -1}})
    with pytest.raises(IndexFormatError, match="cannot be read: Cache settings hold result_bytes"):
        recommended_settings(Path("index"), damaged)


@pytest.mark.parametrize("cache", ["Recommended", True, 1 << 20, {"result_bytes": 1}], ids=str)
def test_an_argument_that_is_no_cache_is_refused(tmp_path, cache):
    """Before the folder is even looked at."""
    with pytest.raises(InputError, match="cache is"):
        ragopt.open(tmp_path, cache=cache)


def test_a_missing_extra_is_named_before_the_folder_is_read(tmp_path, monkeypatch):
    """With the line that installs it; settings that switch nothing on need nothing."""
    monkeypatch.setitem(sys.modules, "cachebox", None)
    for cache in (ROOMY, "recommended"):
        with pytest.raises(MissingExtra, match=r"pip install 'ragopt\[cache\]'"):
            ragopt.open(tmp_path, cache=cache)
    with pytest.raises(IndexFormatError):
        ragopt.open(tmp_path, cache=CacheSettings())


def test_an_index_without_caches_loads_no_library_for_them(folder):
    """The package is imported when a cache is asked for, not before."""
    answer = run_python(f"""
        import sys, ragopt
        from tests.small_served import HashEmbedder
        for cache in (None, ragopt.CacheSettings(), ragopt.CacheSettings(1000)):
            index = ragopt.open({str(folder)!r}, verify="quick", embedder=HashEmbedder(), cache=cache)
            index.search("base 1")
            print("cachebox" in sys.modules)
    """)
    assert answer.stdout.split() == ["False", "False", "True"], answer.stderr


def searched(index, asked, stop, seen, failures, seed):
    """Ask in turn until told to stop; every third answer is spoilt by its caller."""
    try:
        number = seed
        while not stop.is_set():
            name, where, k = asked[number % len(asked)]
            start = time.monotonic()
            hits = index.search(question(name), k, where, tenant=str(seed % 2))
            seen.append((start, time.monotonic(), (name, where, k), list(hits)))
            number += 1
            time.sleep(0.001)  # a hit takes microseconds: without a pause the writer would hardly get a turn
    except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
        failures.append(repr(error))


def test_eight_threads_search_while_one_changes(folder, ram):
    """Every answer is that of a version that was served at some time between its begin and its end."""
    index = opened_cached(copy_of(folder, ram / "index"), replace(ROOMY, result_bytes=20_000, chunk_bytes=20_000))
    asked = [(name, where, k) for name in ("n0", "n1", "n2", "b1") for where in (None, "even = true") for k in (1, 4)]

    def answers():
        plain = Index(index.snapshot, embedder=HashEmbedder())
        return {one: plain.search(question(one[0]), one[2], one[1]) for one in asked}

    versions = [(0.0, 0.0, answers())]  # change began, returned, answers afterwards
    stop, seen, failures = threading.Event(), [], []
    threads = [threading.Thread(target=searched, args=(index, asked, stop, seen, failures, seed))
               for seed in range(N_SEARCHERS)]  # fmt: skip
    for thread in threads:
        thread.start()
    for number in range(N_CHANGES):
        began = time.monotonic()
        if number % 10 == 9:
            index.compact()
        elif number % 2:
            index.delete(["n2"])
        else:
            index.update(documents(["n0", "n2"], even=bool(number % 4)), split=False)
        versions.append((began, time.monotonic(), answers()))
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    ends = [returned for _, returned, _ in versions[1:]] + [float("inf")]
    for start, end, one, hits in seen:
        possible = [
            found[one] for (began, _, found), gone in zip(versions, ends, strict=True) if began <= end and gone >= start
        ]
        assert hits in possible, one
    stats = index.cache_stats()
    assert len(seen) > 3 * N_CHANGES
    assert stats.result.hits > len(seen) / 10
    assert stats.result.hits + stats.result.misses <= len(seen)
