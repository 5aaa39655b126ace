"""What finished runs know of quality by the number of chunks, and of what fewer chunks lose on the same questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ragopt.errors import InputError
from ragopt.records import Quality

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragopt.records import Run, Trial, TrialResult

BY_CHUNKS = "recall_by_chunks"
"""Share of the judged documents among the chunks that the generator gets. One run measures it at several numbers."""

RECALL = "recall_vs_qrels"
"""The same among the k best documents; a run measures it at its own --k alone."""


def qualities_of(runs: Sequence[Run], *, trial: str = "", metric: str = RECALL) -> dict[int, Quality]:
    """Gather one trial's quality by k from finished runs on one corpus; a run measures it at its own k.

    Args:
        runs: finished runs, each swept with another --k.
        trial: printed form of the trial; the first run's recommendation where none is given.
        metric: name of the quality, without its @k.

    Raises:
        InputError: a run without judgements, over another corpus or without the trial, or a k that two runs have.
    """
    found: dict[int, Quality] = {}
    wanted = trial or (str(runs[0].recommendation.trial) if runs else "")
    for run in runs:
        if run.info.get("corpus") != runs[0].info.get("corpus"):
            raise InputError(
                f"{run.folder} was swept over another corpus than {runs[0].folder}",
                next_step="Compare runs over the same corpus, cut into the same chunks",
            )
        result = _result_of(run, wanted)
        here = {name: quality for name, quality in result.quality.items() if name.startswith(f"{metric}@")}
        if not here:
            raise _without_judgements(run, metric)
        for name, quality in here.items():
            k = int(name.rpartition("@")[2])
            if k in found:
                raise InputError(
                    f"{name} of {wanted} stands in two of the runs",
                    next_step="Name one run for each k; sweep with another --k for more",
                )
            found[k] = quality
    return found


def chunk_qualities_of(run: Run, *, trial: str = "") -> tuple[dict[int, Quality], dict[int, Quality]]:
    """Return one trial's recall_by_chunks by the number of chunks, and what each loses against the most, as pairs.

    Args:
        run: a finished run with judgements.
        trial: printed form of a trial that was built; the recommendation where none is given.

    Returns:
        Quality by number of chunks, and the paired loss against the largest number (positive: worse), with intervals;
        exactly 0 where the scores are the same on every question.

    Raises:
        InputError: no judgements, or a trial that the run did not build.
    """
    from ragopt.measure.intervals import mean_interval, paired_difference  # noqa: PLC0415 - loaded when first used

    result = _result_of(run, trial or str(run.recommendation.trial))
    scores = _scores_of(result.per_query)
    if not scores:
        raise _without_judgements(run, BY_CHUNKS)
    most = scores[max(scores)]
    qualities, losses = {}, {}
    for k, own in sorted(scores.items()):
        mean = mean_interval(own)
        qualities[k] = Quality(mean.value, mean.low, mean.high, mean.n)
        if (own == most).all():
            # The same on every question: more chunks brought nothing, whatever a sample cannot rule out.
            losses[k] = Quality(0.0, 0.0, 0.0, len(own))
            continue
        loss = paired_difference(most, own)
        losses[k] = Quality(loss.value, loss.low, loss.high, loss.n)
    return qualities, losses


def _scores_of(per_query: Mapping[str, NDArray[np.float32]]) -> dict[int, NDArray[np.float32]]:
    return {int(name.rpartition("@")[2]): scores for name, scores in per_query.items()
            if name.startswith(f"{BY_CHUNKS}@")}  # fmt: skip


def _without_judgements(run: Run, metric: str) -> InputError:
    return InputError(
        f"{run.folder} has no {metric} of that trial: it was swept without judgements, or did not build it",
        next_step="Sweep again with --qrels FILE, name a trial that was built, or give figures with --quality FILE",
    )


def _result_of(run: Run, wanted: str) -> TrialResult:
    results: dict[str, TrialResult] = {str(result.trial): result for result in run.trials}
    if wanted not in results or not results[wanted].quality:
        recommended: Trial = run.recommendation.trial
        raise InputError(
            f"{run.folder} did not measure the trial {wanted!r}",
            allowed=f"a trial of every run; this one recommends {recommended}",
            next_step="Name a trial that all runs measured with --trial, or sweep them with the same --grid",
        )
    return results[wanted]
