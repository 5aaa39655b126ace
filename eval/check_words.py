"""What `ragopt check` says of documents and queries of the same kind, and of another one.

SciFact without every tenth document is swept and built; those held back, and 500 of SQuAD, are the new documents. Half
of its queries measure the sweep; the others, and 400 of SQuAD, are the new queries.

    RAGOPT_SHARED=... OMP_NUM_THREADS=1 python eval/check_words.py --out eval/results/<date>-check-words.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import faiss

import ragopt

SEED = 20261126
GRID = """about = "Codes of several kinds."

[[grid]]
spaces = ["full"]
factories = ["PQ64x4fs", "PQ32np", "SQ8", "RaBitQ"]

[[grid]]
spaces = ["full"]
factories = ["PQ64x4fs,Refine(SQ8)"]
search = ["k_factor_rf=4"]
"""
N_SWEEP_QUERIES, N_NEW_QUERIES, N_OTHER_DOCUMENTS, EVERY = 700, 400, 500, 10


def write(path: Path, lines: list[str]) -> Path:
    """A JSONL file of some lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def read(path: Path) -> list[str]:
    """The lines of a JSONL file."""
    return path.read_text(encoding="utf-8").splitlines()


def material(shared: Path, work: Path) -> dict[str, Path]:
    """Corpus, queries, and what is new, of the same kind and of another one."""
    data = shared / "data"
    documents, queries = read(data / "scifact" / "corpus.jsonl"), read(data / "scifact" / "queries.jsonl")
    kept = [line for number, line in enumerate(documents) if number % EVERY]
    new = queries[N_SWEEP_QUERIES : N_SWEEP_QUERIES + N_NEW_QUERIES]
    write(work / "corpus" / "corpus.jsonl", kept)
    return {
        "corpus": work / "corpus",
        "queries": write(work / "queries.jsonl", queries[:N_SWEEP_QUERIES]),
        "same documents": write(work / "same.jsonl", documents[::EVERY]),
        "other documents": write(work / "other.jsonl", read(data / "squad" / "corpus.jsonl")[:N_OTHER_DOCUMENTS]),
        "same queries": write(work / "same-queries.jsonl", new),
        "other queries": write(work / "other-queries.jsonl", read(data / "squad" / "queries.jsonl")[:N_NEW_QUERIES]),
    }


def checks(index: Path, files: dict[str, Path]) -> list[dict[str, Any]]:
    """One check for each file of new documents or queries."""
    found = []
    for name in ("same documents", "other documents", "same queries", "other queries"):
        began = time.perf_counter()
        is_documents = "documents" in name
        what: dict[str, Any] = {"documents" if is_documents else "queries": files[name]}
        checked = ragopt.check(index, embed_again=not is_documents, **what)
        figure = checked.documents.ratio if checked.documents else checked.queries.now if checked.queries else None
        found.append({"new": name, "word": checked.word, "figure": asdict(figure) if figure else None,
                      "floor": checked.recall_floor, "seconds": time.perf_counter() - began})  # fmt: skip
    return found


def main() -> None:
    """Sweep, build every confirmed trial, check each, and write what was said."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        files = material(Path(os.environ["RAGOPT_SHARED"]), work)
        (work / "grid.toml").write_text(GRID, encoding="utf-8")
        run = ragopt.sweep(files["corpus"], queries=str(files["queries"]), n_queries=300, confirm_queries=400,
                           grid=str(work / "grid.toml"), limits={"min_recall": 0.6}, seed=SEED, finalists=5,
                           cost_model="scan", descend=False, out=work / "run", cache_dir=work / "cache")  # fmt: skip
        for number, result in enumerate(one for one in run.trials if one.confirmed and one.trial.factory != "Flat"):
            index = work / f"index-{number}"
            ragopt.build(run, out=index, trial=result.trial, cache_dir=work / "cache")
            for row in checks(index, files):
                rows.append({"trial": str(result.trial), **row})
                print(json.dumps(rows[-1]), flush=True)
    versions = {"python": sys.version.split()[0], "faiss": faiss.__version__, "ragopt": ragopt.__version__}
    told = {"seed": SEED, "machine": platform.machine(), "versions": versions, "rows": rows}
    out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
