"""Read a FAISS factory string into its parts; extended by nothing.

``PCAR128,PQ64x4fs,Refine(SQ8)`` is a transform, a codec and a rescoring codec; ``IVF256,RaBitQ`` is a coarse
quantizer and a codec; ``HNSW32,SQ8`` is a graph over a codec. Families whose bytes are not known by formula are
refused rather than guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ragopt.index.codec import (
    FAMILIES,
    GRAPH_FAMILIES,
    REFINE_FAMILIES,
    TRAINED_BY_CENTROIDS,
    Codec,
    read_codec,
    refuse,
)

TransformKind = Literal["PCA", "PCAR", "OPQ", "RR"]

OPQ_ROWS = 256
"""OPQ trains an 8-bit product quantizer of its own, whatever the codec (faiss/VectorTransform.cpp, FAISS 1.15.1)."""

MIN_LINKS, MAX_LINKS = 2, 1024
"""Links that a graph may keep; the upper end is ours: past it the links weigh more than float32 vectors do."""

GRAMMAR = "[PCA|PCAR|RR|OPQ,][IVF<n>,|HNSW<M>,]codec[,Refine(codec)], codec one of " + FAMILIES


@dataclass(frozen=True, slots=True)
class Transform:
    """A linear map before the codec: its kind and output dimension; `parts` is OPQ's number of blocks."""

    kind: TransformKind
    dim_out: int
    parts: int = 0


@dataclass(frozen=True, slots=True)
class Factory:
    """A parsed factory string; `str()` gives back exactly the text that was parsed.

    Attributes:
        text: as written.
        dim: dimension of the vectors that go in.
        transform: linear map before the codes, or None.
        nlist: inverted lists; 0 without IVF.
        codec: codes of the first search; below a graph, those that the graph compares.
        refine: codes of the rescoring tier, or None.
        links: neighbours that a vector of an HNSW graph keeps on each level, twice as many on the lowest; 0 without.
    """

    text: str
    dim: int
    transform: Transform | None
    nlist: int
    codec: Codec
    refine: Codec | None
    links: int = 0

    def __str__(self) -> str:
        """Return the FAISS factory string."""
        return self.text

    @property
    def is_graph(self) -> bool:
        """Whether the first search walks an HNSW graph: it visits some codes, in no order known before."""
        return self.links > 0

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
        rows += [1 << codec.bits for codec in codecs if codec and codec.family in TRAINED_BY_CENTROIDS]
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


def _read_transform(part: str, dim: int, text: str) -> Transform | None:
    match = re.fullmatch(r"(PCAR|PCA|RR|OPQ)([0-9]+)(?:_([0-9]+))?", part)
    if match is None:
        return None
    kind, first, second = match[1], int(match[2]), match[3]
    if kind == "OPQ":
        dim_out = int(second or dim)
        if first < 1 or dim_out < 1 or dim_out % first or dim_out > dim:
            raise refuse(
                text,
                f"OPQ cannot map {dim} dimensions to {dim_out} in {first} parts",
                allowed=f"an output of at most {dim} that {first} divides",
                next_step="Write OPQ<parts>_<output dimension>",
            )
        return Transform("OPQ", dim_out, first)
    if second is not None or not 1 <= first <= dim:
        raise refuse(
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
    codec = read_codec(match[1], dim, text)
    if codec.family not in REFINE_FAMILIES:
        raise refuse(
            text,
            f"FAISS cannot rescore with {codec.text}",
            allowed="Refine(...) of Flat, SQ or PQ<M>np",
            next_step=f"Write Refine(SQ8), or Refine(PQ{codec.parts}np)"
            if codec.family == "PQfs"
            else "Write Refine(SQ8)",
        )
    return codec


def parse_factory(text: str, dim: int) -> Factory:
    """Read a FAISS factory string for vectors of `dim` dimensions.

    Args:
        text: a FAISS factory string: [transform,][IVF<n>,|HNSW<M>,]codec[,Refine(codec)].
        dim: dimension of the space that is indexed.

    Returns:
        The parsed factory; its `str()` is `text`.

    Raises:
        SpecError: the string is malformed, does not divide `dim`, or has no byte formula here.
    """
    if any(letter.isspace() for letter in text):
        raise refuse(text, "FAISS reads no spaces", allowed="", next_step=f"Write {''.join(text.split())!r}")
    parts = split_factory(text)
    refine = _read_refine(parts[-1], dim, text) if len(parts) > 1 else None
    body = parts[:-1] if refine else parts
    transform = _read_transform(body[0], dim, text) if len(body) > 1 else None
    body = body[1:] if transform else body
    nlist, links, body = _read_structure(body, text)
    if len(body) != 1:
        raise refuse(
            text, "its parts cannot be read", allowed=GRAMMAR, next_step="Write it like PCAR128,PQ32np,Refine(SQ8)"
        )
    codec = read_codec(body[0], transform.dim_out if transform else dim, text)
    if links and codec.family not in GRAPH_FAMILIES:
        raise refuse(
            text,
            f"FAISS has no HNSW graph over {codec.text}",
            allowed="HNSW<M>, HNSW<M>,SQ8 and other SQ; HNSW<M>,PQ<M>np for l2 vectors",
            next_step=f"Write HNSW{links},SQ8",
        )
    return Factory(text, dim, transform, nlist, codec, refine, links)


def _read_structure(body: list[str], text: str) -> tuple[int, int, list[str]]:
    """Inverted lists, links of a graph, and what is left: the codec. FAISS reads HNSW32,SQ8 and HNSW32_SQ8 alike."""
    if len(body) > 1 and (match := re.fullmatch(r"IVF([0-9]+)", body[0])) and int(match[1]) > 0:
        return int(match[1]), 0, body[1:]
    if body and (match := re.fullmatch(r"HNSW([0-9]+)(?:_(.+))?", body[0])):
        rest = [match[2], *body[1:]] if match[2] else body[1:]
        return 0, _read_links(match[1], text), rest or ["Flat"]
    return 0, 0, body


def _read_links(number: str, text: str) -> int:
    links = int(number)
    # Levels are drawn with base M: with M = 1 FAISS divides by log(1) (faiss/impl/HNSW.cpp, set_default_probas).
    if not MIN_LINKS <= links <= MAX_LINKS:
        raise refuse(text, f"HNSW cannot keep {number} links per vector", allowed=f"{MIN_LINKS} to {MAX_LINKS}",
                     next_step="Write HNSW32")  # fmt: skip
    return links
