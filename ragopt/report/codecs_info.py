"""Which codec keeps how much at which size: the numbers behind the figure of codecs, no drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ragopt.report.info import codec_of, default_quality, is_rescored

if TYPE_CHECKING:
    from ragopt.records import Quality, Run, Space, TrialResult

FLOAT, SCALAR = "float32", "scalar (SQ)"

KINDS = (FLOAT, SCALAR, "PQ 8-bit", "PQ 4-bit", "RaBitQ", "RQ", "PRQ")
"""Codecs in the order of a legend; all scalar ones are one kind, whose sizes are its bits."""


@dataclass(frozen=True, slots=True)
class CodecPoint:
    """The best trial of one space, one kind of codec, with or without rescoring, at one size.

    Attributes:
        trial: printed form.
        space: of the trial.
        codec: as the frontier names it: `SQ8`, `PQ 8-bit` ...
        kind: the same with all scalar codecs together.
        rescored: whether a second tier re-ranks what the codes found.
        ram_bytes_per_vector: codes, list ids and links.
        recall: recall_vs_exact@k.
        confirmed: whether the figures come from a build on the whole corpus.
        upper_bound: whether the recall had not converged.
        kept: whether no trial of the same model, kind and rescoring, at full dimension or in a reduced space as this
            one, keeps as much in fewer bytes or more in as many.
    """

    trial: str
    space: Space
    codec: str
    kind: str
    rescored: bool
    ram_bytes_per_vector: float
    recall: Quality
    confirmed: bool
    upper_bound: bool
    kept: bool

    @property
    def is_reduced(self) -> bool:
        """Whether the vectors were cut or rotated to fewer dimensions before they were indexed."""
        return self.space.reduction != "none"

    @property
    def line(self) -> tuple[str, bool, str, bool]:
        """What it is compared with: its model, whether it is reduced, its kind of codec, whether it is rescored."""
        return self.space.model, self.is_reduced, self.kind, self.rescored


def codec_points(run: Run) -> tuple[CodecPoint, ...]:
    """The best trial of every space, kind, rescoring and size that was measured, by size from the smallest."""
    name = default_quality(run)
    best: dict[tuple[Space, str, bool, float], CodecPoint] = {}
    for result in run.trials:
        if name not in result.quality or result.index_bytes is None or result.status == "unsuitable":
            continue
        point = _point(result, name, result.index_bytes.ram_bytes_per_vector)
        key = (point.space, point.kind, point.rescored, point.ram_bytes_per_vector)
        if key not in best or _rank(point) > _rank(best[key]):
            best[key] = point
    lines: dict[tuple[str, bool, str, bool], list[CodecPoint]] = {}
    for point in best.values():
        lines.setdefault(point.line, []).append(point)
    kept = {point.trial for line in lines.values() for point in _undominated(line)}
    found = [replace(point, kept=point.trial in kept) for point in best.values()]
    return tuple(sorted(found, key=lambda p: (p.ram_bytes_per_vector, p.rescored, -p.recall.value, p.trial)))


def kind_of(codec: str) -> str:
    """The kind of a codec.

    >>> [kind_of(codec) for codec in ("Flat", "SQ6", "PQ 4-bit")]
    ['float32', 'scalar (SQ)', 'PQ 4-bit']
    """
    if codec == "Flat":
        return FLOAT
    return SCALAR if codec.startswith("SQ") else codec


def _point(result: TrialResult, name: str, ram_bytes_per_vector: float) -> CodecPoint:
    codec = codec_of(result.trial.factory)
    return CodecPoint(
        trial=str(result.trial),
        space=result.trial.space,
        codec=codec,
        kind=kind_of(codec),
        rescored=is_rescored(result.trial.factory),
        ram_bytes_per_vector=ram_bytes_per_vector,
        recall=result.quality[name],
        confirmed=result.confirmed,
        upper_bound=result.upper_bound and not result.confirmed,
        kept=False,
    )


def _rank(point: CodecPoint) -> tuple[bool, float]:
    """What was measured stands before an upper bound, however high that is."""
    return not point.upper_bound, point.recall.value


def _undominated(line: Sequence[CodecPoint]) -> list[CodecPoint]:
    """What no other of the line beats; an upper bound beats nothing, and stays only above what beats it in nothing."""
    kept: list[CodecPoint] = []
    most = -1.0
    for point in sorted(line, key=lambda p: (p.ram_bytes_per_vector, -p.recall.value, p.trial)):
        if point.recall.value > most:
            kept.append(point)
            most = most if point.upper_bound else point.recall.value
    return kept
