"""Labels of similar questions from a run's judgements: what a nearest earlier query's results would have lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ragopt.cache.semantic_judged import served_neighbour_loss
from ragopt.devices import AUTO
from ragopt.errors import InputError
from ragopt.measure.judged import documents_of
from ragopt.serve.run_material import material_of_run, settings_of_run
from ragopt.sweep.advising import Labelled

if TYPE_CHECKING:
    from pathlib import Path

    from ragopt.records import Run
    from ragopt.sweep.progress import Progress


def labels_of_run(run: Run, cache_dir: Path, progress: Progress, *, device: str = AUTO) -> Labelled:
    """Serve each confirmation query of a run the exact results of its nearest earlier one, and judge them by its own.

    They certify a cache of search results: whether an answer fits another question, judgements of documents do not say.
    Queries count in the order of their file; sets of distinct queries have fewer near ones than a log.

    Raises:
        InputError: the run has no judgements, or its corpus is not there any more.
        RagoptError: as in a sweep.
    """
    trial = run.recommendation.trial
    material = material_of_run(run, trial, settings_of_run(run, cache_dir, device=device), progress)
    if not material.qrels:
        raise InputError(f"The run in {run.folder} has no judgements", allowed="a run swept with qrels",
                         next_step="Give pairs labelled by a person: --labels FILE")  # fmt: skip
    data, judging = material.data, material.judging(np.arange(len(material.query_ids)))
    rankings = documents_of(
        data.confirm_exact.ids, data.confirm_exact.scores.astype(np.float32), judging.document_ids, judging.duplicates
    )
    number: dict[str, int] = {}
    k = material.plan.k
    found = np.full((len(rankings), k), -1, np.int64)
    for row, ranking in enumerate(rankings):
        best = sorted(ranking, key=lambda name: (-ranking[name], name))[:k]
        found[row, : len(best)] = [number.setdefault(name, len(number)) for name in best]
    gains = [
        {number.setdefault(name, len(number)): grade for name, grade in material.qrels.get(query, {}).items()}
        for query in material.query_ids
    ]
    unit = data.confirm_queries / np.linalg.norm(data.confirm_queries, axis=1, keepdims=True)
    served = served_neighbour_loss(unit.astype(np.float32), found, gains, k=k)
    source = (
        f"judgements of {len(served.rows):,} queries of {run.folder}, each served the results of its nearest earlier "
        f"query; wrong is a loss of {served.measure}"
    )
    return Labelled(served.scores, served.wrong, "result", source, material.embedder)
