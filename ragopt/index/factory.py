"""Read a FAISS factory string into its parts; extended by nothing.

``PCAR128,PQ64x4fs,Refine(SQ8)`` is a transform, a codec and a rescoring codec; ``IVF256,RaBitQ`` is a coarse
quantizer and a codec. Families whose bytes are not known by formula are refused rather than guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ragopt.errors import SpecError

TransformKind = Literal["PCA", "PCAR", "OPQ", "RR"]
CodecFamily = Literal["Flat", "SQ", "PQ", "PQfs", "RaBitQ"]

SQ_BITS = {"SQ8": 8, "SQ6": 6, "SQ4": 4, "SQfp16": 16, "SQbf16": 16, "SQtqmse1": 1, "SQtqmse2": 2, "SQtqmse3": 3,
           "SQtqmse4": 4}  # fmt: skip
"""Bits per component of each scalar quantizer of FAISS 1.15 (faiss/index_factory.cpp)."""

REFINE_FAMILIES = ("Flat", "SQ", "PQ")
"""Codecs that can rescore. RaBitQ's score is no inner product with its decoded vector, which selection rescores by (.61
for .91 built on 80,000 x 32; 2026-11-24). A FastScan code cannot score a single vector: FAISS 1.15.1 ends."""

OPQ_ROWS = 256
"""OPQ trains an 8-bit product quantizer of its own, whatever the codec (faiss/VectorTransform.cpp, FAISS 1.15.1)."""

FAMILIES = "Flat, SQ8, SQ6, SQ4, SQfp16, SQbf16, SQtqmse1-4, PQ<M>np, PQ<M>x4fs, RaBitQ, RaBitQ2-8"


@dataclass(frozen=True, slots=True)
class Transform:
    """A linear map before the codec: its kind and output dimension; `parts` is OPQ's number of blocks."""

    kind: TransformKind
    dim_out: int
    parts: int = 0


@dataclass(frozen=True, slots=True)
class Codec:
    """How one vector becomes a code.

    Attributes:
        text: as written in the factory string.
        family: which byte formula applies.
        parts: sub-quantizers of a product quantizer; 0 otherwise.
        bits: bits per component (SQ), per sub-quantizer (PQ) or per dimension (RaBitQ); 32 for Flat.
    """

    text: str
    family: CodecFamily
    parts: int
    bits: int


@dataclass(frozen=True, slots=True)
class Factory:
    """A parsed factory string; `str()` gives back exactly the text that was parsed."""

    text: str
    dim: int
    transform: Transform | None
    nlist: int
    codec: Codec
    refine: Codec | None

    def __str__(self) -> str:
        """Return the FAISS factory string."""
        return self.text

    @property
    def codec_dim(self) -> int:
        """Dimension that the codec sees."""
        return self.transform.dim_out if self.transform else self.dim

    @property
    def base_text(self) -> str:
        """The factory string without its rescoring tier."""
        return self.text if self.refine is None else ",".join(split_factory(self.text)[:-1])

    @property
    def refine_text(self) -> str:
        """The factory string of the rescoring tier alone; empty when there is none."""
        return self.refine.text if self.refine else ""

    @property
    def min_train_rows(self) -> int:
        """Fewest training rows: one per centroid, 256 for OPQ, one per input dimension for a PCA.

        FAISS accepts fewer for a PCA, one per output dimension, but then keeps a matrix of another size, which
        `index_bytes` does not know and `SharedPca` cannot share.
        """
        rows = [1, self.nlist]
        codecs = (self.codec, self.refine)
        rows += [1 << codec.bits for codec in codecs if codec and codec.family in ("PQ", "PQfs")]
        if self.transform and self.transform.kind != "RR":
            rows.append(OPQ_ROWS if self.transform.kind == "OPQ" else self.dim)
        return max(rows)


def split_factory(text: str) -> list[str]:
    """Split a factory string at the commas outside parentheses.

    >>> split_factory("IVF64(SQ8,x),PQ8np,Refine(SQ8)")
    ['IVF64(SQ8,x)', 'PQ8np', 'Refine(SQ8)']
    """
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]


def _refuse(text: str, what: str, *, allowed: str, next_step: str) -> SpecError:
    return SpecError(f"Cannot use the factory {text!r}: {what}", allowed=allowed, next_step=next_step)


def _divisors(dim: int) -> str:
    return ", ".join(str(part) for part in range(1, dim + 1) if dim % part == 0)


def _read_codec(part: str, dim: int, text: str) -> Codec:
    if part == "Flat":
        return Codec(part, "Flat", 0, 32)
    if part in SQ_BITS:
        return Codec(part, "SQ", 0, SQ_BITS[part])
    if match := re.fullmatch(r"RaBitQ([2-8]?)", part):
        return Codec(part, "RaBitQ", 0, int(match[1] or 1))
    match = re.fullmatch(r"PQ([0-9]+)(?:x([0-9]+))?(np|fs)?", part)
    if match is None or int(match[1]) < 1:
        raise _refuse(text, f"{part!r} has no byte formula", allowed=FAMILIES, next_step="Use one of these codecs")
    parts, bits, suffix = int(match[1]), int(match[2] or 8), match[3]
    if dim % parts:
        raise _refuse(
            text,
            f"{dim} dimensions do not split into {parts} equal parts",
            allowed=f"parts {_divisors(dim)}",
            next_step=f"Write PQ with one of these numbers of parts, or a space of a dimension that {parts} divides",
        )
    if suffix == "fs" and bits == 4:
        return Codec(part, "PQfs", parts, 4)
    if suffix == "np" and bits == 8:
        return Codec(part, "PQ", parts, 8)
    raise _refuse(
        text,
        f"{part!r} is not one of the two forms that are measured here",
        allowed=f"PQ{parts}np (8 bits) and PQ{parts}x4fs (4 bits)",
        # Plain PQ64 trains polysemous codes: 160 s against 12 s for PQ64np at equal quality (faiss 1.15.1, 100k x 256).
        next_step=f"Write PQ{parts}np: without np FAISS trains polysemous codes, 13 times slower at equal quality",
    )


def _read_transform(part: str, dim: int, text: str) -> Transform | None:
    match = re.fullmatch(r"(PCAR|PCA|RR|OPQ)([0-9]+)(?:_([0-9]+))?", part)
    if match is None:
        return None
    kind, first, second = match[1], int(match[2]), match[3]
    if kind == "OPQ":
        dim_out = int(second or dim)
        if first < 1 or dim_out < 1 or dim_out % first or dim_out > dim:
            raise _refuse(
                text,
                f"OPQ cannot map {dim} dimensions to {dim_out} in {first} parts",
                allowed=f"an output of at most {dim} that {first} divides",
                next_step="Write OPQ<parts>_<output dimension>",
            )
        return Transform("OPQ", dim_out, first)
    if second is not None or not 1 <= first <= dim:
        raise _refuse(
            text,
            f"{kind} cannot map {dim} dimensions to {first}",
            allowed=f"1 to {dim}",
            next_step=f"Write {kind}<output dimension>",
        )
    return Transform("PCA" if kind == "PCA" else "PCAR" if kind == "PCAR" else "RR", first)


def _read_refine(part: str, dim: int, text: str) -> Codec | None:
    if part == "RFlat":
        return Codec("Flat", "Flat", 0, 32)
    match = re.fullmatch(r"Refine\((.+)\)", part)
    if match is None:
        return None
    codec = _read_codec(match[1], dim, text)
    if codec.family not in REFINE_FAMILIES:
        raise _refuse(
            text,
            f"FAISS cannot rescore with {codec.text}",
            allowed="Refine(...) of Flat, SQ or PQ<M>np",
            next_step=f"Write Refine(SQ8), or Refine(PQ{codec.parts}np)" if codec.parts else "Write Refine(SQ8)",
        )
    return codec


def parse_factory(text: str, dim: int) -> Factory:
    """Read a FAISS factory string for vectors of `dim` dimensions.

    Args:
        text: a FAISS factory string: [transform,][IVF<n>,]codec[,Refine(codec)].
        dim: dimension of the space that is indexed.

    Returns:
        The parsed factory; its `str()` is `text`.

    Raises:
        SpecError: the string is malformed, does not divide `dim`, or has no byte formula here.
    """
    if any(letter.isspace() for letter in text):
        raise _refuse(text, "FAISS reads no spaces", allowed="", next_step=f"Write {''.join(text.split())!r}")
    parts = split_factory(text)
    refine = _read_refine(parts[-1], dim, text) if len(parts) > 1 else None
    body = parts[:-1] if refine else parts
    transform = _read_transform(body[0], dim, text) if len(body) > 1 else None
    body = body[1:] if transform else body
    nlist = 0
    if len(body) > 1 and (match := re.fullmatch(r"IVF([0-9]+)", body[0])) and int(match[1]) > 0:
        nlist, body = int(match[1]), body[1:]
    if len(body) != 1:
        raise _refuse(
            text,
            "its parts cannot be read",
            allowed="[PCA|PCAR|RR|OPQ,][IVF<n>,]codec[,Refine(codec)], codec one of " + FAMILIES,
            next_step="Write it like PCAR128,PQ32np,Refine(SQ8)",
        )
    codec = _read_codec(body[0], transform.dim_out if transform else dim, text)
    return Factory(text, dim, transform, nlist, codec, refine)
