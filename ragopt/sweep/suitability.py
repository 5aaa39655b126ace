"""Which codecs do not suit a corpus: far below a product quantizer of their size, or not worth their training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.index.codec_size import code_bytes
from ragopt.index.factory import parse_factory
from ragopt.measure.intervals import paired_difference
from ragopt.sweep.settings import SELECT_TRAIN_ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ragopt.records import Trial
    from ragopt.sweep.estimate_stage import Estimate
    from ragopt.sweep.model_stage import ModelData
    from ragopt.sweep.race import Costs
    from ragopt.sweep.work_cost import Work

MARGIN = 0.10
"""Ten points of recall by code: on text that suits them, RaBitQ and scalar codes lie within seven points of a product
quantizer of their size (22,067 x 384, table A of 2026-11-23), on data that does not 20 to 50 below (issue 4768)."""

TRAINING_TIMES, TRAINING_GAIN = 100, 0.01
"""A codec that takes 100 times as long to train must find a point more: every rebuild pays for it again."""

SHORT_TRAINING_SECONDS = 0.1
"""Shorter training counts as this: what is over in no time says nothing about ratios, and 10 s are nobody's concern."""

ERROR_RATE = 0.05
N_ROWS = 4096
"""Rows that show whether the vectors are centred: the share is then known to about a point."""


@dataclass(frozen=True, slots=True)
class _ByCode:
    """One codec's recall by its codes alone."""

    estimates: tuple[Estimate, ...]
    recall: NDArray[np.float32]
    bytes_per_vector: int
    is_pq: bool
    family: str


def unsuitable_groups(estimates: Sequence[Estimate], data: ModelData, *, k: int) -> dict[Trial, str]:
    """Compare every codec with the product quantizers of its own space that take no more bytes.

    Args:
        estimates: of one round, all on the same queries.
        data: what they were estimated on.
        k: neighbours counted.

    Returns:
        The reason, by trial of a codec whose recall by code lies `MARGIN` below, at the lower end of a paired interval
        corrected for the number of codecs.
    """
    spaces: dict[str, dict[str, list[Estimate]]] = {}
    for one in estimates:
        factory = parse_factory(one.trial.factory, one.trial.space.dim)
        # Under a rescoring tier codes that find little by themselves may still be the cheapest that hold.
        if one.shortlists and not factory.nlist and not factory.refine:
            before = f"{one.trial.space} {factory.transform}"
            spaces.setdefault(before, {}).setdefault(factory.base_text, []).append(one)
    n_codecs = sum(map(len, spaces.values()))
    reasons: dict[Trial, str] = {}
    for codecs in spaces.values():
        found = [_by_code(group) for group in codecs.values()]
        for codec in found:
            reason = _reason(codec, [other for other in found if other.is_pq], data, n_tests=n_codecs, k=k)
            if reason:
                reasons |= dict.fromkeys((each.trial for each in codec.estimates), reason)
    return reasons


def _by_code(group: Sequence[Estimate]) -> _ByCode:
    first = group[0]
    factory = parse_factory(first.trial.factory, first.trial.space.dim)
    size, family = code_bytes(factory.codec, factory.codec_dim), factory.codec.family
    return _ByCode(tuple(group), first.by_code, size, family == "PQ", family)


def _reason(one: _ByCode, quantizers: Sequence[_ByCode], data: ModelData, *, n_tests: int, k: int) -> str:
    rivals = [other for other in quantizers if other.bytes_per_vector <= one.bytes_per_vector and other is not one]
    if not rivals:
        return ""
    best = max(rivals, key=lambda other: float(other.recall.mean()))
    gap = paired_difference(best.recall, one.recall, confidence=1 - ERROR_RATE / n_tests)
    if gap.low <= MARGIN:
        return ""
    codec = parse_factory(best.estimates[0].trial.factory, best.estimates[0].trial.space.dim).codec
    return (
        f"not suited to this corpus: recall_vs_exact@{k} by code is {one.recall.mean():.4f}, {codec.text} with "
        f"{best.bytes_per_vector} bytes has {best.recall.mean():.4f}{_why(one.family, data)}"
    )


def _why(family: str, data: ModelData) -> str:
    """The reason where one is known; empty otherwise."""
    if not family.startswith("RaBitQ"):
        return ""
    rows = data.vectors.rows(np.linspace(0, data.vectors.n - 1, min(N_ROWS, data.vectors.n)).astype(np.int64))
    share = float((rows.mean(axis=0) ** 2).sum() / (rows**2).sum(axis=1).mean())
    if share < 1 / 3:
        return ""
    return f"; RaBitQ needs centred vectors, here the mean holds {share:.0%} of the squared length"


def not_worth_training(
    estimates: Sequence[Estimate], costs: Mapping[Trial, Costs], *, work: Work | None = None
) -> dict[Trial, str]:  # fmt: skip
    """Say which trials take 100 times as long to train as another that costs no more, for less than a point of recall.

    Args:
        estimates: of one round, all on the same queries.
        costs: of each of them.
        work: counts operations instead of taking the clock's seconds; None takes those.

    Returns:
        The reason, by trial.
    """
    quick = sorted(estimates, key=lambda one: (-float(one.recall.mean()), str(one.trial)))
    seconds = {one.trial: _training_seconds(one, work) for one in estimates}
    found = {}
    for one in estimates:
        most = seconds[one.trial] / TRAINING_TIMES
        if most < SHORT_TRAINING_SECONDS:
            continue
        recall = float(one.recall.mean())
        for other in quick:
            gain = recall - float(other.recall.mean())
            if gain >= TRAINING_GAIN:
                break
            if seconds[other.trial] <= most and costs[other.trial].no_more_than(costs[one.trial]):
                times = seconds[one.trial] / max(seconds[other.trial], SHORT_TRAINING_SECONDS)
                found[one.trial] = (
                    f"not worth its training: {seconds[one.trial]:,.0f} s, {times:,.0f} times as long as {other.trial}"
                    f", which costs no more, for {100 * gain:+.1f} points of recall"
                )
                break
    return found


def _training_seconds(one: Estimate, work: Work | None) -> float:
    factory = parse_factory(one.trial.factory, one.trial.space.dim)
    return one.train_seconds if work is None else work.training(factory, SELECT_TRAIN_ROWS)
