"""Labelled pairs of queries: would the earlier one's answer be right for the later one?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragopt.corpus.tables import open_parquet, read_rows
from ragopt.corpus.text_files import clean, read_json_lines
from ragopt.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Embed = Callable[[Sequence[str]], NDArray[np.float32]]

COLUMNS = ("query", "earlier", "score", "same")
"""What a file of labelled pairs may hold; others are not read."""

FORM = '{"query": "...", "earlier": "...", "score": 0.93, "same": true}'

ROUNDING = 1e-6
"""As in semantic_threshold: float32 similarities pass 1 by some 1e-7."""


@dataclass(frozen=True, slots=True)
class LabelledPairs:
    """Hits of a semantic cache, labelled by a person.

    Attributes:
        scores: float64 (n,) cosine similarity.
        wrong: bool (n,), True where the earlier query's answer is wrong for the later one.
        n_same_text: pairs of equal texts that were left out: exact repeats, which say nothing about similar ones.
    """

    scores: NDArray[np.float64]
    wrong: NDArray[np.bool_]
    n_same_text: int


@dataclass(frozen=True, slots=True)
class _Pair:
    place: str
    query: str | None
    earlier: str | None
    score: float | None
    same: bool


def read_labelled_pairs(path: Path, *, embed: Embed | None = None) -> LabelledPairs:
    """Read labelled pairs, such as a filled-in review file.

    Each line says whether the pair's answers are the same (`same`: true, false, 1 or 0) and how similar its queries
    are: by `score`, or by both texts (`query` and `earlier`), which are embedded. The threshold chosen from them holds
    for the embedder of the scores only.

    Args:
        path: `.jsonl` or `.parquet`.
        embed: returns float32 (n, dim) unit vectors of n texts; None where every line has a score.

    Raises:
        InputError: another suffix, a line of another form, a label that is missing, a score that is no number or
            outside [-1, 1], one pair twice, scores on some lines only, or no scores and no embedder; names the line.
    """
    import numpy as np  # noqa: PLC0415 - loaded when first used

    pairs = [_pair(row, place) for place, row in _rows(path)]
    _refuse_twice(pairs)
    kept = [one for one in pairs if one.query is None or one.query != one.earlier]
    scored = [one for one in kept if one.score is not None]
    unscored = [one for one in kept if one.score is None]
    if scored and unscored:
        raise InputError(
            f"{unscored[0].place} has no score, but {scored[0].place} has one",
            allowed="a score on every line or on none: two embedders' scores cannot be compared",
            next_step="Remove the scores, or fill in all of them with the embedder of the cache",
        )
    if unscored and embed is None:
        raise InputError(
            f"{unscored[0].place} has no score",
            allowed="a score on every line, or texts and an embedder",
            next_step="Name the embedder of the cache, or add the cosine similarity as 'score'",
        )
    scores = [one.score for one in scored] if embed is None or scored else _embedded(unscored, embed)
    return LabelledPairs(
        np.array(scores, dtype=np.float64).reshape(-1),
        np.array([not one.same for one in kept], dtype=np.bool_),
        len(pairs) - len(kept),
    )


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        yield from ((f"{path}, line {number}", row) for number, row in read_json_lines(path))
    elif suffix == ".parquet":
        with open_parquet(path) as file:
            names = [name for name in COLUMNS if name in file.schema_arrow.names]
            yield from ((f"{path}, row {number}", row) for number, row in read_rows(file, names, path))
    else:
        raise InputError(
            f"Cannot read labelled pairs from {path}: unknown suffix {path.suffix!r}",
            allowed=".jsonl or .parquet",
            next_step=f"Write one pair a line: {FORM}",
        )


def _pair(row: Mapping[str, Any], place: str) -> _Pair:
    query, earlier = _text(row, "query", place), _text(row, "earlier", place)
    score = _score(row.get("score"), place)
    if score is None and (query is None or earlier is None):
        raise InputError(
            f"{place} has neither a score nor both texts",
            allowed=FORM,
            next_step="Add 'score', or 'query' and 'earlier'",
        )
    return _Pair(place, query, earlier, score, _label(row.get("same"), place))


def _text(row: Mapping[str, Any], column: str, place: str) -> str | None:
    value = row.get(column)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise InputError(
            f"{place}: {value!r} in {column!r} is no query", allowed="text that is not empty", next_step="Correct it"
        )
    return clean(value, column, place)


def _score(value: object, place: str) -> float | None:
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or abs(value) > 1 + ROUNDING:  # type: ignore[arg-type]
        raise InputError(
            f"{place}: {value!r} in 'score' is no cosine similarity",
            allowed="-1 to 1",
            next_step="Correct it; a distance d of unit vectors is the similarity 1 - d, or 1 - d^2 / 2 if Euclidean",
        )
    return max(-1.0, min(1.0, float(value)))  # type: ignore[arg-type]


def _label(value: object, place: str) -> bool:
    if value is None:
        raise InputError(
            f"{place} has no label",
            allowed="'same': true where the earlier query's answer is right for the query, else false",
            next_step="Fill it in, or remove the line",
        )
    if not isinstance(value, bool | int | float) or value not in (0, 1):
        raise InputError(
            f"{place}: {value!r} in 'same' is no label", allowed="true, false, 1 or 0", next_step="Correct it"
        )
    return bool(value)


def _refuse_twice(pairs: Sequence[_Pair]) -> None:
    """One judgement counted twice is no second piece of evidence."""
    seen: dict[tuple[str, str], str] = {}
    for one in pairs:
        if one.query is None or one.earlier is None:
            continue
        first = seen.setdefault((one.query, one.earlier), one.place)
        if first != one.place:
            raise InputError(
                f"{one.place} is the same pair as {first}: {one.query[:80]!r}",
                allowed="each pair once",
                next_step="Remove one of the two",
            )


def _embedded(pairs: Sequence[_Pair], embed: Embed) -> list[float]:
    import numpy as np  # noqa: PLC0415 - loaded when first used

    from ragopt.cache.semantic_neighbours import checked_units  # noqa: PLC0415 - brings numpy

    texts = list(dict.fromkeys(text for one in pairs for text in (one.query, one.earlier) if text is not None))
    vectors = checked_units(embed(texts))
    if len(vectors) != len(texts):
        raise InputError(
            f"The embedder returned {len(vectors)} vectors for {len(texts)} texts",
            allowed="one vector for each text",
            next_step="Correct the embedder",
        )
    row_of = {text: row for row, text in enumerate(texts)}
    left = vectors[[row_of[str(one.query)] for one in pairs]].astype(np.float64)
    right = vectors[[row_of[str(one.earlier)] for one in pairs]].astype(np.float64)
    return [float(score) for score in np.clip(np.einsum("nd,nd->n", left, right), -1, 1)]
