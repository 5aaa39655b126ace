"""Reads for the tests of the cache room, and the caches of textbooks to hold replays against."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from ragopt.cache.records import Reads

SHARED = os.environ.get("RAGOPT_SHARED")
needs_ragpulse = pytest.mark.skipif(not SHARED, reason="RAGOPT_SHARED does not name the public data sets")


def reads_of(requests, *, item_bytes=1, times_s=None):
    """Reads from a list of keys per request."""
    lengths = [len(request) for request in requests]
    return Reads(
        np.array([key for request in requests for key in request], dtype=np.int32),
        np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
        None if times_s is None else np.array(times_s, dtype=np.float64),
        np.array(item_bytes, dtype=np.int64) if isinstance(item_bytes, list) else item_bytes,
    )


def single_reads(keys, **rest):
    """Reads of requests that read one item each."""
    return reads_of([[key] for key in keys], **rest)


def ragpulse(field="passages"):
    """The passages, or the texts (`q`), that the requests of the public RAGPulse log read: items of one byte."""
    path = Path(SHARED) / "data/ragpulse/log.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    codes = {}
    requests = [
        [codes.setdefault(name, len(codes)) for name in (line[field] if field == "passages" else [line[field]])]
        for line in lines
    ]
    return reads_of(requests, times_s=[line["t"] for line in lines])


def lru(keys, sizes, capacity):
    """Least recently used, with an ordered dict."""
    cache, hits = OrderedDict(), []
    for key in keys:
        hits.append(key in cache)
        if key in cache:
            cache.move_to_end(key)
        elif sizes[key] <= capacity:
            while sum(cache.values()) + sizes[key] > capacity:
                cache.popitem(last=False)
            cache[key] = sizes[key]
    return hits


def lfu(keys, sizes, capacity):
    """Least often used since it came in, of equals the first that came in."""
    used, hits = {}, []
    for key in keys:
        hits.append(key in used)
        if key in used:
            used[key] += 1
        elif sizes[key] <= capacity:
            while sum(sizes[other] for other in used) + sizes[key] > capacity:
                del used[min(used, key=used.__getitem__)]
            used[key] = 0
    return hits


def sieve(keys, sizes, capacity):
    """SIEVE with a list, newest first, and the hand as an item of it (NSDI 2024, algorithm 1)."""
    queue, visited, hand, hits = [], {}, None, []
    for key in keys:
        hits.append(key in queue)
        if key in queue:
            visited[key] = True
            continue
        if sizes[key] > capacity:
            continue
        while sum(sizes[other] for other in queue) + sizes[key] > capacity:
            at = len(queue) - 1 if hand is None else queue.index(hand)
            while visited[queue[at]]:
                visited[queue[at]] = False
                at = at - 1 if at else len(queue) - 1
            hand = queue[at - 1] if at else None
            del queue[at]
        queue.insert(0, key)
        visited[key] = False
    return hits


class S3FifoOfLists:
    """S3-FIFO with lists, newest first (SOSP 2023, algorithm 1)."""

    def __init__(self, sizes, capacity):
        self.sizes, self.capacity = sizes, capacity
        self.small, self.main, self.ghost, self.freq = [], [], [], {}

    def total(self, queue):
        """Bytes of a queue."""
        return sum(self.sizes[key] for key in queue)

    def evict_main(self):
        """EVICTM of algorithm 1."""
        while True:
            tail = self.main.pop()
            if self.freq[tail] == 0:
                return
            self.main.insert(0, tail)
            self.freq[tail] -= 1

    def evict_small(self):
        """EVICTS of algorithm 1."""
        while self.small:
            tail = self.small.pop()
            if self.freq[tail] <= 1:
                self.ghost.insert(0, tail)
                while self.total(self.ghost) > 0.9 * self.capacity + 1e-9:
                    self.ghost.pop()
                return
            self.main.insert(0, tail)
            self.freq[tail] = 0
            while self.total(self.main) > 0.9 * self.capacity + 1e-9:
                self.evict_main()

    def insert(self, key):
        """INSERT and EVICT of algorithm 1."""
        while self.total(self.small) + self.total(self.main) + self.sizes[key] > self.capacity:
            if self.total(self.small) >= 0.1 * self.capacity - 1e-9 or not self.main:
                self.evict_small()
            else:
                self.evict_main()
        (self.main if key in self.ghost else self.small).insert(0, key)
        if key in self.ghost:
            self.ghost.remove(key)
        self.freq[key] = 0


def s3_fifo(keys, sizes, capacity):
    """Hits of S3-FIFO."""
    cache, hits = S3FifoOfLists(sizes, capacity), []
    for key in keys:
        hits.append(key in cache.small or key in cache.main)
        if hits[-1]:
            cache.freq[key] = min(cache.freq[key] + 1, 3)
        elif sizes[key] <= capacity:
            cache.insert(key)
    return hits


def belady(keys, sizes, capacity):
    """Evict what is read again last, by looking through the rest of the log each time."""
    cache, hits = [], []
    for at, key in enumerate(keys):
        rest = keys[at + 1 :]
        hits.append(key in cache)
        if key in cache or sizes[key] > capacity:
            continue
        while sum(sizes[other] for other in cache) + sizes[key] > capacity:
            cache.remove(max(cache, key=lambda other: rest.index(other) if other in rest else len(keys)))
        cache.append(key)
    return hits


REFERENCES = {"LRU": lru, "LFU": lfu, "SIEVE": sieve, "S3-FIFO": s3_fifo, "Belady": belady}
