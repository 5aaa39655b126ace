"""What a build keeps for `ragopt check`: recall of the canaries, error of held-out codes, what the bill was made of."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.bill.bill_json import bill_json
from ragopt.choose import cheapest_bill
from ragopt.embed.sample import training_sample
from ragopt.embed.spaces import project
from ragopt.errors import InputError, SpecError
from ragopt.index.build import train_index
from ragopt.index.coding_error import coding_errors
from ragopt.index.factory import parse_factory
from ragopt.serve.canary_replay import canary_recall
from ragopt.serve.layout import generation_name
from ragopt.serve.locks import hold_generation
from ragopt.serve.manifest import Coding, Manifest
from ragopt.serve.snapshot import opened_version
from ragopt.sweep.billed import footprint_in_run, result_of, workload_in_run
from ragopt.sweep.kept_run import given_in_run

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ragopt.records import Run, TrialResult
    from ragopt.serve.run_material import RunMaterial
    from ragopt.serve.snapshot import Snapshot

HELD_OUT_TRAIN_ROWS = 16_384
"""Most rows that the second quantizer is trained on: 64 for each of the 256 centroids of an 8-bit codebook. Fewer rows
than the index had make the held-out error larger, and so a drift smaller: on the safe side."""

N_HELD_OUT = 2_048
"""Most rows held out, as many as `ragopt.serve.build.N_CODING`: the mean is known to 2 %."""


def with_check_material(root: Path, manifest: Manifest, run: Run, material: RunMaterial) -> Manifest:
    """Measure a generation that was just written, before anybody can open it.

    Returns:
        The manifest with `canary_recall`, `coding_held_out` and `about["check"]`.

    Raises:
        RagoptError: as a search, or as the bill of a run.
    """
    with hold_generation(root / generation_name(manifest.generation)) as lease:
        snapshot = opened_version(root, manifest, lease)
        recall = canary_recall(snapshot)
        held_out = _held_out(snapshot, material)
    # The run billed FAISS indexes: LanceDB's own was not among them.
    billed = billed_in_run(run, manifest.trial) if manifest.engine == "faiss" else {"trials": [], "given": []}
    about = {**manifest.about, "check": billed}
    return replace(manifest, canary_recall=recall, coding_held_out=held_out, about=about)


def _held_out(snapshot: Snapshot, material: RunMaterial) -> Coding | None:
    """Coding error of rows of the corpus by a quantizer of the same kind that did not see them."""
    manifest, trial = snapshot.manifest, snapshot.manifest.parsed_trial
    if not manifest.template:
        return None
    drawn = training_sample(material.data.vectors, max_rows=HELD_OUT_TRAIN_ROWS + N_HELD_OUT, seed=manifest.seed)
    rows = project(drawn, trial.space, rotation=snapshot.rotation, metric=manifest.metric)
    order = np.random.default_rng(manifest.seed).permutation(len(rows))
    n_train = min(max(len(rows) // 2, len(rows) - N_HELD_OUT), HELD_OUT_TRAIN_ROWS)
    factory = parse_factory(parse_factory(trial.factory, trial.space.dim).base_text, trial.space.dim)
    try:
        second = train_index(factory, rows[np.sort(order[:n_train])], metric=manifest.metric, seed=manifest.seed)
    except SpecError:
        return None  # too few rows to train a second one: `check` says that there is nothing to compare with
    return coding_of(coding_errors(second, rows[np.sort(order[n_train:])]))


def coding_of(errors: NDArray[np.float64]) -> Coding:
    """Count, mean and variance (n - 1) of coding errors."""
    n = len(errors)
    return Coding(n, float(errors.mean()) if n else 0.0, float(errors.var(ddof=1)) if n > 1 else 0.0)


def billed_in_run(run: Run, trial: str) -> dict[str, Any]:
    """What it takes to bill a trial again, and the runners-up that met the run's limits beside it.

    Args:
        run: finished.
        trial: printed form of the one that is built.
    """
    chosen = run.recommendation
    others = (
        [name for name in (str(chosen.trial), *chosen.runners_up) if name != trial] if chosen.status == "ok" else []
    )
    kept = [_billable(run, result_of(run, name)) for name in (trial, *others)]
    return {"trials": [one for one in kept if one is not None], "given": sorted(given_in_run(run))}


def _billable(run: Run, result: TrialResult) -> dict[str, Any] | None:
    """Footprint, workload and bill of one trial; None for one that was not measured."""
    workload = workload_in_run(run, model=result.trial.space.model)
    bill = run.recommendation.bill if result.trial == run.recommendation.trial else cheapest_bill(result)
    try:
        footprint = footprint_in_run(run, result, workload)
    except InputError:
        return None
    return {
        "trial": str(result.trial),
        "footprint": asdict(footprint),
        "workload": workload.as_json(),
        "target": bill.target if bill else "",
        "bill": bill_json(bill) if bill else None,
    }
