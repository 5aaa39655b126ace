"""Query-aware reduction: a rotation fitted on documents and queries together, kept where it wins on other queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragopt.embed.spaces import default_dims
from ragopt.measure.intervals import paired_difference
from ragopt.records import Space, Trial
from ragopt.sweep.grid import BASELINE, SLOW_CODECS, default_codecs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragopt.sweep.selecting import Selection

ERROR_RATE = 0.05


@dataclass(frozen=True, slots=True)
class JointCheck:
    """Exact search in a joint space beside the same dimension by PCA, on the selection queries.

    Attributes:
        dim: of both spaces. n_fit: queries that the rotation was fitted on, none of them measured.
        pca, joint: mean recall_vs_exact of exact search in each.
        low, high: interval of joint minus pca, paired and corrected for the number of dimensions.
        kept: whether joint wins.
    """

    dim: int
    n_fit: int
    pca: float
    joint: float
    low: float
    high: float
    kept: bool

    def printed(self) -> str:
        """The comparison in words."""
        verdict = "kept" if self.kept else "not kept"
        return (
            f"rotation fitted on documents and {self.n_fit:,} queries, {self.dim} dimensions: {self.joint:.4f} where "
            f"PCA has {self.pca:.4f} (difference {self.low:+.4f} to {self.high:+.4f}); {verdict}"
        )


def check_joint(selection: Selection) -> list[JointCheck]:
    """Compare joint spaces with PCA at every default dimension; empty where no queries are left over to fit on."""
    data = selection.data
    dims = default_dims(data.vectors.dim)
    if not len(data.fit_queries) or not dims:
        return []
    spaces = {(dim, kind): Space(data.model, dim, kind) for dim in dims for kind in ("pca", "joint")}
    trials = {key: Trial(space, BASELINE) for key, space in spaces.items()}
    recalls = selection.recall_of(list(trials.values()))
    checks = []
    for dim in dims:
        pca, joint = recalls[trials[dim, "pca"]], recalls[trials[dim, "joint"]]
        gap = paired_difference(joint, pca, confidence=1 - ERROR_RATE / len(dims))
        checks.append(JointCheck(dim, len(data.fit_queries), float(pca.mean()), float(joint.mean()), gap.low, gap.high,
                                 gap.low > 0))  # fmt: skip
    return checks


def joint_trials(checks: Sequence[JointCheck], model: str) -> list[Trial]:
    """Every codec but the slow ones in every joint space that was kept."""
    return [
        Trial(Space(model, check.dim, "joint"), codec)
        for check in checks
        if check.kept
        for codec in default_codecs(check.dim)
        if codec not in SLOW_CODECS
    ]
