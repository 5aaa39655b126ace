"""What changed in quality: what may be compared at all, paired where the queries coincide, else two means."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.compare.pairing import EXACT, Measured, common_rows, enough, why_not_paired
from ragopt.compare.records import QualityChange
from ragopt.measure.intervals import (
    MIN_QUERIES,
    few_queries_warning,
    independent_difference,
    mean_interval,
    paired_difference,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ragopt.measure.intervals import Interval
    from ragopt.records import Quality


def compare_quality(a: Measured, b: Measured) -> tuple[QualityChange, ...]:
    """Compare every quality that one of the recommendations has, those of A first.

    Raises:
        ArtifactError: the files of a run do not fit together.
    """
    names = dict.fromkeys([*a.result.quality, *b.result.quality])
    return tuple(_change(name, a, b) for name in names)


def _change(name: str, a: Measured, b: Measured) -> QualityChange:
    ours, theirs = a.result.quality.get(name), b.result.quality.get(name)
    if ours is None or theirs is None:
        only = "A" if theirs is None else "B"
        return QualityChange(name, ours, theirs, reason=f"only {only} measured it")
    reason = _why_not_comparable(name, a, b)
    if reason:
        return QualityChange(name, ours, theirs, reason=reason)
    rows, left_out = _pairs(name, a, b)
    unjudged = "" if name.startswith(EXACT) else _other_judgements(a, b)
    notes = [*_notes(name, a, b), *left_out]
    if enough(len(rows), ours.n_queries, theirs.n_queries):
        return _paired(name, a, b, rows, notes, over_all=not unjudged)
    if unjudged:
        return QualityChange(name, ours, theirs, reason=unjudged)
    return QualityChange(name, ours, theirs, _difference_of_means(name, a, b), comparable=True,
                         notes=(*notes, _unpaired(a, b, len(rows), ours, theirs)))  # fmt: skip


def _paired(
    name: str, a: Measured, b: Measured, rows: Sequence[tuple[int, int]], notes: Sequence[str], *, over_all: bool
) -> QualityChange:
    """The difference over the same queries; over all of them too where some are in one run only."""
    ours, theirs = a.result.quality[name], b.result.quality[name]
    mine, yours = np.array(rows, dtype=np.int64).T
    gap = paired_difference(b.result.per_query[name][yours], a.result.per_query[name][mine])
    few = few_queries_warning(gap.n)
    is_part = gap.n < max(ours.n_queries, theirs.n_queries)
    return QualityChange(
        name, ours, theirs, gap, paired=True, comparable=True, notes=(*notes, *([few] if few else [])),
        over_all=_difference_of_means(name, a, b) if is_part and over_all else None,
    )  # fmt: skip


def _difference_of_means(name: str, a: Measured, b: Measured) -> Interval:
    return independent_difference(_as_sample(name, b), _as_sample(name, a))


def _as_sample(name: str, side: Measured) -> Quality:
    """A figure with the interval of its scores.

    Exact search finds all of its own neighbours by definition, so that its interval has no width. Beside another run it
    is a sample like any other: against a limit without width a single lost neighbour would be a fall.
    """
    figure = side.result.quality[name]
    if figure.low < figure.high or figure.n_queries < MIN_QUERIES:
        return figure
    scores = side.result.per_query.get(name)
    found = mean_interval(np.full(figure.n_queries, figure.value) if scores is None else scores)
    return replace(figure, low=found.low, high=found.high)


def _pairs(name: str, a: Measured, b: Measured) -> tuple[list[tuple[int, int]], list[str]]:
    """Rows of the scores of the same query under the same judgements, and what to say of those left out."""
    if why_not_paired(a, b):
        return [], []
    mine, yours = a.scored(name), b.scored(name)
    rows = common_rows(mine, yours)
    if name.startswith(EXACT):
        return rows, []
    same = [pair for pair in rows if mine[pair[0]].judgements == yours[pair[1]].judgements]
    n_left = len(rows) - len(same)
    return same, [f"{n_left:,} common queries are judged otherwise in B and left out."] if n_left else []


def _why_not_comparable(name: str, a: Measured, b: Measured) -> str:
    made = [side.run.recommendation.synthetic_queries for side in (a, b)]
    if made[0] != made[1]:
        return "the queries of one run are made from its corpus, those of the other are real"
    return _other_exact_search(a, b) if name.startswith(EXACT) else ""


def _other_exact_search(a: Measured, b: Measured) -> str:
    """Why recall_vs_exact counts other neighbours in the two runs than growth or edits of a corpus explain."""
    models = [side.result.trial.space.model for side in (a, b)]
    beside = "each figure is the share of its own model's exact neighbours"
    if models[0] != models[1]:
        return f"{beside}, and the models differ: a higher share of worse neighbours finds nothing better"
    dims = [_model_of(side).get("dim") for side in (a, b)]
    if dims[0] != dims[1]:
        return f"{beside}, and the models of that name have {dims[0]} and {dims[1]} dimensions"
    metrics = [_argument(side, "metric") for side in (a, b)]
    if metrics[0] != metrics[1]:
        return f"exact search is by {metrics[0]} in A and by {metrics[1]} in B"
    if (a.ready is None) != (b.ready is None):
        return "one run embedded its corpus, the other was given vectors: whether by the same model is not known"
    if a.ready is not None and _fingerprint(a) != _fingerprint(b) and (
        a.query_vectors is None or a.query_vectors != b.query_vectors
    ):  # fmt: skip
        return "both runs were given vectors, and neither corpus nor queries are the same: perhaps by other models"
    return ""


def _other_judgements(a: Measured, b: Measured) -> str:
    """Why judged figures over different queries cannot be compared; empty where the judgements are the same."""
    kept = [side.run.info["queries"].get("qrels_fingerprint") for side in (a, b)]
    if None in kept:
        return "too few queries coincide, and an older run does not say by which judgements it was judged"
    if kept[0] != kept[1]:
        return "too few queries coincide under the same judgements"
    return ""


def _notes(name: str, a: Measured, b: Measured) -> list[str]:
    found = _corpus_notes(name, a, b)
    for side, measured in (("A", a), ("B", b)):
        if not measured.result.confirmed:
            found.append(f"{side}'s figure is an estimate: no index was built.")
    return found


def _unpaired(a: Measured, b: Measured, n_common: int, ours: Quality, theirs: Quality) -> str:
    why = why_not_paired(a, b) or (
        f"{n_common:,} of {ours.n_queries:,} and {theirs.n_queries:,} queries coincide, too few to compare as pairs"
    )
    return f"Unpaired: {why}. The difference of two means holds that of their queries too."


def _corpus_notes(name: str, a: Measured, b: Measured) -> list[str]:
    """What another corpus, or other chunks of the same one, do to a figure; nothing where both are the same."""
    is_exact = name.startswith(EXACT)
    if _fingerprint(a) != _fingerprint(b):
        return [
            "The corpora differ: each figure is the share of its own corpus's exact neighbours."
            if is_exact
            else "The corpora differ: documents that nobody judged count as not relevant."
        ]
    chunks = [(_model_of(side).get("n_vectors"), _argument(side, "chunk")) for side in (a, b)]
    if chunks[0] != chunks[1]:
        return [
            "The corpus is cut otherwise: each figure is the share of its own chunks that are exact neighbours."
            if is_exact
            else "The corpus is cut otherwise: a document is found by its best chunk."
        ]
    return []


def _fingerprint(side: Measured) -> Any:
    return _table(side.run.info, "corpus").get("fingerprint")


def _model_of(side: Measured) -> Mapping[str, Any]:
    models: Sequence[Mapping[str, Any]] = side.run.info.get("models") or ()
    return next((one for one in models if one.get("name") == side.result.trial.space.model), {})


def _argument(side: Measured, name: str) -> Any:
    return _table(side.run.info, "arguments").get(name)


def _table(info: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = info.get(key)
    return found if isinstance(found, dict) else {}
