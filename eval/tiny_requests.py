"""Make datasets/tiny/requests.jsonl.gz again: a synthetic query log over the forty documents of datasets/tiny.

    python eval/tiny_requests.py

Nobody asked these questions. The fifteen of queries.jsonl come back with a skew that was chosen, the others are asked
once; who asks what does not depend on the time. So the file shows what a log holds and how `ragopt cache` reads it, and
no share of hits in it means anything. Only `random()` of Python's generator is used, which gives the same numbers in
every version.
"""

from __future__ import annotations

import gzip
import json
import random
from bisect import bisect
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

TINY = Path(__file__).parent.parent / "datasets" / "tiny"
OUT = TINY / "requests.jsonl.gz"

SEED = 7
N_REQUESTS = 5_400  # `ragopt cache` recommends from 5,000 requests over 3 days on
DAYS = 4
FIRST = datetime(2026, 11, 2, tzinfo=UTC)
NEW_INDEX_S = 1.5 * 86_400  # before the half of the log that is counted

REPEATED_SHARE = 0.5  # of the questions that are one of the fifteen
TURNS = (0.6, 0.85, 1.0)  # a conversation has 1, 2 or 3 turns: running sum of the shares
K = 3  # documents that each request reads
INSTRUCTION_TOKENS = 420
BYTES_PER_TOKEN = 4


def skewed(rng: random.Random, n: int) -> int:
    """A number below n, in proportion to 1 / (number + 1)."""
    sums = list(accumulate(1 / (number + 1) for number in range(n)))
    return bisect(sums, rng.random() * sums[-1])


def start_seconds(rng: random.Random) -> int:
    """When a conversation begins: by day three times as often as by night."""
    while True:
        second = int(rng.random() * (DAYS * 86_400 - 600))
        if rng.random() < (1.0 if 8 <= second % 86_400 // 3600 < 20 else 1 / 3):
            return second


def read(name: str) -> list[dict[str, Any]]:
    """The lines of a file of datasets/tiny."""
    return [json.loads(line) for line in (TINY / name).read_text(encoding="utf-8").splitlines()]


class Service:
    """Answers questions over datasets/tiny, as a log would show it."""

    def __init__(self, rng: random.Random) -> None:
        """Read the documents, the questions, and which of the former answer the latter."""
        self.rng = rng
        self.documents = read("corpus.jsonl")
        self.questions = [line["text"] for line in read("queries.jsonl")]
        rows = [line.split("\t") for line in (TINY / "qrels/test.tsv").read_text(encoding="utf-8").splitlines()[1:]]
        self.judged = [[doc for query, doc, grade in rows if query == line["_id"] and int(grade)]
                       for line in read("queries.jsonl")]  # fmt: skip
        self.tokens = {line["_id"]: len(line["text"]) // BYTES_PER_TOKEN for line in self.documents}
        self.n_asked_once = 0

    def asked(self, version: str) -> tuple[str, list[str]]:
        """A question, and the documents that its search finds in this version of the index."""
        repeated = self.rng.random() < REPEATED_SHARE
        number = skewed(self.rng, len(self.questions if repeated else self.documents))
        # The same search finds the same; a new index finds another document in the last places.
        ids = [line["_id"] for line in self.documents]
        around = [ids[(3 * number + step + (version == "v2")) % len(ids)] for step in range(K)]
        if repeated:
            return self.questions[number], list(dict.fromkeys([*self.judged[number], *around]))[:K]
        self.n_asked_once += 1
        question = f"{self.documents[number]['title']}: what about case {self.n_asked_once}?"
        return question, list(dict.fromkeys([ids[number], *around]))[:K]

    def conversation(self, name: str, second: int, n_turns: int) -> list[tuple[int, dict[str, Any]]]:
        """The requests of a conversation, each with its second."""
        before: list[str] = []
        found = []
        for _ in range(n_turns):
            version = "v1" if second < NEW_INDEX_S else "v2"
            question, chunks = self.asked(version)
            row = {
                "time": (FIRST + timedelta(seconds=second)).isoformat().replace("+00:00", "Z"),
                "session": name,
                "query": question,
                **({"history": list(before)} if before else {}),
                "chunk_ids": chunks,
                "tokens_in": INSTRUCTION_TOKENS + sum(self.tokens[one] for one in chunks)
                + sum(len(one) for one in (*before, question)) // BYTES_PER_TOKEN,
                "tokens_out": 60 + 2 * len(question),
                "index_version": version,
            }  # fmt: skip
            found.append((second, row))
            before.append(question)
            second += 20 + int(self.rng.random() * 100)
        return found


def text() -> str:
    """The log's lines, in order of time."""
    rng = random.Random(SEED)  # noqa: S311 - no secret
    conversations, left = [], N_REQUESTS
    while left:
        n_turns = min(bisect(TURNS, rng.random()) + 1, left)
        conversations.append((start_seconds(rng), n_turns))
        left -= n_turns
    service = Service(rng)
    rows = [
        row
        for number, (second, n_turns) in enumerate(sorted(conversations), 1)
        for row in service.conversation(f"s{number}", second, n_turns)
    ]
    rows.sort(key=lambda row: row[0])
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for _, row in rows)


if __name__ == "__main__":
    OUT.write_bytes(gzip.compress(text().encode(), 9, mtime=0))
    print(f"{OUT.stat().st_size:,} bytes")
