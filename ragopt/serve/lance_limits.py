"""The run's other limits on an index of LanceDB: those that were measured are kept, the rest are warned of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from ragopt.choose import NDCG, Limits, exact_of, scores_for
from ragopt.errors import InputError
from ragopt.measure.intervals import paired_difference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ragopt.records import LatencyMs, Run
    from ragopt.serve.run_material import RunMaterial


@dataclass(frozen=True, slots=True)
class KeptLimits:
    """Limits of a run, sorted by whether the index of LanceDB was held to them.

    Attributes:
        applied: that the index meets; None for what the run did not limit or nothing was measured of.
        warnings: a sentence for each limit of the run that was not applied.
    """

    applied: Limits
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LanceFigures:
    """What the limits are held against.

    Attributes:
        index: printed form.
        rows: int64 (n,) numbers of the confirmation queries that were measured.
        ndcg: float32 (n_judged,) nDCG@10 of those of them that are judged, in their order; None without judgements.
        latency: of a search by vector.
    """

    index: str
    rows: NDArray[np.int64]
    ndcg: NDArray[np.float32] | None
    latency: LatencyMs


def limits_of_run(run: Run, min_recall: float) -> Limits:
    """Every limit that a run was swept with, and the one on recall_vs_exact@k that the index is tuned to."""
    given: Mapping[str, object] = run.info["arguments"]
    ratio, p99, usd = (given.get(name) for name in ("min_ndcg_ratio", "max_p99_ms", "max_usd"))
    number = [None if value is None else float(str(value)) for value in (ratio, p99)]
    return Limits(min_recall, number[0], number[1], None if usd is None else Decimal(str(usd)))


def kept_limits(run: Run, material: RunMaterial, limits: Limits, measured: LanceFigures) -> KeptLimits:
    """Hold an index of LanceDB against the limits of the run besides recall_vs_exact@k, which it was tuned to.

    Args:
        run: finished.
        material: of the run.
        limits: of the run.
        measured: of the index.

    Raises:
        InputError: a limit is missed.
    """
    warnings = []
    if limits.max_p99_ms is not None and measured.latency.p99 > limits.max_p99_ms:
        raise _missed(measured.index, f"p99 latency is {measured.latency.p99:.3f} ms",
                      f"at most {limits.max_p99_ms} ms", "max-p99-ms")  # fmt: skip
    applied = replace(limits, max_usd=None)
    if limits.max_usd is not None:
        warnings.append(f"--max-usd {limits.max_usd} of the run was not applied: the run bills no index of LanceDB "
                        "that was built here")  # fmt: skip
    if limits.min_ndcg_ratio is not None:
        exact = exact_ndcg(run, material, measured.rows)
        if exact is None or measured.ndcg is None or len(exact) != len(measured.ndcg):
            applied = replace(applied, min_ndcg_ratio=None)
            warnings.append(f"--min-ndcg-ratio {limits.min_ndcg_ratio} of the run was not applied: the run did not "
                            "confirm exact search on the same judged queries")  # fmt: skip
        # As `ragopt.choose.ndcg_ratio_margin` decides of a trial.
        elif paired_difference(measured.ndcg, limits.min_ndcg_ratio * exact).low < 0:
            raise _missed(measured.index, f"{NDCG} is {measured.ndcg.mean():.4f}, exact search's {exact.mean():.4f}",
                          f"a lower 95 % bound of their ratio from {limits.min_ndcg_ratio}", "min-ndcg-ratio",
                          "Give a higher --min-recall, take ")  # fmt: skip
    return KeptLimits(applied, tuple(warnings))


def exact_ndcg(run: Run, material: RunMaterial, rows: NDArray[np.int64]) -> NDArray[np.float32] | None:
    """nDCG@10 of exact search with the best model, float32, of the judged ones among these confirmation queries.

    None where the run did not measure it on its confirmation queries.
    """
    exact = exact_of(run.trials)
    scores = None if exact is None else scores_for(exact, NDCG, confirmed=True)
    judge = material.judging(rows).judge
    if scores is None or judge is None:
        return None
    judged = judge.rows(material.query_ids)
    return scores[np.isin(judged, rows)] if len(judged) == len(scores) else None


def _missed(index: str, what: str, allowed: str, option: str, first: str = "Take ") -> InputError:
    return InputError(
        f"{index} misses a limit of the run: its {what}",
        allowed=f"{allowed}, the run's limit",
        next_step=f"{first}another --lance-index, build with --target faiss, or sweep again with another --{option}: "
        "vectors and trials are kept",
    )
