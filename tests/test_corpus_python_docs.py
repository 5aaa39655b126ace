"""The embedded corpus: real text, the same every time, read without importing anything."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from ragopt.corpus.documents import ReadOptions, read_documents
from ragopt.corpus.known_items import known_item_queries
from ragopt.corpus.python_docs import DEPENDENCIES, MAX_DOCUMENTS, read_python_docs

ROOT = Path(__file__).parent.parent


def test_the_corpus_holds_topics_builtins_and_docstrings():
    """A few well-known texts are there, none is short, and ids are sorted and unique."""
    documents = {document.id: document for document in read_documents("python-docs", ReadOptions())}
    assert 1_000 < len(documents) <= MAX_DOCUMENTS
    assert list(documents) == sorted(documents)
    assert documents["topics.assert"].text.startswith('The "assert" statement\n\n')
    assert documents["builtins.print"].text.startswith("Prints the values to a stream")
    assert all(len(document.text.split()) >= 30 and document.title == "" for document in documents.values())


def test_first_sentences_are_the_known_items():
    """Titles are empty, so the rule for this corpus is the first sentence."""
    queries, _ = known_item_queries(read_python_docs(), n_queries=500, seed=0)
    assert len(queries.ids) == 500
    assert "first sentences" in queries.source


def test_a_second_process_reads_the_same_and_imports_no_dependency():
    """Same installation, same corpus; the packages that are read are parsed, not imported."""
    code = (
        "import sys, hashlib\n"
        "from ragopt.corpus.python_docs import read_python_docs\n"
        "docs = read_python_docs()\n"
        "print(hashlib.sha256(repr(docs).encode()).hexdigest())\n"
        "print(sorted({'scipy', 'lancedb', 'altair', 'rich', 'turtle', 'antigravity'} & set(sys.modules)))\n"
    )
    run = [sys.executable, "-W", "error", "-c", code]
    first = subprocess.run(run, capture_output=True, text=True, check=True, cwd=ROOT)
    import hashlib  # noqa: PLC0415 - beside its use in the other process

    here = hashlib.sha256(repr(read_python_docs()).encode()).hexdigest()
    assert first.stdout.split("\n")[:2] == [here, "[]"]
    assert first.stderr == ""


def test_the_fixed_list_is_the_projects_own():
    """A source tree that is not installed reads the same packages as an installation."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.match(r"[A-Za-z0-9._-]+", line)[0] for line in project["dependencies"]]
    assert sorted(names) == sorted(DEPENDENCIES)
