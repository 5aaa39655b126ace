"""What a sweep would do: how many trials, which artifacts exist, which are missing, about how long and how much memory.

Nothing is measured but the speed of this machine's matrix product (a quarter of a second), and nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragopt.artifacts import ArtifactStore, key_of
from ragopt.devices import choose_device
from ragopt.errors import RagoptError
from ragopt.sweep.bench import Bench
from ragopt.sweep.codec_scoring import kept_depth, searched_at_depth, shortlist_recipe
from ragopt.sweep.grid import grid_for
from ragopt.sweep.groups import groups_of
from ragopt.sweep.material import gather_material
from ragopt.sweep.memory_plan import LIBRARY_BYTES
from ragopt.sweep.planned_memory import ready_memory
from ragopt.sweep.progress import Silent
from ragopt.sweep.query_sample import QuerySample, candidates_wanted, racing_order
from ragopt.sweep.race import rounds_of
from ragopt.sweep.settings import CONFIRM_TRAIN_ROWS, SELECT_TRAIN_ROWS, SearchPlan
from ragopt.sweep.work_cost import Work, matmul_rate
from ragopt.sweep.workers import n_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ragopt.devices import Device
    from ragopt.records import Trial
    from ragopt.sweep.groups import Group
    from ragopt.sweep.memory_plan import MemoryPlan
    from ragopt.sweep.model_stage import ModelData
    from ragopt.sweep.settings import SweepSettings


class NotMadeYet(RagoptError):
    """An artifact that a plan looked for and did not find."""


class ReadOnlyStore(ArtifactStore):
    """An artifact store that finds and never makes."""

    def get_or_make(self, recipe: Mapping[str, Any], make: Callable[[Path], None]) -> Path:
        """Return the artifact's folder. Raises NotMadeYet when it is not there."""
        del make
        return self.path_of(self._found(recipe))

    def work_path_of(self, recipe: Mapping[str, Any]) -> Path:
        """Return where the work on a finished artifact was done. Raises NotMadeYet when it is not finished."""
        return super().work_path_of(self._found(recipe))

    def _found(self, recipe: Mapping[str, Any]) -> Mapping[str, Any]:
        if not self.has(recipe):
            raise NotMadeYet(str(recipe["kind"]), next_step="Run the sweep")
        return recipe


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One kind of work of one model.

    Attributes:
        what: kind of artifact. n_there, n_missing: how many exist, and how many the sweep would make.
        seconds: about what the missing ones take on this machine.
    """

    what: str
    n_there: int
    n_missing: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sweep would do.

    Attributes:
        n_trials, n_spaces, n_factories: of all models together; None when the corpus has to be read first.
        lines: per kind of work, in the order in which it is done.
        first_missing: kind of the first artifact that material lacks; empty when vectors and neighbours are there.
        seconds: about the whole time of what can be foreseen.
        memory: of every stage; None while the corpus is not read.
    """

    n_trials: int | None
    n_spaces: int | None
    n_factories: int | None
    lines: tuple[PlanLine, ...]
    first_missing: str
    seconds: float
    memory: MemoryPlan | None

    @property
    def memory_bytes(self) -> int:
        """Most resident memory: of what is known, at least that of the libraries."""
        return LIBRARY_BYTES if self.memory is None else self.memory.peak_bytes

    def printed(self) -> tuple[str, ...]:
        """The plan in lines for people."""
        lines = ["The number of trials is known once the vectors are there"]
        if self.n_trials is not None:
            lines = [f"{self.n_trials:,} trials over {self.n_spaces} spaces and {self.n_factories} factories"]
        lines += [
            f"{line.what}: {line.n_there:,} stored, {line.n_missing:,} to make, about {line.seconds:,.0f} s"
            for line in self.lines
        ]
        if self.first_missing:
            lines.append(f"first missing: {self.first_missing}; what follows it cannot be foreseen")
        if self.memory is None:
            lines.append("memory is planned once the corpus is cut into chunks, before anything is embedded")
        else:
            lines += self.memory.printed()
        total = f"about {self.seconds:,.0f} s and {self.memory_bytes / 1e6:,.0f} MB of memory on this machine"
        return (*lines, total if not self.first_missing else f"at least {total}")

    def as_json(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {
            "n_trials": self.n_trials,
            "n_spaces": self.n_spaces,
            "n_factories": self.n_factories,
            "work": [
                {"what": line.what, "n_there": line.n_there, "n_missing": line.n_missing, "seconds": line.seconds}
                for line in self.lines
            ],
            "first_missing": self.first_missing,
            "seconds": self.seconds,
            "memory_bytes": self.memory_bytes,
            "memory_bytes_by_stage": dict(self.memory.stages) if self.memory else {},
            "memory_refused": list(self.memory.refused) if self.memory else [],
            "max_memory_kept": self.memory.is_kept if self.memory else None,
            "max_memory_bytes": self.memory.max_bytes if self.memory else None,
        }


def plan_sweep(settings: SweepSettings) -> Plan:
    """Plan a sweep without doing it.

    Raises:
        RagoptError: anything that would stop the sweep before it measures.
    """
    store, device = ReadOnlyStore(settings.cache_dir), choose_device(settings.device)
    try:
        material = gather_material(settings, store, Silent(), device, must_fit=False)
    except NotMadeYet as missing:
        return Plan(None, None, None, (), missing.failed, 0.0, ready_memory(settings, device))
    work = Work(matmul_rate())
    lines: list[PlanLine] = []
    trials: list[Trial] = []
    for data in material.models:
        grid = grid_for(settings, data.model, data.vectors.dim, data.vectors.n)
        trials += grid
        planned = _ModelPlan(settings, store, data, work, device)
        lines += planned.lines(groups_of(grid))
    return Plan(
        len(trials),
        len({trial.space for trial in trials}),
        len({(trial.space, trial.factory) for trial in trials}),
        tuple(lines),
        "",
        sum(line.seconds for line in lines),
        material.memory,
    )


class _ModelPlan:
    """Counts and costs of one model's work."""

    def __init__(
        self, settings: SweepSettings, store: ArtifactStore, data: ModelData, work: Work, device: Device
    ) -> None:  # fmt: skip
        self.settings, self.store, self.data, self.work = settings, store, data, work
        n = data.vectors.n
        self.plan = SearchPlan(settings.metric, settings.k, settings.n_results(n), settings.seed, device)
        self.bench = Bench(store, data, self.plan)
        self.rounds = rounds_of(len(data.select_queries))

    def lines(self, groups: Sequence[Group]) -> list[PlanLine]:
        name, codecs, scored = self.data.model, [], []
        order = racing_order(len(self.data.select_queries), seed=self.plan.seed)[: self.rounds[0]]
        sample = QuerySample.of(self.data, order)
        for group in groups:
            self.bench.enter(group.space)
            recipe = self.bench.codec_recipe(group.base)
            seconds = self.work.training(group.base, min(self.data.vectors.n, SELECT_TRAIN_ROWS))
            codecs.append((self.store.has(recipe), seconds))
            if not group.base.is_graph:
                wanted = self._candidates(group)
                timed = self.settings.cost_model == "measured"
                depth = min(group.deepest(self.plan.n_results), wanted) if searched_at_depth(group.base) else 0
                kept = kept_depth(group.deepest(self.plan.n_results), wanted)
                shortlists = shortlist_recipe(key_of(recipe), sample, self.plan, nprobes=group.nprobes,
                                              n_candidates=wanted, kept=kept, timed=timed, depth=depth)  # fmt: skip
                distinct = min(self.data.vectors.n, wanted * len(order))
                seconds = self.work.scoring(group.base, distinct, len(order) * wanted)
                scored.append((self.store.has(shortlists), seconds))
        deepest = max(groups, key=self._candidates)
        return [
            _line(f"{name}: trained codecs", codecs),
            _line(f"{name}: first round, {self.rounds[0]:,} queries", scored),
            PlanLine(f"{name}: finalists to build, at most", 0, self.settings.finalists + 1, self._finalists(deepest)),
        ]

    def _candidates(self, group: Group) -> int:
        return candidates_wanted(group.deepest(self.plan.n_results), k=self.plan.k, n_vectors=self.data.vectors.n)

    def _finalists(self, group: Group) -> float:
        n, n_queries = self.data.vectors.n, len(self.data.confirm_queries) + len(self.data.select_queries)
        one = self.work.training(group.base, min(n, CONFIRM_TRAIN_ROWS)) + self.work.encoding(group.base, n)
        return self.settings.finalists * (one + self.work.searching(group.base, n, n_queries))


def _line(what: str, found: Sequence[tuple[bool, float]]) -> PlanLine:
    missing = [seconds for there, seconds in found if not there]
    return PlanLine(what, len(found) - len(missing), len(missing), sum(missing) / n_workers())
