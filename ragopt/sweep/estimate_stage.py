"""Estimate trials from shared candidates: each codec scores them once, and every depth, nprobe and tier is read off.

Nothing here grows with the corpus: a codec is trained on a bounded sample and encodes only the candidates.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.artifacts import canonical_json, write_atomically
from ragopt.bill.scan_cost import scan_cpu_ms
from ragopt.errors import InputError, SpecError
from ragopt.index.build import set_search
from ragopt.index.candidate_scores import candidate_scores, probe_ranks, searched_places
from ragopt.index.codec_size import code_bytes
from ragopt.index.factory import parse_factory
from ragopt.measure.latency import one_thread, time_searches
from ragopt.measure.neighbours import recall_vs_exact
from ragopt.measure.shortlist import Places, best_rescored, narrow, ranks, rows_at, shortlist
from ragopt.sweep.graph_stage import estimate_graph
from ragopt.sweep.groups import PROBING_SEARCH, Group, groups_of, search_value, shortlist_depth
from ragopt.sweep.query_sample import CANDIDATES_PER_DEPTH, candidates_wanted
from ragopt.sweep.workers import worker_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path

    from numpy.typing import NDArray

    from ragopt.index.factory import Factory
    from ragopt.records import Trial
    from ragopt.sweep.bench import Bench, TrainedCodec
    from ragopt.sweep.query_sample import QuerySample
    from ragopt.sweep.settings import SearchPlan

N_TIMED, N_WARMUP = 40, 8
"""Queries that time one codec: two batches of batch means each, 2 ms of each query on a block of candidates."""

MS_PER_CANDIDATE = 350e-6
"""Scoring one candidate of one query by itself (150 ns) and sorting it twice (200 ns), on one core (1,000 queries x
2,000 candidates of 22,067 x 384, 2026-11)."""

MOVED_LIMIT = 0.001
"""An estimate that moves by less than 0.1 point when its candidates are doubled is taken as converged (design.md 3)."""


@dataclass(frozen=True, slots=True)
class CodecTiming:
    """CPU milliseconds of one search over `n_vectors` codes on one thread, with the ends of its 95 % interval."""

    cpu_ms: float
    low: float
    high: float
    n_vectors: int
    nprobe: int


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
        places: (n_queries, depth) the codes' shortlist as places among the candidates; None when built.
        tier_ranks: (n_queries, n_candidates) of the rescoring tier; None without one or when built.
    """

    trial: Trial
    found: NDArray[np.int64]
    recall: NDArray[np.float32]
    by_code: NDArray[np.float32]
    moved: float | None
    n_candidates: int
    train_seconds: float
    timing: CodecTiming | None
    places: Places | None = None
    tier_ranks: Places | None = None

    @property
    def converged(self) -> bool:
        """Whether more candidates would not change the estimate by as much as `MOVED_LIMIT`."""
        return self.moved is None or self.moved < MOVED_LIMIT


Outcome = dict["Trial", "Estimate | str"]
"""What became of each trial; a text is the reason why it cannot be estimated."""


def estimate(
    bench: Bench,
    trials: Sequence[Trial],
    sample: QuerySample,
    *,
    timed: bool,
    least_candidates: int = 0,
    report: Callable[[int], None] = lambda _done: None,
) -> Outcome:
    """Estimate trials of one model on a sample of its queries.

    Args:
        bench: the model's shared parts.
        trials: of this model.
        sample: queries with at least as many candidates as the deepest trial wants.
        timed: whether to time every codec on this machine.
        least_candidates: at least so many candidates per query, where a first estimate had not converged.
        report: called with the number of trials done.

    Returns:
        An estimate or the reason why there is none, by trial.
    """
    groups = groups_of(trials)
    outcome: Outcome = {}
    with worker_pool() as pool:
        for space in dict.fromkeys(group.space for group in groups):
            members = [group for group in groups if group.space == space]
            bench.enter(space)
            tiers = _Tiers(bench, sample)
            work = _Work(bench, sample, tiers, timed=timed, least_candidates=least_candidates)
            for group, found in zip(members, _side_by_side(pool, work, members), strict=True):
                outcome |= found if isinstance(found, dict) else dict.fromkeys(group.trials, found)
                report(len(outcome))
    return outcome


def _side_by_side(pool: ThreadPoolExecutor, work: _Work, groups: Sequence[Group]) -> Any:
    def one(group: Group) -> Mapping[Trial, Estimate] | str:
        try:
            with one_thread():
                return work.group(group)
        except (SpecError, InputError) as error:
            # Too few vectors for a codebook, or a vector that a reduction leaves empty: other trials go on.
            return str(error)

    return pool.map(one, groups)


class _Work:
    """Estimates groups of the entered space."""

    def __init__(
        self, bench: Bench, sample: QuerySample, tiers: _Tiers, *, timed: bool, least_candidates: int
    ) -> None:  # fmt: skip
        self.bench, self.sample, self.tiers = bench, sample, tiers
        self.timed, self.least = timed, least_candidates

    def group(self, group: Group) -> dict[Trial, Estimate]:
        if group.base.is_graph:
            return estimate_graph(self.bench, group, self.sample)
        plan, n = self.bench.plan, self.bench.data.vectors.n
        wanted = candidates_wanted(group.deepest(plan.n_results), k=plan.k, n_vectors=n)
        n_candidates = min(max(wanted, min(self.least, n)), self.sample.candidates.shape[1])
        codec = self.bench.codec(group.base)
        found = {}
        for trial in group.trials:
            # One shortlist serves all depths, but for codecs whose search itself depends on the depth.
            depth = self._depth(trial, n_candidates) if group.base.codec.depends_on_depth else 0
            scored = score_codec(self.bench, codec, self.sample, nprobes=group.nprobes, n_candidates=n_candidates,
                                 depth=depth, timed=self.timed)  # fmt: skip
            found[trial] = self._trial(trial, codec, scored, n_candidates)
        return found

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
        n, n_queries = self.bench.data.vectors.n, len(self.sample.queries)
        if not scans_all(codec.factory, n, n_candidates, n_queries=n_queries):
            fewer = recall_vs_exact(returned(scored.fewer[number]), truth, k=plan.k)
            moved = float(fewer.mean() - recall.mean())
        return Estimate(trial, found, recall, by_code, moved, n_candidates, seconds, scored.timing,
                        scored.places[number], tier_ranks)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scored:
    """The shortlists of one codec.

    Attributes:
        nprobes: which nprobe each of the others is for.
        places: (n_queries, depth) each. fewer: the same from half the candidates.
        timing: of a search over the last block of candidates.
    """

    nprobes: tuple[int, ...]
    places: tuple[Places, ...]
    fewer: tuple[Places, ...]
    timing: CodecTiming | None


def shortlist_recipe(  # noqa: PLR0913 - everything that the artifact is keyed by
    codec_key: str, sample: QuerySample, plan: SearchPlan, *, nprobes: tuple[int, ...], n_candidates: int,
    timed: bool, depth: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Everything that the shortlists of one codec depend on."""
    return {
        "kind": "shortlist",
        "format": 2,
        "codec": codec_key,
        "queries": sample.key,
        "n_candidates": n_candidates,
        "nprobes": list(nprobes),
        "n_results": plan.n_results,
        "timed": timed,
        "depth": depth,
    }


def score_codec(  # noqa: PLR0913 - everything that its artifact is keyed by
    bench: Bench, codec: TrainedCodec, sample: QuerySample, *, nprobes: tuple[int, ...], n_candidates: int,
    timed: bool, depth: int = 0,
) -> Scored:  # fmt: skip
    """Score the candidates with one codec and keep its shortlists, or read them back.

    Args:
        bench: the model's shared parts, the codec's space entered.
        codec: trained, its index is refilled.
        sample: queries with at least `n_candidates` candidates.
        nprobes: ascending; (1,) for codes without lists.
        n_candidates: candidates per query.
        timed: whether to time the codes on this machine.
        depth: 0 for a shortlist that serves every depth; else the one depth that is searched at.
    """
    recipe = shortlist_recipe(codec.key, sample, bench.plan, nprobes=nprobes, n_candidates=n_candidates, timed=timed,
                              depth=depth)  # fmt: skip

    def make(folder: Path) -> None:
        if depth:
            scored = _search(bench, codec, sample, nprobes=nprobes, n_candidates=n_candidates, depth=depth, timed=timed)
        else:
            scored = _score(bench, codec, sample, nprobes=nprobes, n_candidates=n_candidates, timed=timed)
        np.savez(folder / "places.npz", places=np.stack([narrow(places) for places in scored.places]),
                 fewer=np.stack([narrow(places) for places in scored.fewer]))  # fmt: skip
        figures = {"timing": asdict(scored.timing) if scored.timing else None}
        write_atomically(folder / "figures.json", canonical_json(figures))

    folder = bench.store.get_or_make(recipe, make)
    timing = json.loads((folder / "figures.json").read_text(encoding="utf-8"))["timing"]
    with np.load(folder / "places.npz") as stored:
        places, fewer = stored["places"], stored["fewer"]
    return Scored(nprobes, tuple(places), tuple(fewer), CodecTiming(**timing) if timing else None)


def _score(
    bench: Bench, codec: TrainedCodec, sample: QuerySample, *, nprobes: tuple[int, ...], n_candidates: int, timed: bool
) -> Scored:
    if scans_all(codec.factory, bench.data.vectors.n, n_candidates, n_queries=len(sample.queries)):
        return _scan_all(bench, codec, sample, n_candidates=n_candidates, timed=timed)
    candidates = bench.candidates(sample, n_candidates)
    read, queries = bench.reader(sample, n_candidates), bench.project(sample.queries)
    has_lists, most = codec.factory.nlist > 0, nprobes[-1]
    if has_lists:
        set_search(codec.index, f"nprobe={most}")
    scores = candidate_scores(codec.index, codec.factory, candidates, read, queries)
    timing = _time(bench, codec, sample, nprobe=most) if timed else None
    probed = probe_ranks(codec.index, candidates, read, queries, nprobe=most) if has_lists else None
    depth = _depth_of(bench, n_candidates)
    places, fewer = [], []
    for nprobe in nprobes:
        masked = scores if probed is None else np.where(probed < nprobe, scores, -np.inf).astype(np.float32)
        places.append(shortlist(masked, candidates.by_row, depth=depth))
        fewer.append(shortlist(masked, candidates.by_row, depth=depth, n_places=max(n_candidates // 2, 1)))
    return Scored(nprobes, tuple(places), tuple(fewer), timing)


def _depth_of(bench: Bench, n_candidates: int) -> int:
    return min(n_candidates, max(bench.plan.n_results, n_candidates // CANDIDATES_PER_DEPTH))


def _search(  # noqa: PLR0913 - as score_codec
    bench: Bench, codec: TrainedCodec, sample: QuerySample, *, nprobes: tuple[int, ...], n_candidates: int, depth: int,
    timed: bool,
) -> Scored:  # fmt: skip
    """Search at one depth: all vectors where they are few, else all candidates, and once more half of each query's."""
    candidates, queries = bench.candidates(sample, n_candidates), bench.project(sample.queries)

    def search(rows: NDArray[np.int64] | None) -> tuple[Places, ...]:
        codec.index.reset()
        if rows is None:
            _fill(codec.index, bench)
        else:
            read = bench.reader(sample, n_candidates)
            for block in candidates.blocks:
                wanted = np.isin(block.rows, rows, assume_unique=True)
                if wanted.any():
                    codec.index.add(read(block.rows)[wanted])
        found = []
        for nprobe in nprobes:
            if codec.factory.nlist:
                set_search(codec.index, f"nprobe={nprobe}")
            found.append(searched_places(codec.index, candidates, queries, depth=depth, rows=rows))
        return tuple(found)

    if scans_all(codec.factory, bench.data.vectors.n, n_candidates, n_queries=len(sample.queries)):
        places = fewer = search(None)
        timing = _time(bench, codec, sample, nprobe=nprobes[-1]) if timed else None
    else:
        fewer = search(np.unique(sample.candidates[:, : max(n_candidates // 2, 1)]))
        places = search(np.unique(sample.candidates[:, :n_candidates]))
        timing = _time(bench, codec, sample, nprobe=nprobes[-1]) if timed else None
    return Scored(nprobes, places, fewer, timing)


def _fill(index: Any, bench: Bench) -> None:
    for _, block in bench.blocks():
        index.add(block)


def scans_all(factory: Factory, n_vectors: int, n_candidates: int, *, n_queries: int) -> bool:
    """Whether a scan of all codes costs less than scoring candidates one by one, by the table of scan costs."""
    if factory.nlist or n_vectors > n_candidates * n_queries:
        return False
    if n_vectors == n_candidates:
        return True
    per_code = code_bytes(factory.codec, factory.codec_dim)
    scan_ms = scan_cpu_ms(factory.base_text, factory.dim, "", n_vectors, code_bytes=per_code)
    return scan_ms <= n_candidates * MS_PER_CANDIDATE


def _scan_all(
    bench: Bench, codec: TrainedCodec, sample: QuerySample, *, n_candidates: int, timed: bool
) -> Scored:  # fmt: skip
    """Fill the codec with the whole corpus: its shortlists are those of a built index, so nothing can move."""
    codec.index.reset()
    _fill(codec.index, bench)
    places = searched_places(codec.index, bench.candidates(sample, n_candidates), bench.project(sample.queries),
                              depth=_depth_of(bench, n_candidates))  # fmt: skip
    timing = _time(bench, codec, sample, nprobe=1) if timed else None
    return Scored((1,), (places,), (places,), timing)


def _time(bench: Bench, codec: TrainedCodec, sample: QuerySample, *, nprobe: int) -> CodecTiming:
    """Time single searches over what the index was left with, the query's own projection included."""
    rows = sample.queries[: N_TIMED + N_WARMUP]
    found = time_searches(lambda query: codec.index.search(bench.project(query), bench.plan.n_results), rows,
                          warmup=min(N_WARMUP, max(len(rows) - 2, 0)))  # fmt: skip
    n_vectors = int(codec.index.ntotal)
    return CodecTiming(found.cpu_ms_per_query, found.cpu_ms_low, found.cpu_ms_high, n_vectors, nprobe)


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
        recipe = {"kind": "tier", "format": 1, "codec": codec.key, "queries": sample.key, "n_candidates": n_candidates}

        def make(folder: Path) -> None:
            candidates = bench.candidates(sample, n_candidates)
            scores = candidate_scores(codec.index, codec.factory, candidates, bench.reader(sample, n_candidates),
                                      bench.project(sample.queries))  # fmt: skip
            np.savez(folder / "ranks.npz", ranks=narrow(ranks(scores, candidates.by_row)))

        with np.load(bench.store.get_or_make(recipe, make) / "ranks.npz") as stored:
            return stored["ranks"], codec.train_seconds
