"""How often `ragopt check` says re-tune or re-train where the true figure lies exactly at its limit.

recall_vs_exact@10 of n queries is drawn with the floor as its true mean, each query's ten neighbours alike (`even`) or
with a difficulty of its own (`uneven`, beta of concentration 3); the paired loss with a true loss of 0 or of one point,
each canary losing or gaining one neighbour; coding errors from gamma distributions with a true ratio of 1.15.

    python eval/check_error_rates.py --out eval/results/<date>-check-error-rates.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.measure.intervals import Interval, mean_interval, paired_difference
from ragopt.serve.check_records import CodingDrift, RecallNow
from ragopt.serve.drift import error_ratio
from ragopt.serve.manifest import coding_of
from ragopt.serve.verdict import WORST_RATIO, reason_of_drift, reason_of_recall

if TYPE_CHECKING:
    from ragopt.serve.check_records import Reason

SEED = 20261126
DRAWS = 4_000
K = 10
N_QUERIES = (99, 100, 256, 1_000)
FLOORS = (0.95, 0.97, 0.99, 0.995)
CONCENTRATION = 3.0
CHANGED = (0.05, 0.2)
"""Share of canaries that find one neighbour more or fewer."""
SHAPES = (4, 9)
"""Of gamma errors: relative deviations of 1/2 and 1/3."""


def floors(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Share of draws whose upper end lies below the floor, by number of queries, floor and kind."""
    found = []
    for n in N_QUERIES:
        for floor in FLOORS:
            for kind in ("even", "uneven"):
                said = 0
                for _ in range(DRAWS):
                    alike = np.full(n, floor)
                    p = alike if kind == "even" else rng.beta(floor * CONCENTRATION, (1 - floor) * CONCENTRATION, n)
                    recall = RecallNow(mean_interval(rng.binomial(K, p) / K), 0, None, None, "")
                    said += reason_of_recall("draws", recall, K, floor).word != "keep"
                found.append({"n": n, "floor": floor, "kind": kind, "re_tune": said / DRAWS})
    return found


def losses(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Share of draws that say re-tune by the paired loss alone."""
    found = []
    for n in (100, 256):
        for changed in CHANGED:
            for loss in (0.0, 0.01):
                steps, shares = (-1, 0, 1), ((changed + K * loss) / 2, 1 - changed, (changed - K * loss) / 2)
                if min(shares) < 0:
                    continue
                said = sum(_of_loss(rng.choice(steps, n, p=shares)).word != "keep" for _ in range(DRAWS))
                found.append({"n": n, "changed": changed, "true_loss": loss, "re_tune": said / DRAWS})
    return found


def _of_loss(steps: Any) -> Reason:
    before = np.full(len(steps), 0.9)
    change = paired_difference(before + steps / K, before)
    recall = RecallNow(Interval(0.9, 0.85, 0.95, len(steps)), 0, change, change, "")
    return reason_of_recall("draws", recall, K, 0.5)


def ratios(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Share of draws that say re-train."""
    found = []
    for n in (100, 500, 2_000):
        for shape in SHAPES:
            said = 0
            for _ in range(DRAWS):
                added = coding_of(rng.gamma(shape, WORST_RATIO / shape, n))
                held_out = coding_of(rng.gamma(shape, 1 / shape, 2_048))
                ratio = error_ratio(added, held_out)
                drift = CodingDrift("draws", n, added.mean, held_out.n, held_out.mean, ratio)
                said += reason_of_drift(drift).word != "keep"
            found.append({"n": n, "gamma_shape": shape, "re_train": said / DRAWS})
    return found


def main() -> None:
    """Draw everything and write it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    rng = np.random.default_rng(SEED)
    result = {"seed": SEED, "draws": DRAWS, "floor": floors(rng), "loss": losses(rng), "ratio": ratios(rng)}
    given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
