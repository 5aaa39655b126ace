"""Graphs are always built: which vectors a graph search meets depends on the whole corpus, not on the candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ragopt.index.build import add_blocks, set_search, with_refine
from ragopt.index.factory import parse_factory
from ragopt.measure.neighbours import recall_vs_exact
from ragopt.sweep.bench import prepared

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from ragopt.records import Trial
    from ragopt.sweep.bench import Bench, TrainedCodec
    from ragopt.sweep.estimate_stage import Estimate
    from ragopt.sweep.groups import Group
    from ragopt.sweep.query_sample import QuerySample

GRAPH_FILE = "graph.faiss"


def estimate_graph(bench: Bench, group: Group, sample: QuerySample) -> dict[Trial, Estimate]:
    """Build the graph of a group over the whole corpus, once, and search it for real with every trial of the group.

    Raises:
        SpecError: this corpus cannot train it.
    """
    from ragopt.sweep.estimate_stage import Estimate  # noqa: PLC0415 - that module hands graphs to this one

    codec = bench.codec(group.base)
    graph = {"kind": "graph", "format": 2, "codec": codec.key}
    recipe = {
        **graph,
        "kind": "graph-search",
        "queries": sample.key,
        "trials": [str(trial) for trial in group.trials],
        "n_results": bench.plan.n_results,
    }

    def make(folder: Path) -> None:
        index = _built(bench, codec, graph)
        np.savez(folder / "found.npz", found=np.stack([_search(bench, index, t, sample) for t in group.trials]))

    with np.load(bench.store.get_or_make(recipe, make) / "found.npz", allow_pickle=False) as stored:
        found = stored["found"]
    truth, k = sample.exact, bench.plan.k
    estimates = {}
    for trial, rows in zip(group.trials, found, strict=True):
        recall = recall_vs_exact(rows, truth, k=k)
        estimates[trial] = Estimate(trial, rows, recall, recall, None, 0, codec.train_seconds, None)
    return estimates


def _built(bench: Bench, codec: TrainedCodec, recipe: dict[str, Any]) -> Any:
    import faiss  # noqa: PLC0415 - loaded when first used

    def make(folder: Path) -> None:
        add_blocks(codec.index, bench.blocks())
        faiss.write_index(codec.index, str(folder / GRAPH_FILE))

    return prepared(faiss.read_index(str(bench.store.get_or_make(recipe, make) / GRAPH_FILE)))


def _search(bench: Bench, base: Any, trial: Trial, sample: QuerySample) -> Any:
    factory = parse_factory(trial.factory, trial.space.dim)
    index = base
    if factory.refine:
        tier = bench.codec(parse_factory(factory.refine_text, trial.space.dim)).index
        add_blocks(tier, bench.blocks())
        index = with_refine(base, tier)
    set_search(index, trial.search)
    return index.search(bench.project(sample.queries), bench.plan.n_results)[1]
