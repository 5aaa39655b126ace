"""What ``run.json`` keeps for the bill, checked as it is read: a changed file is one error that names the key."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from ragopt.bill.kept_prices import is_day, kept_prices, shown_json
from ragopt.bill.workload import Workload
from ragopt.errors import ArtifactError, InputError, PriceError
from ragopt.sweep.run_folder import DAMAGE, RUN_FILE

if TYPE_CHECKING:
    from ragopt.bill.price import Price
    from ragopt.records import Run

N_RESULTS = 10
"""Results of a search in a run that does not say: the default of `ragopt sweep`."""


def prices_of_run(run: Run) -> tuple[Price, ...]:
    """The prices that a run keeps because the package does not have them. Raises ArtifactError: they are damaged."""
    try:
        return kept_prices(run.info.get("own_prices", []))
    except PriceError as error:
        raise ArtifactError(
            f"The run in {run.folder} is damaged: in {RUN_FILE}, {error.failed}",
            allowed=error.allowed,
            next_step="Sweep again, or bill it with today's prices: ragopt bill RUN --current-prices",
        ) from error


def stored_workload(run: Run) -> Workload:
    """The workload that a run billed. Raises ArtifactError: it is damaged."""
    values = run.info.get("workload")
    if not isinstance(values, dict) or values.get("n_vectors") is None:
        raise damaged(run, "workload", "a table of a workload's fields with n_vectors")
    try:
        return Workload.from_json(values)
    except InputError as error:
        raise ArtifactError(f"The run in {run.folder} is damaged: in the workload of {RUN_FILE}, {error.failed}",
                            allowed=error.allowed, next_step="Sweep again") from error  # fmt: skip
    except DAMAGE as error:
        raise damaged(run, "workload", "a table of a workload's fields") from error


def priced_models(run: Run) -> dict[str, str]:
    """By model, its name in the token prices. Raises ArtifactError: they are damaged."""
    found = run.info.get("priced_models", {})
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise damaged(run, "priced_models", "a table of names")
    return found


def given_in_run(run: Run) -> frozenset[str]:
    """Fields of the workload that the user of a run stated; none where it does not say. Raises ArtifactError."""
    found = run.info.get("workload_given", [])
    if not isinstance(found, list | tuple) or not all(isinstance(name, str) for name in found):
        raise damaged(run, "workload_given", "a list of fields")
    return frozenset(found)


def billed_on(run: Run) -> dt.date:
    """The day that a run was billed for; today for a run that does not say. Raises ArtifactError: it is no day."""
    if "billed_on" not in run.info:
        return dt.datetime.now(tz=dt.UTC).date()
    told = run.info["billed_on"]
    if not is_day(told):
        raise damaged(run, "billed_on", "a date like 2026-07-20")
    return dt.date.fromisoformat(told)


def measured_vectors(run: Run, model: str) -> int:
    """Vectors that the indexes of a model were measured with. Raises ArtifactError: the run does not say."""
    models = run.info.get("models")
    for one in models if isinstance(models, list) else ():
        if isinstance(one, dict) and one.get("name") == model and _is_count(one.get("n_vectors")):
            return int(one["n_vectors"])
    raise damaged(run, "models", f"a list of tables, one with name {model} and its n_vectors")


def results_of_a_search(run: Run) -> int:
    """Results that every search of a run asked for. Raises ArtifactError: it is no number."""
    found = run.info.get("n_results", N_RESULTS)
    if not _is_count(found):
        raise damaged(run, "n_results", "a whole number of 1 or more")
    return int(found)


def damaged(run: Run, key: str, allowed: str) -> ArtifactError:
    """Say that a key of ``run.json`` is not what a run writes."""
    has = f"{key} {shown_json(run.info[key])}" if key in run.info else f"no {key}"
    return ArtifactError(f"The run in {run.folder} is damaged: {RUN_FILE} has {has}", allowed=allowed,
                         next_step="Sweep again")  # fmt: skip


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
