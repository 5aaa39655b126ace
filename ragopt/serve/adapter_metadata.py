"""Metadata as the adapters hand it over: any JSON in an index's columns and back exactly, with title and document."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ragopt.corpus.metadata import MAX_INT64, MAX_KEY_CHARACTERS, MIN_INT64
from ragopt.errors import InputError

if TYPE_CHECKING:
    from ragopt.corpus.records import MetadataValue
    from ragopt.serve.hits import Hit
    from ragopt.serve.table import Line

PACKED = "_langchain"
"""Key of what no column can hold, as JSON. It begins with an underscore, so it never becomes a column itself."""


def packed(metadata: Mapping[Any, Any], place: str) -> dict[str, MetadataValue]:
    """Bring a document's metadata into the form that an index keeps.

    Text, true, false, finite numbers and whole numbers of 64 bits stay as they are and can be filtered by where the
    index has their column. None, lists, nested objects, longer numbers and longer keys go as JSON under one key.

    Raises:
        InputError: a value that would not come back from JSON as it is: a date, a tuple, NaN, a key that is no text.

    >>> packed({"year": 2020, "tags": ["a"], "url": None}, "document 'a'")
    {'year': 2020, '_langchain': '{"tags": ["a"], "url": null}'}
    """
    flat: dict[str, MetadataValue] = {}
    others = {}
    for key, value in metadata.items():
        if _is_flat(key, value):
            flat[key] = value
        elif not _survives({key: value}):
            raise InputError(
                f"{place}: the metadata key {key!r} holds a {type(value).__name__} that JSON cannot give back as it is",
                allowed="text keys; text, finite numbers, true, false, None, lists and dicts of these",
                next_step="Convert it first, a date to text for example",
            )
        else:
            others[key] = value
    if others:
        flat[PACKED] = json.dumps(others)
    return flat


def unpacked(metadata: Mapping[str, MetadataValue]) -> dict[str, Any]:
    """Give a document's metadata as it was before `packed`; that of a corpus, which was never packed, as it is.

    >>> unpacked({'year': 2020, '_langchain': '{"tags": ["a"], "url": null}'})
    {'year': 2020, 'tags': ['a'], 'url': None}
    """
    others = _parsed(metadata.get(PACKED))
    if others is None:
        return dict(metadata)
    return {key: value for key, value in metadata.items() if key != PACKED} | others


def metadata_of_chunk(chunk: Hit | Line) -> dict[str, Any]:
    """Metadata of a chunk, with its `title`, and with its `document` where it is a part of one.

    Both only where the metadata does not use these keys itself.
    """
    metadata = unpacked(chunk.metadata)
    if chunk.title:
        metadata.setdefault("title", chunk.title)
    if chunk.document != chunk.id:
        metadata.setdefault("document", chunk.document)
    return metadata


def _parsed(others: MetadataValue | None) -> dict[str, Any] | None:
    """What `packed` wrote; None for what a corpus calls by the same name."""
    if not isinstance(others, str):
        return None
    try:
        found = json.loads(others)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _is_flat(key: object, value: object) -> bool:
    if type(key) is not str or key == PACKED or not 0 < len(key) <= MAX_KEY_CHARACTERS:
        return False
    if type(value) is int:
        return MIN_INT64 <= value <= MAX_INT64
    if type(value) is float:
        return math.isfinite(value)
    return type(value) in {str, bool} and _is_utf8(key) and _is_utf8(str(value))


def _is_utf8(text: str) -> bool:
    """Whether a file can hold it: no half of a surrogate pair."""
    return text.encode(errors="ignore").decode() == text


def _survives(value: object) -> bool:
    try:
        return _is_same(value, json.loads(json.dumps(value, allow_nan=False)))
    except (TypeError, ValueError, RecursionError):
        return False


def _is_same(one: object, other: object) -> bool:
    """Whether two values are equal down to their types: True == 1 == 1.0 in Python."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return one == other
