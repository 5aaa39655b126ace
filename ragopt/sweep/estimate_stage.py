"""Estimate trials from shared candidates: each codec scores them once, and every depth, nprobe and tier is read off.

Nothing here grows with the corpus: a codec is trained on a bounded sample and encodes only the candidates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.errors import DeviceFull, InputError, SpecError
from ragopt.index.candidate_scores import candidate_scores
from ragopt.index.factory import parse_factory
from ragopt.measure.latency import one_thread
from ragopt.measure.neighbours import recall_vs_exact
from ragopt.measure.shortlist import Places, best_rescored, narrow, ranks, rows_at
from ragopt.sweep.codec_scoring import Scored, ScoringJob, kept_depth, searched_at_depth
from ragopt.sweep.graph_stage import estimate_graph
from ragopt.sweep.groups import PROBING_SEARCH, Group, groups_of, search_value, shortlist_depth
from ragopt.sweep.memory_plan import Shape, refused
from ragopt.sweep.query_sample import candidates_wanted
from ragopt.sweep.settings import SELECT_TRAIN_ROWS
from ragopt.sweep.work_cost import TYPICAL_RATE, Work
from ragopt.sweep.workers import worker_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path

    from numpy.typing import NDArray

    from ragopt.index.factory import Factory
    from ragopt.records import Trial
    from ragopt.sweep.bench import Bench, TrainedCodec
    from ragopt.sweep.codec_timing import CodecTiming
    from ragopt.sweep.query_sample import QuerySample

MOVED_LIMIT = 0.001
"""An estimate that moves by less than 0.1 point when its candidates are doubled is taken as converged (design.md 3)."""


MOST_LEFT = 5
"""All further doublings together move an estimate by no more than so many times the last one. Where each moves it by r
times the one before, r / (1 - r) times are left: r was .1 to .6 (facts measured on 2 M and 200 k vectors, 2026-11; the
last rows of docs/method.md#estimate), which leaves .1 to 1.5 times."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the candidates say of one trial.

    Attributes:
        trial: what was estimated.
        found: int64 (n_queries, n_results) rows as the built index would return them, -1 for none.
        recall: float32 (n_queries,) recall_vs_exact@k. by_code: the same by the codes alone, before any rescoring.
        moved: mean recall with half the candidates minus that with all; None when the codes of all vectors were
            searched, so that nothing was estimated.
        n_candidates: candidates per query.
        train_seconds: wall time of training codes and rescoring tier.
        timing: of the codes; None when it was not asked for.
        shortlists: the codes' shortlists as places among the candidates, (queries of the part, depth) for each part of
            the queries that was estimated by itself; empty when built. Trials of the same codes share them.
        tier_ranks: (queries of the part, n_candidates) of the rescoring tier, likewise; empty without one.
    """

    trial: Trial
    found: NDArray[np.int64]
    recall: NDArray[np.float32]
    by_code: NDArray[np.float32]
    moved: float | None
    n_candidates: int
    train_seconds: float
    timing: CodecTiming | None
    shortlists: tuple[Places, ...] = ()
    tier_ranks: tuple[Places, ...] = ()

    def shortlist(self) -> Places:
        """Shortlists of all queries as one new array, as deep as every part goes: later ones may be shorter."""
        depth = min(part.shape[1] for part in self.shortlists)
        return np.vstack([part[:, :depth] for part in self.shortlists])

    def ranks(self) -> Places | None:
        """Ranks of the rescoring tier for all queries as one new array; None without one."""
        return np.vstack(self.tier_ranks) if self.tier_ranks else None

    @property
    def converged(self) -> bool:
        """Whether more candidates would not change the estimate by as much as `MOVED_LIMIT`."""
        return self.moved is None or self.moved < MOVED_LIMIT

    @property
    def optimism(self) -> float:
        """By how much the mean recall may still be too high; 0 once converged."""
        return 0.0 if self.converged else MOST_LEFT * (self.moved or 0.0)

    def followed_by(self, other: Estimate) -> Estimate:
        """Join with an estimate of the same trial on further queries.

        Raises:
            ValueError: the other one has other candidates per query, so that their places cannot be compared.
        """
        if (self.trial, self.n_candidates) != (other.trial, other.n_candidates):
            raise ValueError(f"cannot join {self.trial}, {self.n_candidates} candidates, with {other.trial}, "
                             f"{other.n_candidates}")  # fmt: skip
        mine, theirs = len(self.recall), len(other.recall)
        moved = None
        if self.moved is not None or other.moved is not None:
            moved = (mine * (self.moved or 0.0) + theirs * (other.moved or 0.0)) / (mine + theirs)
        return replace(
            self,
            found=np.vstack([self.found, other.found]),
            recall=np.concatenate([self.recall, other.recall]),
            by_code=np.concatenate([self.by_code, other.by_code]),
            moved=moved,
            shortlists=self.shortlists + other.shortlists,
            tier_ranks=self.tier_ranks + other.tier_ranks,
        )


NO_LEAST: Mapping[Trial, int] = MappingProxyType({})


Outcome = dict["Trial", "Estimate | str"]
"""What became of each trial; a text is the reason why it cannot be estimated."""


def estimate(
    bench: Bench,
    trials: Sequence[Trial],
    sample: QuerySample,
    *,
    timed: bool,
    least_candidates: Mapping[Trial, int] = NO_LEAST,
    report: Callable[[int], None] = lambda _done: None,
) -> Outcome:
    """Estimate trials of one model on a sample of its queries.

    Args:
        bench: the model's shared parts.
        trials: of this model.
        sample: queries with at least as many candidates as the deepest trial wants.
        timed: whether to time every codec on this machine.
        least_candidates: at least so many candidates per query, by trial: where others were estimated with as many.
        report: called with the number of trials done.

    Returns:
        An estimate or the reason why there is none, by trial.
    """
    groups = groups_of(trials)
    outcome: Outcome = {}
    with worker_pool(bench.plan.n_select_workers) as pool:
        for space in dict.fromkeys(group.space for group in groups):
            members = _costliest_first([group for group in groups if group.space == space])
            bench.enter(space)
            tiers = _Tiers(bench, sample)
            work = _Work(bench, sample, tiers, timed=timed, least_candidates=least_candidates)
            for group, found in zip(members, _side_by_side(pool, work, members), strict=True):
                outcome |= found if not isinstance(found, str) else dict.fromkeys(group.trials, found)
                report(len(outcome))
    return outcome


def _costliest_first(groups: Sequence[Group]) -> list[Group]:
    """Order the groups of a space: by their rotation, which the vectors are turned by once, then the costly ones first.

    The last ones are cheap, so that no core waits long for another.
    """
    work, rotations = Work(TYPICAL_RATE), list(dict.fromkeys(group.base.transform for group in groups))

    def key(group: Group) -> tuple[int, float]:
        seconds = work.training(group.base, SELECT_TRAIN_ROWS) + work.encoding(group.base, SELECT_TRAIN_ROWS)
        return rotations.index(group.base.transform), -seconds

    return sorted(groups, key=key)


def _side_by_side(pool: ThreadPoolExecutor, work: _Work, groups: Sequence[Group]) -> Any:
    def one(group: Group) -> Mapping[Trial, Estimate | str] | str:
        try:
            with one_thread():
                return work.group(group)
        except DeviceFull:
            raise  # trials that a full device leaves out would make another recommendation
        except (SpecError, InputError) as error:
            # Too few vectors for a codebook, or a vector that a reduction leaves empty: other trials go on.
            return str(error)

    return pool.map(one, groups)


class _Work:
    """Estimates groups of the entered space."""

    def __init__(
        self, bench: Bench, sample: QuerySample, tiers: _Tiers, *, timed: bool, least_candidates: Mapping[Trial, int]
    ) -> None:  # fmt: skip
        self.bench, self.sample, self.tiers = bench, sample, tiers
        self.timed, self.least = timed, least_candidates

    def group(self, group: Group) -> Mapping[Trial, Estimate | str]:
        self.refuse_too_large(group.base)
        if group.base.is_graph:
            return estimate_graph(self.bench, group, self.sample)
        plan, n = self.bench.plan, self.bench.data.vectors.n
        wanted = candidates_wanted(group.deepest(plan.n_results), k=plan.k, n_vectors=n)
        least = max(self.least.get(trial, 0) for trial in group.trials)
        n_candidates = max(wanted, min(least, n))
        if n_candidates > self.sample.candidates.shape[1]:
            raise ValueError(
                f"{group.base} wants {n_candidates} candidates, there are {self.sample.candidates.shape[1]}"
            )
        codec = self.bench.codec(group.base)
        found: dict[Trial, Estimate | str] = {}
        scored: dict[int, Scored] = {}
        kept = kept_depth(group.deepest(plan.n_results), n_candidates)
        for trial in group.trials:
            # One shortlist serves all depths, but for codecs whose search itself depends on the depth.
            depth = self._depth(trial, n_candidates) if searched_at_depth(group.base) else 0
            if depth not in scored:
                # Read once: trials of the same codes share one shortlist in memory.
                job = ScoringJob(self.bench, codec, self.sample, group.nprobes, n_candidates, kept, self.timed, depth)
                scored[depth] = job.run()
            try:
                found[trial] = self._trial(trial, codec, scored[depth], n_candidates)
            except DeviceFull:
                raise
            except (SpecError, InputError) as error:
                found[trial] = str(error)  # its rescoring tier cannot be trained: others of the same codes can
        return found

    def refuse_too_large(self, factory: Factory) -> None:
        """Raise SpecError for a factory whose index the limit on memory has no room for."""
        data = self.bench.data
        shape = Shape(data.vectors.n, data.vectors.dim, len(data.select_queries), len(data.confirm_queries),
                      data.candidates.shape[1], self.bench.plan.base_memory_bytes)  # fmt: skip
        reason = refused(factory, shape, self.bench.plan.max_memory_bytes)
        if reason:
            raise SpecError(reason, next_step="Give more --max-memory")

    def _depth(self, trial: Trial, n_candidates: int) -> int:
        return min(shortlist_depth(trial, self.bench.plan.n_results), n_candidates)

    def _trial(self, trial: Trial, codec: TrainedCodec, scored: Scored, n_candidates: int) -> Estimate:
        plan, rows = self.bench.plan, self.sample.candidates[:, :n_candidates]
        tier = parse_factory(trial.factory, trial.space.dim).refine_text
        number = scored.nprobes.index(search_value(trial.search, PROBING_SEARCH))
        truth, seconds, tier_ranks = self.sample.exact, codec.train_seconds, None
        depth = self._depth(trial, n_candidates)
        if tier:
            tier_ranks, tier_seconds = self.tiers.ranks(tier, n_candidates)
            seconds += tier_seconds

        def returned(places: Places) -> NDArray[np.int64]:
            if tier_ranks is None:
                return rows_at(rows, places[:, : plan.n_results])
            return rows_at(rows, best_rescored(places, tier_ranks, depth=depth, n_results=plan.n_results))

        found = returned(scored.places[number])
        recall = recall_vs_exact(found, truth, k=plan.k)
        by_code = recall
        if tier:
            by_code = recall_vs_exact(rows_at(rows, scored.places[number][:, : plan.n_results]), truth, k=plan.k)
        moved = None
        if n_candidates < self.bench.data.vectors.n and not scored.whole:
            fewer = recall_vs_exact(returned(scored.fewer[number]), truth, k=plan.k)
            moved = float(fewer.mean() - recall.mean())
        return Estimate(trial, found, recall, by_code, moved, n_candidates, seconds, scored.timing,
                        (scored.places[number],), () if tier_ranks is None else (tier_ranks,))  # fmt: skip


class _Tiers:
    """Ranks of the candidates under each rescoring tier of the entered space, each made once."""

    def __init__(self, bench: Bench, sample: QuerySample) -> None:
        self._bench, self._sample = bench, sample

    def ranks(self, text: str, n_candidates: int) -> tuple[Places, float]:
        """(n_queries, K) ranks, and the seconds that the tier's training took."""
        key = (str(self._bench.space), text, self._sample.key, n_candidates)
        with self._bench.tier_lock:
            if key not in self._bench.tiers:
                self._bench.tiers[key] = self._make(text, n_candidates)
            return self._bench.tiers[key]

    def _make(self, text: str, n_candidates: int) -> tuple[Places, float]:
        bench, sample = self._bench, self._sample
        codec = bench.codec(parse_factory(text, bench.space.dim))
        recipe = {"kind": "tier", "format": 2, "codec": codec.key, "queries": sample.key, "n_candidates": n_candidates,
                  "candidates": sample.candidates_key(n_candidates)}  # fmt: skip

        def make(folder: Path) -> None:
            candidates = bench.candidates(sample, n_candidates)
            scores = candidate_scores(codec.index, codec.factory, candidates, bench.reader(sample, n_candidates),
                                      bench.project(sample.queries))  # fmt: skip
            np.savez(folder / "ranks.npz", ranks=narrow(ranks(scores, candidates.by_row)))

        with np.load(bench.store.get_or_make(recipe, make) / "ranks.npz", allow_pickle=False) as stored:
            return stored["ranks"], codec.train_seconds
