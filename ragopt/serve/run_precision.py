"""The precision that a run embedded in, on a machine that would choose another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.embed.precision import precision_called
from ragopt.sweep.half_precision import HalfEmbedder
from ragopt.sweep.model_stage import corpus_recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from ragopt.artifacts import ArtifactStore
    from ragopt.embed.embedder import Embedder
    from ragopt.records import Metric, Run
    from ragopt.sweep.corpus_stage import Corpus


def as_swept(
    embedder: Embedder, run: Run, store: ArtifactStore, corpus: Corpus, *, metric: Metric,
    notice: Callable[[str], None],
) -> Embedder:  # fmt: skip
    """Take the run's precision where its vectors are in the store; else embed again in this machine's, and say so.

    Args:
        embedder: as this machine opens it.
        run: finished.
        store: where the run's vectors may be.
        corpus: of the run.
        metric: of the vectors.
        notice: told when texts are embedded again.
    """
    swept = next((str(one.get("dtype", "")) for one in run.info["models"] if one["name"] == embedder.name), "")
    here = str(embedder.identity.get("dtype", ""))
    if not swept or swept == here or not isinstance(embedder, HalfEmbedder):
        return embedder
    same = embedder.with_precision(precision_called(swept))
    if store.has(corpus_recipe(corpus, same, metric)):
        return same
    notice(f"the run embedded with weights of {swept}, here they are {here}: texts are embedded again")
    return embedder
