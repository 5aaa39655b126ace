"""What ``run.json`` has to hold for a report, a comparison and a new decision, checked once as a run is read.

Keys that older versions did not write, and those that only a bill reads (`ragopt.sweep.kept_run`), are looked at where
they are used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragopt.bill.kept_prices import shown_json
from ragopt.bill.workload_fields import FIELDS
from ragopt.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value may be: in words, and as a test."""

    words: str
    fits: Callable[[Any], bool]


def is_whole(value: object, *, least: int) -> bool:
    """Whether a JSON value is a whole number of `least` or more; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_number(value: object) -> bool:
    """Whether a JSON value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_table(value: object, each: Callable[[Any], bool] = lambda _: True) -> bool:
    return isinstance(value, dict) and all(each(one) for one in value.values())


def _is_list(value: object, each: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(each(one) for one in value)


def _is_quality(value: Any) -> bool:
    if not isinstance(value, dict) or not is_whole(value.get("n_queries"), least=0):
        return False
    told = value.get("estimated")
    return all(is_number(value.get(name)) for name in ("value", "low", "high")) and (told is None or is_number(told))


def _is_model(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and all(isinstance(value.get(name), str) for name in ("name", "device"))
        and all(is_whole(value.get(name), least=1) for name in ("dim", "n_vectors"))
        and _is_table(value.get("exact"), _is_quality)
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _or_null(kind: Kind) -> Kind:
    return Kind(f"{kind.words}, or null", lambda value: value is None or kind.fits(value))


def _one_of(*names: str) -> Kind:
    return Kind(" or ".join(shown_json(name) for name in names), lambda value: value in names)


TABLE = Kind("a table", _is_table)
TEXT = Kind("text", _is_text)
PLAIN_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
MONEY = Kind("a decimal number as text", lambda value: isinstance(value, str) and bool(PLAIN_NUMBER.fullmatch(value)))
TRUTH = Kind("true or false", lambda value: isinstance(value, bool))
COUNT = Kind("a whole number of 0 or more", lambda value: is_whole(value, least=0))
FROM_1 = Kind("a whole number of 1 or more", lambda value: is_whole(value, least=1))
NUMBER = Kind("a number", is_number)
TEXTS = Kind("a list of texts", lambda value: _is_list(value, _is_text))
SECONDS = Kind("a table of seconds", lambda value: _is_table(value, is_number))
MODELS = Kind("a list of tables with name, dim, device, n_vectors and exact", lambda value: _is_list(value, _is_model))
DEVICE_FIELDS = ("asked", "name", "label", "why", "trainer")
DEVICE = Kind(
    f"a table of the texts {', '.join(DEVICE_FIELDS)}",
    lambda value: isinstance(value, dict) and set(value) == {*DEVICE_FIELDS} and all(map(_is_text, value.values())),
)
WORKLOAD = Kind("a table of a workload's fields with n_vectors",
                lambda value: isinstance(value, dict) and value.get("n_vectors") is not None)  # fmt: skip
FIELDS_GIVEN = Kind("a table of a workload's fields", lambda value: _is_table(value) and set(value) <= set(FIELDS))

REQUIRED = {
    "ragopt_version": TEXT,
    "k": FROM_1,
    "arguments": TABLE,
    "arguments.metric": _one_of("cosine", "ip", "l2"),
    "arguments.seed": COUNT,
    "versions": TABLE,
    "machine": TABLE,
    "machine.cpu": TEXT,
    "machine.n_cores": _or_null(FROM_1),  # os.cpu_count() may not know
    "machine.memory_bytes": COUNT,
    "machine.system": TEXT,
    "corpus": TABLE,
    "corpus.source": TEXT,
    "corpus.fingerprint": TEXT,
    "corpus.n_documents": COUNT,
    "corpus.n_chunks": COUNT,
    "corpus.n_duplicates": COUNT,
    "queries": TABLE,
    "queries.source": TEXT,
    "queries.synthetic": TRUTH,
    "queries.n_queries": COUNT,
    "queries.n_select": COUNT,
    "queries.n_confirm": COUNT,
    "queries.confirm_holdout": TRUTH,
    "models": MODELS,
    "workload": WORKLOAD,
    "counts": TABLE,
    "counts.n_spaces": COUNT,
    "counts.n_factories": COUNT,
    "counts.n_trials": COUNT,
    "warnings": TEXTS,
    "seconds": SECONDS,
    "peak_anonymous_bytes": COUNT,
}
"""By place: what every version wrote, a table before what is in it."""

OPTIONAL = {
    "arguments.objective": _one_of("usd", "ram"),
    "arguments.cost_model": TEXT,
    "arguments.min_recall": _or_null(NUMBER),
    "arguments.min_ndcg_ratio": _or_null(NUMBER),
    "arguments.max_p99_ms": _or_null(NUMBER),
    "arguments.max_usd": _or_null(MONEY),
    "arguments.ready": _or_null(TABLE),
    "arguments.workload": FIELDS_GIVEN,
    "everywhere": TABLE,
    "device": DEVICE,
    "peak_resident_bytes": COUNT,
    "arguments.max_memory_bytes": _or_null(FROM_1),
    "cache": TABLE,
}
"""By place: what may be missing, and is checked where it is there."""


def check_schema(folder: Path, name: str, info: object, schema: int) -> None:
    """Check that ``run.json`` is a table of the schema that this ragopt reads. Raises ArtifactError: it is not."""
    if not isinstance(info, dict):
        raise _damaged(folder, f"{name} is no table", TABLE)
    if "schema" not in info:
        raise _damaged(folder, f"{name} has no schema", FROM_1)
    if info["schema"] != schema or isinstance(info["schema"], bool):
        raise ArtifactError(f"{folder / name} has schema {shown_json(info['schema'])}", allowed=f"{schema}",
                            next_step="Read it with the version of ragopt that wrote it")  # fmt: skip


def check_shape(folder: Path, name: str, info: Mapping[str, Any]) -> None:
    """Check the content of ``run.json``.

    Args:
        folder: of the run.
        name: of the file, for the message.
        info: its content.

    Raises:
        ArtifactError: a key is missing or holds another kind of value; it names the key and what is allowed.
    """
    for place, kind in (REQUIRED | OPTIONAL).items():
        table, _, last = place.rpartition(".")
        values = info[table] if table else info
        if last in values:
            if not kind.fits(values[last]):
                raise _damaged(folder, f"{name} has {place} {shown_json(values[last])}", kind)
        elif place in REQUIRED:
            raise _damaged(folder, f"{name} has no {place}", kind)


def _damaged(folder: Path, how: str, kind: Kind) -> ArtifactError:
    return ArtifactError(f"The run in {folder} is damaged: {how}", allowed=kind.words, next_step="Sweep again")
