"""A small run over documents with metadata, and the folders built from it, for tests of the serve room."""

import json
import random
from collections.abc import Mapping
from pathlib import Path

import ragopt
from ragopt.corpus.splitting import ChunkOptions

SECTIONS = ("billing", "search", "storage", "legal")

GRID = """
about = "Whatever a test names."

[[grid]]
spaces = {spaces}
factories = {factories}
search = {search}
"""


def documents(n: int = 400, seed: int = 0) -> list[dict[str, object]]:
    """Documents of seeded words with metadata; every 40th has the text of the one before it, under another section."""
    draw = random.Random(seed)
    words = [f"{first}{second}" for first in ("ba", "ce", "di", "fo", "gu", "ha", "ki", "lo", "mu", "ne", "pa", "ri")
             for second in ("tor", "lin", "mas", "ver", "nik", "sol", "dan", "pel")]  # fmt: skip
    made: list[dict[str, object]] = []
    for number in range(n):
        text = " ".join(draw.choices(words, k=30))
        title = f"Page {number}"
        if number % 40 == 39:
            title, text = str(made[-1]["title"]), str(made[-1]["text"])
        made.append({
            "_id": f"d{number}", "title": title, "text": text, "section": SECTIONS[number % 4],
            "year": 2000 + number % 25,
            "metadata": {"draft": number % 3 == 0, "weight": number / 8},
        })  # fmt: skip
    return made


def write_corpus(folder: Path, n: int = 400, seed: int = 0, columns: Mapping[str, str] | None = None) -> Path:
    """Write documents as a BEIR corpus, columns renamed where a test asks for it."""
    folder.mkdir(parents=True, exist_ok=True)
    names = columns or {}
    lines = (
        json.dumps({names.get(name, name): value for name, value in document.items()})
        for document in documents(n, seed)
    )
    (folder / "corpus.jsonl").write_text("".join(line + "\n" for line in lines))
    return folder


def write_queries(folder: Path, n: int, seed: int = 1) -> Path:
    """Write questions: ten words of a seeded document each."""
    draw = random.Random(seed)
    texts = [" ".join(draw.sample(str(document["text"]).split(), 10)) for document in draw.choices(documents(400), k=n)]
    lines = (json.dumps({"_id": f"q{number}", "text": text}) for number, text in enumerate(texts))
    (folder / "questions.jsonl").write_text("".join(line + "\n" for line in lines))
    return folder / "questions.jsonl"


def swept(
    folder: Path, factories: list[str], *, spaces: tuple[str, ...] = ("full",), search: tuple[str, ...] = (),
    n: int = 400, columns: Mapping[str, str] | None = None, **more: object,
) -> ragopt.Run:  # fmt: skip
    """Sweep such a corpus over the factories named; run, artifacts and corpus lie in `folder`."""
    corpus = write_corpus(folder / "corpus", n, columns=columns)
    grid = folder / "grid.toml"
    text = GRID.format(spaces=list(spaces), factories=factories, search=list(search))
    grid.write_text(text if search else text.replace("search = []\n", ""))
    settings: dict[str, object] = {
        "grid": str(grid),
        "queries": str(write_queries(folder, 200)),
        "n_queries": 100,
        "confirm_queries": 100,
        "cost_model": "scan",
        "limits": {"min_recall": 0.3},
        "chunk": ChunkOptions(chunk_tokens=None),
        "finalists": len(factories) + 1,
        "out": folder / "run",
        "cache_dir": folder / "cache",
    }
    settings |= more
    return ragopt.sweep(corpus, **settings)
