"""Seconds and memory of the estimate over corpora of three sizes: they follow queries x candidates, not the corpus.

Clustered vectors (`clustered_vectors.py`) of each size, 256 questions, one small grid; each size in a process of its
own. The exact pass, which is linear in the corpus, is timed apart.

    python eval/estimate_scale.py --work DIR

Writes eval/results/<date>-estimate-scale.json and .png.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import vl_convert
from clustered_vectors import write_clustered

from ragopt.artifacts import ArtifactStore
from ragopt.bill.price_book import PriceBook
from ragopt.choose import Limits
from ragopt.measure.memory import PeakMemory, anonymous_bytes
from ragopt.sweep.grid import grid_for
from ragopt.sweep.material import gather_material
from ragopt.sweep.pricing import Pricing, workload_of
from ragopt.sweep.progress import Silent
from ragopt.sweep.run_info import machine, versions
from ragopt.sweep.selecting import Selection
from ragopt.sweep.settings import ReadyVectors, SearchPlan, SweepSettings

SIZES = (62_500, 250_000, 1_000_000)
N_QUERIES, K, SEED = 256, 10, 0
RESULTS = Path(__file__).parent / "results"

GRID = """
[[grid]]
factories = ["PQ48np", "PQ96x4fs", "SQ4", "RaBitQ"]

[[grid]]
factories = ["PCAR128,PQ16np,Refine(SQ8)", "PCAR128,PQ64x4fs,Refine(SQ8)", "PCAR96,PQ12np,Refine(SQfp16)"]
search = ["k_factor_rf=5", "k_factor_rf=10", "k_factor_rf=20", "k_factor_rf=40"]
"""


def estimate_one(folder: Path) -> dict[str, Any]:
    """Estimate the grid on one corpus, in this process, with an empty cache."""
    with tempfile.TemporaryDirectory() as cache:
        grid = Path(cache) / "grid.toml"
        grid.write_text(GRID, encoding="utf-8")
        ready = ReadyVectors(str(folder / "vectors.npy"), str(folder / "queries.npy"))
        settings = SweepSettings(ready=ready, grid=str(grid), n_queries=N_QUERIES, confirm_queries=0, cost_model="scan",
                                 limits=Limits(min_recall=None), cache_dir=Path(cache) / "store")  # fmt: skip
        store = ArtifactStore(settings.cache_dir)
        began = time.perf_counter()
        material = gather_material(settings, store, Silent())
        exact_seconds = time.perf_counter() - began
        data = material.models[0]
        pricing = Pricing(workload_of(settings.workload, data.vectors.n), PriceBook.load(), "scan", data.vectors.n, K)
        plan = SearchPlan("cosine", K, K, SEED)
        selection = Selection(store, data, plan, pricing, settings.limits, material, Silent())
        trials = grid_for(settings, data.model, data.vectors.dim, data.vectors.n)
        before, began = anonymous_bytes(), time.perf_counter()
        with PeakMemory() as peak:
            selection.estimate_all(trials)
        seconds = time.perf_counter() - began
        training = sum(
            {t.factory.split(",Refine")[0]: s.estimate.train_seconds for t, s in selection.settled.items()}.values()
        )
        most = max(settled.estimate.n_candidates for settled in selection.settled.values())
        return {
            "n": data.vectors.n,
            "n_trials": len(selection.settled),
            "n_queries": N_QUERIES,
            "n_distinct_candidates": len(np.unique(data.candidates[:, :most])),
            "read_and_exact_seconds": round(exact_seconds, 2),
            "estimate_seconds": round(seconds, 2),
            "of_it_training_cpu_seconds": round(training, 2),
            "peak_anonymous_bytes": peak.anonymous_bytes,
            "grown_bytes": peak.anonymous_bytes - before,
        }


def chart(rows: list[dict[str, Any]]) -> alt.HConcatChart:
    """Seconds and memory against the number of vectors, both axes logarithmic."""
    x = alt.X("n:Q", scale=alt.Scale(type="log", nice=False), title="vectors in the corpus")
    seconds = [
        {"n": row["n"], "seconds": row[name], "part": part}
        for row in rows
        for name, part in (("estimate_seconds", "estimate"), ("read_and_exact_seconds", "reading and exact pass"))
    ]
    memory = [{"n": row["n"], "megabytes": row["peak_anonymous_bytes"] / 1e6} for row in rows]
    left = alt.Chart(alt.InlineData(values=seconds)).mark_line(point=True).encode(
        x=x, y=alt.Y("seconds:Q", scale=alt.Scale(type="log")), color=alt.Color("part:N", title=None))  # fmt: skip
    right = alt.Chart(alt.InlineData(values=memory)).mark_line(point=True).encode(
        x=x, y=alt.Y("megabytes:Q", title="peak anonymous MB, estimating", scale=alt.Scale(zero=True)))  # fmt: skip
    return alt.hconcat(left.properties(width=330, height=260), right.properties(width=330, height=260))


def main() -> None:
    """Measure every size in a process of its own and write figures and picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=None, help="folder that keeps clustered vectors")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    options = parser.parse_args()
    if options.one:
        print(json.dumps(estimate_one(options.one)))
        return
    work = options.work or Path(tempfile.mkdtemp())
    rows = []
    for size in options.sizes:
        folder = work / f"clustered-{size}"
        if not (folder / "vectors.npy").exists():
            write_clustered(folder, n=size, seed=SEED)
        command = [sys.executable, __file__, "--one", str(folder)]
        rows.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
        print(rows[-1], flush=True)
    today = dt.datetime.now(tz=dt.UTC).date()
    result = {"about": __doc__.split("\n", 1)[0], "rows": rows, "versions": versions(), "machine": machine()}
    (RESULTS / f"{today}-estimate-scale.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    png = vl_convert.vegalite_to_png(chart(rows).to_json(), scale=2)
    (RESULTS / f"{today}-estimate-scale.png").write_bytes(png)


if __name__ == "__main__":
    main()
