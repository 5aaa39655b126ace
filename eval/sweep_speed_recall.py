"""Estimated against built recall_vs_exact@10, trial by trial, on the same queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sweep_speed_run import estimated_scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SHOWN = 10
POINT = 0.01
"""The promise for converged trials (corrections.md, item 3)."""


def difference_rows(
    rows: Sequence[Mapping[str, Any]], built: Mapping[str, Sequence[float]], *, ordered: bool
) -> list[dict[str, Any]]:
    """Estimate minus built recall of every trial that has both.

    Args:
        rows: of trials.parquet.
        built: printed trial to its score on each selection query, in the sweep's order.
        ordered: whether a trial's m scores are those of the first m queries; else only trials with all are compared.
    """
    found = []
    for row in rows:
        estimate, truth = estimated_scores(dict(row)), built.get(row["trial"])
        if estimate is None or truth is None or (len(estimate) < len(truth) and not ordered):
            continue
        m = len(estimate)
        estimated, measured = float(np.mean(estimate)), float(np.mean(truth[:m]))
        found.append({
            "trial": row["trial"],
            "estimated": round(estimated, 4),
            "built": round(measured, 4),
            "difference": round(estimated - measured, 4),
            "n_queries": m,
            "upper_bound": bool(row.get("upper_bound")),
            "status": row["status"],
        })  # fmt: skip
    return found


def summary(differences: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The largest and the mean absolute difference, over converged trials and over upper bounds apart."""
    parts = {
        "converged": [one for one in differences if not one["upper_bound"]],
        "upper_bounds": [one for one in differences if one["upper_bound"]],
    }
    return {name: _figures(part) for name, part in parts.items() if part}


def _figures(differences: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values = np.array([one["difference"] for one in differences])
    largest = sorted(differences, key=lambda one: -abs(one["difference"]))[:SHOWN]
    return {
        "n_trials": len(values),
        "n_on_fewer_queries": sum(one["n_queries"] < max(d["n_queries"] for d in differences) for one in differences),
        "largest_absolute": round(float(np.abs(values).max()), 4),
        "mean_absolute": round(float(np.abs(values).mean()), 5),
        "mean_signed": round(float(values.mean()), 5),
        "n_above_1_point": int((np.abs(values) > POINT).sum()),
        "largest": [dict(one) for one in largest],
    }
