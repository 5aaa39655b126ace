"""Which trials a round of the race may drop: pure decisions over scores and costs.

A trial leaves when it cannot be recommended any more: its upper bound is below the target, another one has at least its
quality at no more of any cost, another one surely meets the target at less cost, or as many as are going to be built
meet it and are preferred whatever is measured of them. Bounds are corrected for the number of tests (Bonferroni), so
that over a whole race the chance of one wrong drop stays below 5 %; for those of the last rule see `HELD_CONFIDENCE`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragopt.index.factory import parse_factory
from ragopt.measure.intervals import mean_interval, paired_difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ragopt.choose import Objective
    from ragopt.records import Trial

FIRST_ROUND = 100
"""Queries of the first round. A recall of .80 then has a corrected interval of about 9 points: three in four trials of
a default grid are told from a target of .95 by that (1,000,000 clustered vectors, 2026-11), and 100 queries are the
least that an interval is trusted with."""

GROWTH = 2
"""Each round has twice the queries of the one before; only those that are new are scored."""

LAST_GROWTH = 1.5
"""A round before the last one leaves it at least so many times its queries."""

MOST_RIVALS = 3
"""Paired tests of one trial in one round: against the best rivals by mean only, so that few tests are corrected for."""

ERROR_RATE = 0.05

FEWEST_HELD, FEWEST_CODES = 3, 2
"""A race ends for others only with at least so many trials of at least so many codes that hold: rescoring depths of the
same codes may all miss together."""

HELD_CONFIDENCE = 0.998
"""Of the bounds by which trials are taken to meet the target when a field of preferred ones ends the race for others.
Corrected for no number of tests: a wrong end needs every trial of that field to miss in the end, each of them a chance
of one in a thousand."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What a trial costs, on every axis that any bill is made of; less is better on each.

    Attributes:
        ram_bytes_per_vector: codes, ids, links.
        ram_bytes: of the whole index, fixed parts included, at the size that is billed.
        disk_bytes_per_vector: the rescoring tier.
        scan_ms: CPU time of one search by the fixed table, the same on every machine.
        depth: vectors read from the rescoring tier by one search; 0 without one.
    """

    ram_bytes_per_vector: float
    ram_bytes: float
    disk_bytes_per_vector: float
    scan_ms: float
    depth: int

    def values(self) -> tuple[float, ...]:
        """All axes."""
        return (self.ram_bytes_per_vector, self.ram_bytes, self.disk_bytes_per_vector, self.scan_ms, self.depth)

    @property
    def bytes(self) -> tuple[float, float]:
        """Bytes per vector in RAM, then on disk: the order in which equal bills are preferred."""
        return (self.ram_bytes_per_vector, self.disk_bytes_per_vector)

    def no_more_than(self, other: Costs) -> bool:
        """Whether no axis is above the other's."""
        return all(mine <= theirs for mine, theirs in zip(self.values(), other.values(), strict=True))


@dataclass(frozen=True, slots=True)
class Runner:
    """A trial in the race.

    Attributes:
        trial: which. costs: what it would cost.
        scores: float32 (n_queries,) by quality name, the same queries for all; the first is recall_vs_exact.
        optimism: by how much its scores may be too high in the mean: 0 once its estimate has converged.
        ties_least: whether its bill is within a tie of the least that any index could have, however it is measured.
    """

    trial: Trial
    costs: Costs
    scores: Mapping[str, NDArray[np.float32]]
    optimism: float = 0.0
    ties_least: bool = False


@dataclass(frozen=True, slots=True)
class Preference:
    """What is preferred of trials that meet a target on recall, where that is the only limit.

    Attributes:
        objective: ram or usd, see `ragopt.choose.order`. n_built: trials that are built in the end.
    """

    objective: Objective
    n_built: int

    @property
    def n_needed(self) -> int:
        """Trials that have to hold before others leave for them."""
        return max(self.n_built, FEWEST_HELD)

    def is_settled_without(self, one: Runner, held: Sequence[Runner]) -> bool:
        """Whether enough trials that meet the target are preferred to one, by codes that are not all the same."""
        first = [other.trial for other in held if self.puts_first(other, one)]
        codes = {(trial.space, parse_factory(trial.factory, trial.space.dim).base_text) for trial in first}
        return len(first) >= self.n_needed and len(codes) >= FEWEST_CODES

    def puts_first(self, one: Runner, other: Runner) -> bool:
        """Whether one is preferred to the other whatever is measured of them.

        `ram` asks for fewer bytes of code in RAM before anything else. `usd` asks for the bill first, in steps of 1 %:
        of trials in the lowest step the one with fewer bytes in RAM, then on disk, is preferred.
        """
        mine, theirs = one.costs, other.costs
        if self.objective == "ram":
            return mine.ram_bytes_per_vector < theirs.ram_bytes_per_vector
        return one.ties_least and mine.bytes < theirs.bytes


def rounds_of(n_queries: int) -> tuple[int, ...]:
    """Number of queries in each round, ascending; the last one has them all.

    >>> rounds_of(1000), rounds_of(200), rounds_of(3100)
    ((100, 200, 400, 1000), (100, 200), (100, 200, 400, 800, 1600, 3100))
    """
    sizes = []
    size = FIRST_ROUND
    while size * LAST_GROWTH <= n_queries:
        sizes.append(size)
        size *= GROWTH
    return (*sizes, n_queries)


def drops(
    runners: Sequence[Runner], *, target: float | None, recall_only: bool, n_rounds: int,
    preference: Preference | None = None, by_table: bool = True,
) -> dict[Trial, str]:  # fmt: skip
    """Say which trials leave after a round, and why.

    Args:
        runners: the trials in the race, scored on the same queries.
        target: least lower bound of recall_vs_exact; None for none.
        recall_only: whether recall is the only limit; otherwise a cheaper trial that meets it rules out nobody.
        n_rounds: rounds of the whole race, for the correction.
        preference: what is preferred of those that meet the target; None where there are other limits.
        by_table: whether a better trial that costs no more by the table rules another one out: a limit on latency is
            met or missed by the clock.

    Returns:
        The reason, by trial that leaves.
    """
    if not runners:
        return {}
    n_tests = len(runners) * n_rounds * (2 + MOST_RIVALS)
    confidence = 1 - ERROR_RATE / n_tests
    name = next(iter(runners[0].scores))
    bounds = {one.trial: mean_interval(one.scores[name], confidence=confidence) for one in runners}
    means = {one.trial: float(one.scores[name].mean()) for one in runners}
    # Cheapest first, so that a chain of better ones leads to its cheapest.
    ordered = sorted(runners, key=lambda one: (one.costs.values(), str(one.trial)))
    surely = [one for one in ordered if target is not None and recall_only and
              bounds[one.trial].low - one.optimism >= target]  # fmt: skip
    held = _held(ordered, name, target) if preference is not None and target is not None else []
    gone: dict[Trial, str] = {}
    for one in ordered:
        high = bounds[one.trial].high
        if target is not None and high < target:
            gone[one.trial] = f"{name} is at most {high:.4f} (corrected for {n_tests:,} tests), below {target}"
            continue
        cheaper = next((other for other in surely if _costs_less(other, one)), None)
        if cheaper is not None:
            gone[one.trial] = f"{cheaper.trial} surely meets {target} with fewer bytes, at no more of any cost"
            continue
        if preference is not None and preference.is_settled_without(one, [o for o in held if o.trial not in gone]):
            gone[one.trial] = (
                f"{preference.n_needed} trials that meet {target} are preferred to it by {preference.objective}"
            )
            continue
        rivals = [other for other in ordered if other.trial not in gone and means[other.trial] > means[one.trial]]
        better = None
        if by_table:
            better = _better(one, sorted(rivals, key=lambda other: -means[other.trial]), confidence)
        if better is not None:
            gone[one.trial] = f"{better.trial} finds at least as much and costs no more"
    return gone


def _held(runners: Sequence[Runner], name: str, target: float) -> list[Runner]:
    """Trials that meet the target by what is known of them."""
    return [
        one for one in runners
        if mean_interval(one.scores[name], confidence=HELD_CONFIDENCE).low - one.optimism >= target
    ]  # fmt: skip


def _costs_less(one: Runner, other: Runner) -> bool:
    """Whether one is preferred to the other whatever their bills and qualities are.

    Bills come in steps, and equal ones go to fewer bytes of code in RAM, then to fewer on disk, then to quality: less
    scan time or less depth alone would not be preferred.
    """
    return one.costs.no_more_than(other.costs) and one.costs.bytes < other.costs.bytes


def _better(one: Runner, rivals: Sequence[Runner], confidence: float) -> Runner | None:
    """Return a rival, best first, that surely has at least this trial's quality in every measure at no more cost."""
    able = [other for other in rivals if other.costs.no_more_than(one.costs)]
    for other in able[:MOST_RIVALS]:
        if all(
            paired_difference(other.scores[quality], scores, confidence=confidence).low >= other.optimism
            for quality, scores in one.scores.items()
        ):
            return other
    return None
