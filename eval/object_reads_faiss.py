"""FAISS with its inverted lists in an object store: one range per probed list, searched by FAISS itself.

The lists lie one after another in one object, codes then ids of each; the quantizer and the list offsets are in RAM.
Each query must find exactly what the same index finds in RAM.
"""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import faiss
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from object_store_server import Store

N_QUERIES = 64
K = 10
ID_BYTES = 8
KEY = "bucket/faiss/lists"


def measure_faiss(
    name: str, corpus: NDArray[Any], queries: NDArray[Any], store: Store, url: str
) -> list[dict[str, Any]]:
    """GETs and bytes per query of `IVF<nlist>,PQ48np` at several nprobes; raises when a result differs from RAM's."""
    n_lists = 256 if len(corpus) < 50_000 else 1024
    index = faiss.index_factory(corpus.shape[1], f"IVF{n_lists},PQ48np", faiss.METRIC_INNER_PRODUCT)
    index.train(corpus[:60_000])
    index.add(corpus)
    offsets = _store_lists(index, store)
    sizes = np.array([index.invlists.list_size(number) for number in range(n_lists)])
    rows = []
    for nprobe in (5, 20, 50):
        index.nprobe = nprobe
        _, expected = index.search(queries[:N_QUERIES], K)
        store.take_log()
        gets, read = [], []
        for number, query in enumerate(queries[:N_QUERIES]):
            found = _search(index, offsets, query[None], url)
            if not np.array_equal(found[0], expected[number]):
                raise ValueError(f"query {number} found {found[0]} in the store and {expected[number]} in RAM")
            log = store.take_log()
            gets.append(len(log))
            read.append(sum(request.size_bytes for request in log))
        predicted = nprobe / n_lists * len(corpus) * (index.code_size + ID_BYTES)
        rows.append({
            "vectors": name, "n": len(corpus), "factory": f"IVF{n_lists},PQ48np", "nprobe": nprobe,
            "code_bytes": index.code_size, "gets": float(np.median(gets)), "gets_p95": float(np.percentile(gets, 95)),
            "bytes": float(np.median(read)), "bytes_p95": float(np.percentile(read, 95)),
            "bytes_mean": float(np.mean(read)), "bytes_by_mean_list": predicted,
            "imbalance": float(n_lists * (sizes.astype(float) ** 2).sum() / sizes.sum() ** 2),
        })  # fmt: skip
        print(rows[-1], flush=True)
    return rows


def _store_lists(index: Any, store: Store) -> NDArray[np.int64]:
    lists, parts = index.invlists, []
    for number in range(lists.nlist):
        size = lists.list_size(number)
        codes = faiss.rev_swig_ptr(lists.get_codes(number), size * lists.code_size) if size else np.empty(0, np.uint8)
        ids = faiss.rev_swig_ptr(lists.get_ids(number), size) if size else np.empty(0, np.int64)
        parts.append(codes.tobytes() + ids.tobytes())
    store.objects[KEY] = b"".join(parts)
    return np.cumsum([0, *map(len, parts)])


def _search(index: Any, offsets: NDArray[np.int64], query: NDArray[Any], url: str) -> NDArray[np.int64]:
    """Fetch the probed lists and search them alone."""
    _, probed = index.quantizer.search(query, index.nprobe)
    fetched = faiss.ArrayInvertedLists(index.nlist, index.code_size)
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    for number in map(int, probed[0]):
        first, end = int(offsets[number]), int(offsets[number + 1])
        if first == end:
            continue  # the offsets say that there is nothing to fetch
        connection.request("GET", f"/{KEY}", headers={"Range": f"bytes={first}-{end - 1}"})
        content = np.frombuffer(connection.getresponse().read(), np.uint8)
        size = len(content) // (index.code_size + ID_BYTES)
        # Named, because swig_ptr keeps no reference to its array.
        codes, ids = content[: size * index.code_size].copy(), content[size * index.code_size :].copy().view(np.int64)
        fetched.add_entries(number, size, faiss.swig_ptr(ids), faiss.swig_ptr(codes))
    connection.close()
    in_ram = index.invlists
    index.own_invlists = False
    index.replace_invlists(fetched, False)
    _, found = index.search(query, K)
    index.replace_invlists(in_ram, False)
    return found
