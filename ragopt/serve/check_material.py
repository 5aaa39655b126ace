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
from ragopt.serve.manifest import Coding, Manifest, coding_of
from ragopt.serve.snapshot import opened_version
from ragopt.sweep.billed import footprint_in_run, result_of, workload_in_run
from ragopt.sweep.settings import CONFIRM_TRAIN_ROWS

if TYPE_CHECKING:
    from pathlib import Path

    from ragopt.records import Run, TrialResult
    from ragopt.serve.run_material import RunMaterial
    from ragopt.serve.snapshot import Snapshot

HELD_OUT_TRAIN_ROWS = 16_384
"""Most rows that the second quantizer is trained on, but for scalar ones: 64 for each of the 256 centroids of an 8-bit
codebook. On 65,536, as many as the index, PQ32np takes 8.3 s instead of 2.3 (256 dimensions, one busy core). Trained on
fewer rows, codebooks have a larger held-out error (1.7 % for PQ32np), and so a drift is smaller: on the safe side
(eval/check_shortcuts.py, 2026-11-26)."""

N_HELD_OUT = 2_048
"""Most rows held out, as many as `ragopt.serve.parts.N_CODING`: the mean is known to 2 %."""

SCALAR_SHARE = 10
"""Scalar quantizers hold at most a row of so many out, and train on as many rows as the index or nine tenths of them:
the range of a component widens with every further training row, and errors with it (SQ4 by 16 % from 16,384 rows to
65,536), so that a second one of fewer rows makes the held-out error too small. It takes 0.04 s (likewise)."""


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
    trials = billed_in_run(run, manifest.trial) if manifest.engine == "faiss" else []
    about = {**manifest.about, "check": {"trials": trials, "read": asdict(material.settings.read)}}
    return replace(manifest, canary_recall=recall, coding_held_out=held_out, about=about)


def _held_out(snapshot: Snapshot, material: RunMaterial) -> Coding | None:
    """Coding error of rows of the corpus by a quantizer of the same kind that did not see them."""
    manifest, trial = snapshot.manifest, snapshot.manifest.parsed_trial
    if not manifest.template:
        return None
    factory = parse_factory(parse_factory(trial.factory, trial.space.dim).base_text, trial.space.dim)
    n_train, n_held_out = parted(material.data.vectors.n, is_scalar=factory.codec.family == "SQ")
    drawn = training_sample(material.data.vectors, max_rows=n_train + n_held_out, seed=manifest.seed)
    rows = project(drawn, trial.space, rotation=snapshot.rotation, metric=manifest.metric)
    order = np.random.default_rng(manifest.seed).permutation(len(rows))
    try:
        second = train_index(factory, rows[np.sort(order[:n_train])], metric=manifest.metric, seed=manifest.seed)
    except SpecError:
        return None  # too few rows to train a second one: `check` says that there is nothing to compare with
    return coding_of(coding_errors(second, rows[np.sort(order[n_train:])]))


def parted(n: int, *, is_scalar: bool) -> tuple[int, int]:
    """How many of `n` rows the second quantizer is trained on, and how many are held out.

    >>> parted(100_000, is_scalar=True), parted(100_000, is_scalar=False)
    ((65536, 2048), (16384, 2048))
    """
    most = CONFIRM_TRAIN_ROWS if is_scalar else HELD_OUT_TRAIN_ROWS
    drawn = min(n, most + N_HELD_OUT)
    n_held_out = min(drawn // (SCALAR_SHARE if is_scalar else 2), N_HELD_OUT)
    return drawn - n_held_out, n_held_out


def billed_in_run(run: Run, trial: str) -> list[dict[str, Any]]:
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
    return [one for one in kept if one is not None]


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
