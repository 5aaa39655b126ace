"""Read one codec of a FAISS factory string: its family, its parts and its bits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ragopt.errors import SpecError

AdditiveFamily = Literal["RQ", "PRQ", "RQfs", "PRQfs"]
CodecFamily = Literal["Flat", "SQ", "PQ", "PQfs", "RaBitQ", "RaBitQfs"] | AdditiveFamily

SQ_BITS = {"SQ8": 8, "SQ6": 6, "SQ4": 4, "SQfp16": 16, "SQbf16": 16, "SQtqmse1": 1, "SQtqmse2": 2, "SQtqmse3": 3,
           "SQtqmse4": 4}  # fmt: skip
"""Bits per component of each scalar quantizer of FAISS 1.15 (faiss/index_factory.cpp)."""

REFINE_FAMILIES = ("Flat", "SQ", "PQ")
"""Codecs that can rescore. RaBitQ's score is no inner product with its decoded vector, which selection rescores by (.61
for .91 built on 80,000 x 32; 2026-11-24). A FastScan code cannot score a single vector: FAISS 1.15.1 ends. Additive
codes are left out: at the size of a rescoring tier they take minutes to train and gain nothing over SQ."""

GRAPH_FAMILIES = ("Flat", "SQ", "PQ")
"""Codes that an HNSW graph can lie over in FAISS 1.15.1 under any metric or, PQ, under L2 (faiss/index_factory.cpp)."""

TRAINED_BY_CENTROIDS = ("PQ", "PQfs", "RQ", "PRQ", "RQfs", "PRQfs")
"""Families with codebooks of 2^bits entries, which need as many training rows (k-means in faiss/Clustering.cpp)."""

FAMILIES = (
    "Flat, SQ8, SQ6, SQ4, SQfp16, SQbf16, SQtqmse1-4, PQ<M>np, PQ<M>x4fs, RaBitQ, RaBitQ2-8, RaBitQfs, RaBitQfs2-8, "
    "RQ<M>x8, RQ<M>x4fs, PRQ<n>x<M>x8, PRQ<n>x<M>x4fs"
)


@dataclass(frozen=True, slots=True)
class Codec:
    """How one vector becomes a code.

    Attributes:
        text: as written in the factory string.
        family: which byte formula applies.
        parts: codebooks of a product or additive quantizer, those of every split together; 0 otherwise.
        bits: bits per component (SQ), per codebook (PQ, additive) or per dimension (RaBitQ); 32 for Flat.
        splits: equal parts of the vector that PRQ quantizes one by one; 0 otherwise.
    """

    text: str
    family: CodecFamily
    parts: int
    bits: int
    splits: int = 0

    @property
    def is_fast_scan(self) -> bool:
        """Whether codes lie in blocks of 32 vectors that are scanned with SIMD shuffles."""
        return self.family.endswith("fs")

    @property
    def is_additive(self) -> bool:
        """Whether a code is a sum of codebook entries: RQ, PRQ and their FastScan forms."""
        return self.family.removesuffix("fs") in ("RQ", "PRQ")

    @property
    def depends_on_depth(self) -> bool:
        """Whether a search for more results orders the first ones otherwise: RaBitQ of more than one bit.

        It drops vectors by a bound on their one-bit score against the worst result kept so far, so that a search for 10
        and the first 10 of a search for 200 differ by ten points of recall (FAISS 1.15.1; 8,000 x 288, 2026-11-25).
        """
        return self.family.startswith("RaBitQ") and self.bits > 1

    @property
    def scores_single(self) -> bool:
        """Whether FAISS can score one stored vector; with a FastScan code it ends the process (FAISS 1.15.1)."""
        return not self.is_fast_scan


def refuse(text: str, what: str, *, allowed: str, next_step: str) -> SpecError:
    """Make the error for the factory string `text`."""
    return SpecError(f"Cannot use the factory {text!r}: {what}", allowed=allowed, next_step=next_step)


def read_codec(part: str, dim: int, text: str) -> Codec:
    """Read one codec for vectors of `dim` dimensions.

    Args:
        part: the codec, such as ``PQ32np``.
        dim: dimension that the codec sees.
        text: the whole factory string, for messages.

    Raises:
        SpecError: the codec is unknown, has no byte formula, or does not divide `dim`.
    """
    if part == "Flat":
        return Codec(part, "Flat", 0, 32)
    if part in SQ_BITS:
        return Codec(part, "SQ", 0, SQ_BITS[part])
    if match := re.fullmatch(r"RaBitQ(fs)?([2-8]?)", part):
        return Codec(part, "RaBitQfs" if match[1] else "RaBitQ", 0, int(match[2] or 1))
    if match := re.fullmatch(r"(P?)(RQ)([0-9]+)(?:x([0-9]+))?x([0-9]+)(fs)?", part):
        return _read_additive(match, dim, text)
    match = re.fullmatch(r"PQ([0-9]+)(?:x([0-9]+))?(np|fs)?", part)
    if match is None or int(match[1]) < 1:
        raise _no_formula(part, text)
    parts, bits, suffix = int(match[1]), int(match[2] or 8), match[3]
    _check_division(parts, dim, text)
    if suffix == "fs" and bits == 4:
        return Codec(part, "PQfs", parts, 4)
    if suffix == "np" and bits == 8:
        return Codec(part, "PQ", parts, 8)
    raise refuse(
        text,
        f"{part!r} is not one of the two forms that are measured here",
        allowed=f"PQ{parts}np (8 bits) and PQ{parts}x4fs (4 bits)",
        # Plain PQ64 trains polysemous codes: 160 s against 12 s for PQ64np at equal quality (faiss 1.15.1, 100k x 256).
        next_step=f"Write PQ{parts}np: without np FAISS trains polysemous codes, 13 times slower at equal quality",
    )


def _read_additive(match: re.Match[str], dim: int, text: str) -> Codec:
    part, name, first, second = match[0], match[1] + match[2], int(match[3]), match[4]
    is_product, bits, suffix = bool(match[1]), int(match[5]), match[6] or ""
    parts = first * int(second or 1)
    if is_product != (second is not None) or parts < 1:
        raise _no_formula(part, text)
    if (bits, suffix) not in ((8, ""), (4, "fs")):
        stem = part[: match.start(5) - match.start()]
        raise refuse(
            text,
            f"{part!r} is not one of the two forms that are measured here",
            allowed=f"{stem}8 (8 bits) and {stem}4fs (4 bits)",
            next_step=f"Write {stem}8",
        )
    if is_product:
        _check_division(first, dim, text, name)
    # The family is one of AdditiveFamily by the pattern that matched.
    return Codec(part, f"{name}{suffix}", parts, bits, first if is_product else 0)  # type: ignore[arg-type]


def _no_formula(part: str, text: str) -> SpecError:
    return refuse(text, f"{part!r} has no byte formula", allowed=FAMILIES, next_step="Use one of these codecs")


def _check_division(parts: int, dim: int, text: str, name: str = "PQ") -> None:
    if dim % parts:
        divisors = ", ".join(str(part) for part in range(1, dim + 1) if dim % part == 0)
        raise refuse(
            text,
            f"{dim} dimensions do not split into {parts} equal parts",
            allowed=f"parts {divisors}",
            next_step=f"Write {name} with one of these numbers of parts, "
            f"or a space of a dimension that {parts} divides",
        )
