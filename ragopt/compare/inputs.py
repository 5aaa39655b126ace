"""What two runs were given and where they ran: every value of ``run.json`` that is no result, where they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragopt.artifacts import canonical_json
from ragopt.compare.records import Changed
from ragopt.sweep.kept_run import damaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ragopt.records import Run

TABLES = ("corpus", "queries", "arguments", "versions", "machine")
PLAIN = ("k", "n_results", "billed_on", "own_prices", "priced_models")
"""Keys of ``run.json`` that are inputs; `workload` is compared with the bill."""

LEFT_OUT = ("queries.select_rows", "arguments.workload", "versions.ragopt")
"""Said elsewhere: rows by the pairing, the workload with the bill, ragopt by `ragopt_version`."""


def compare_inputs(a: Run, b: Run) -> tuple[Changed, ...]:
    """List the inputs that differ, in the order of ``run.json``. Raises ArtifactError: a table of one is damaged."""
    ours, theirs = inputs_of(a), inputs_of(b)
    names = dict.fromkeys([*ours, *theirs])
    return tuple(
        Changed(name, ours.get(name), theirs.get(name)) for name in names if ours.get(name) != theirs.get(name)
    )


def inputs_of(run: Run) -> dict[str, str]:
    """Every input by its place: `corpus.n_chunks`, `models.wordllama.dim`."""
    found = {"ragopt_version": _text(run.info.get("ragopt_version"))}
    for key in TABLES:
        table = run.info.get(key)
        if not isinstance(table, dict):
            raise damaged(run, key, "a table")
        found |= dict(_flat(table, f"{key}."))
    models = run.info.get("models")
    for one in models if isinstance(models, list) else ():
        if not isinstance(one, dict) or "name" not in one:
            raise damaged(run, "models", "a list of tables with a name")
        kept = {name: value for name, value in one.items() if name not in ("name", "exact")}
        found |= dict(_flat(kept, f"models.{one['name']}."))
    found |= {key: _text(run.info[key]) for key in PLAIN if key in run.info}
    return {name: value for name, value in found.items() if name not in LEFT_OUT and value != ""}


def _flat(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if f"{prefix}{name}" in LEFT_OUT:
            continue
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _text(value)


def _text(value: Any) -> str:
    """A value as text; empty for one that is not set, like an argument that an older version did not have."""
    if value is None:
        return ""
    return value if isinstance(value, str) else canonical_json(value)
