"""Score the candidates with one codec: its shortlists, kept as an artifact, serve every depth, nprobe and tier."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.artifacts import canonical_json, write_atomically
from ragopt.bill.scan_cost import scan_cpu_ms
from ragopt.index.build import set_search
from ragopt.index.candidate_scores import candidate_scores
from ragopt.index.candidate_search import probe_ranks, searched_near_and_all, searched_places
from ragopt.index.candidates import BLOCK_ROWS
from ragopt.index.codec_size import code_bytes
from ragopt.measure.shortlist import Places, narrow, shortlist
from ragopt.sweep.bench import prepared
from ragopt.sweep.codec_timing import CodecTiming, time_codec
from ragopt.sweep.query_sample import CANDIDATES_PER_DEPTH

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ragopt.index.candidates import Candidates
    from ragopt.index.factory import Factory
    from ragopt.sweep.bench import Bench, Feed, TrainedCodec
    from ragopt.sweep.query_sample import QuerySample
    from ragopt.sweep.settings import SearchPlan

MS_PER_CANDIDATE = 350e-6
"""Scoring one candidate of one query by itself (150 ns) and sorting it twice (200 ns), on one core (1,000 queries x
2,000 candidates of 22,067 x 384, 2026-11)."""

MOST_TYING_BYTES = 4
"""Codes of so few bytes tie by the dozen, and which of the tied vectors a search keeps depends on how many it is asked
for: 4.7 points of recall for PCAR96,PQ3np rescored to depth 20, 3.6 for 4 bytes, under 0.5 for 6 (22,067 vectors, the
first 2,067 of which answer the questions; FAISS 1.15.1, 2026-11-25)."""

MOST_WHOLE_SLOW = 50_000
"""Up to so many vectors a codec whose search depends on its depth is searched whole: a search of the candidates and one
of half of them would encode as many vectors."""

MOST_KEPT_CODES = 32 << 20
"""Codes of one codec that are kept between rounds: 22,067 vectors at any size, 100,000 at 320 bytes."""


NO_ROWS: NDArray[np.int64] = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Scored:
    """The shortlists of one codec.

    Attributes:
        nprobes: which nprobe each of the others is for.
        places: (n_queries, depth) each. fewer: the same from half the candidates.
        timing: of a search over the last block of candidates.
        whole: whether the codes of all vectors were searched, so that nothing is estimated.
    """

    nprobes: tuple[int, ...]
    places: tuple[Places, ...]
    fewer: tuple[Places, ...]
    timing: CodecTiming | None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class ScoringJob:
    """One codec and what it is asked.

    Attributes:
        bench: the model's shared parts, the codec's space entered.
        codec: trained; its index is refilled.
        sample: queries with at least `n_candidates` candidates.
        nprobes: ascending; (1,) for codes without lists.
        n_candidates: candidates per query.
        kept: entries of a shortlist that serves every depth, from `kept_depth`.
        timed: whether to time the codes on this machine.
        depth: 0 for a shortlist that serves every depth; else the one depth that is searched at.
    """

    bench: Bench
    codec: TrainedCodec
    sample: QuerySample
    nprobes: tuple[int, ...]
    n_candidates: int
    kept: int
    timed: bool
    depth: int = 0

    @property
    def whole(self) -> bool:
        """Whether the codes of all vectors are searched."""
        return scans_all(self.codec.factory, self.bench.data.vectors.n, self.n_candidates,
                         n_queries=len(self.sample.queries))  # fmt: skip

    def run(self) -> Scored:
        """Score the candidates and keep the shortlists as an artifact, or read them back."""
        recipe = shortlist_recipe(
            self.codec.key, self.sample, self.bench.plan, nprobes=self.nprobes, n_candidates=self.n_candidates,
            kept=self.kept, timed=self.timed, depth=self.depth,
        )  # fmt: skip

        def make(folder: Path) -> None:
            scored = self._scored()
            np.savez(folder / "places.npz", places=np.stack([narrow(places) for places in scored.places]),
                     fewer=np.stack([narrow(places) for places in scored.fewer]))  # fmt: skip
            figures = {"timing": asdict(scored.timing) if scored.timing else None, "whole": scored.whole}
            write_atomically(folder / "figures.json", canonical_json(figures))

        folder = self.bench.store.get_or_make(recipe, make)
        figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
        timing = CodecTiming(**figures["timing"]) if figures["timing"] else None
        with np.load(folder / "places.npz", allow_pickle=False) as stored:
            places, fewer = stored["places"], stored["fewer"]
        return Scored(self.nprobes, tuple(places), tuple(fewer), timing, figures["whole"])

    def _scored(self) -> Scored:
        if self.whole:
            return _scan_all(self)
        if self.depth:
            return _search(self)
        factory = self.codec.factory
        return _search_union(self) if factory.codec.is_fast_scan and not factory.nlist else _score(self)


def shortlist_recipe(  # noqa: PLR0913 - everything that the artifact is keyed by
    codec_key: str, sample: QuerySample, plan: SearchPlan, *, nprobes: tuple[int, ...], n_candidates: int,
    kept: int, timed: bool, depth: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Everything that the shortlists of one codec depend on."""
    return {
        "kind": "shortlist",
        "format": 5,
        "codec": codec_key,
        "queries": sample.key,
        "n_candidates": n_candidates,
        "candidates": sample.candidates_key(n_candidates),
        "nprobes": list(nprobes),
        "n_results": plan.n_results,
        "kept": kept,
        "timed": timed,
        "depth": depth,
    }


def _score(job: ScoringJob) -> Scored:
    bench, factory, nprobes = job.bench, job.codec.factory, job.nprobes
    candidates = bench.candidates(job.sample, job.n_candidates)
    feed = bench.feed(job.codec, job.sample, job.n_candidates)
    has_lists, most = factory.nlist > 0, nprobes[-1]
    if has_lists:
        set_search(feed.index, f"nprobe={most}")
    scores = candidate_scores(feed.index, factory, candidates, feed.read, feed.queries)
    timing = time_codec(job.codec.index, job, n_vectors=int(feed.index.ntotal)) if job.timed else None
    probed = None
    if has_lists:
        probed = probe_ranks(feed.index, candidates, feed.read, feed.queries, nprobe=most)
    places, fewer = [], []
    for nprobe in nprobes:
        masked = scores if probed is None else np.where(probed < nprobe, scores, -np.inf).astype(np.float32)
        places.append(shortlist(masked, candidates.by_row, depth=job.kept))
        fewer.append(shortlist(masked, candidates.by_row, depth=job.kept, n_places=max(job.n_candidates // 2, 1)))
    return Scored(nprobes, tuple(places), tuple(fewer), timing)


def kept_depth(deepest: int, n_candidates: int) -> int:
    """How many of a shortlist are kept: as deep as any trial goes, and as any other with so many candidates would.

    >>> kept_depth(20, 2000), kept_depth(400, 1000), kept_depth(400, 300)
    (400, 400, 300)
    """
    return min(n_candidates, max(deepest, n_candidates // CANDIDATES_PER_DEPTH))


def _search_union(job: ScoringJob) -> Scored:
    """Search all distinct candidates at once: FastScan scores no single vector, and a scan of them is soon done."""
    candidates = job.bench.candidates(job.sample, job.n_candidates)
    feed, rows = job.bench.feed(job.codec, job.sample, job.n_candidates), candidates.distinct
    feed.index.reset()
    _fill(feed, rows)
    places, fewer = searched_near_and_all(feed.index, candidates, feed.queries, depth=job.kept, rows=rows,
                                          near=_near_rows(job))  # fmt: skip
    timing = time_codec(job.codec.index, job, n_vectors=int(feed.index.ntotal)) if job.timed else None
    return Scored((1,), (places,), (fewer,), timing)


def _fill(feed: Feed, rows: NDArray[np.int64]) -> None:
    """Add rows to what an index holds, block by block."""
    for first in range(0, len(rows), BLOCK_ROWS):
        feed.index.add(feed.read(rows[first : first + BLOCK_ROWS]))


def _near_rows(job: ScoringJob) -> NDArray[np.int64]:
    """Distinct rows of the nearer half of each query's candidates, ascending."""
    return np.unique(job.sample.candidates[:, : max(job.n_candidates // 2, 1)]).astype(np.int64)


def _search(job: ScoringJob) -> Scored:
    """Search at one depth: half of each query's candidates first, then all of them."""
    bench, codec = job.bench, job.codec
    candidates, feed = bench.candidates(job.sample, job.n_candidates), bench.feed(codec, job.sample, job.n_candidates)
    near, every = _near_rows(job), candidates.distinct
    feed.index.reset()
    fewer = _filled_and_searched(job, feed, candidates, near)
    if codec.factory.codec.depends_on_depth:
        # Scores that do not tie leave the order to chance: only the other half is encoded.
        rest = np.setdiff1d(every, near, assume_unique=True)
        places = _filled_and_searched(job, feed, candidates, rest, before=near)
    else:
        feed.index.reset()  # tied codes go to the lower row, as in a built index
        places = _filled_and_searched(job, feed, candidates, every)
    timing = time_codec(job.codec.index, job, n_vectors=int(feed.index.ntotal)) if job.timed else None
    return Scored(job.nprobes, places, fewer, timing)


def _filled_and_searched(
    job: ScoringJob, feed: Feed, candidates: Candidates, rows: NDArray[np.int64],
    before: NDArray[np.int64] = NO_ROWS,
) -> tuple[Places, ...]:  # fmt: skip
    """Add rows to what the index holds `before`, and search it with every nprobe."""
    _fill(feed, rows)
    found = []
    for nprobe in job.nprobes:
        if job.codec.factory.nlist:
            set_search(feed.index, f"nprobe={nprobe}")
        found.append(searched_places(feed.index, candidates, feed.queries, depth=job.depth,
                                     rows=np.concatenate([before, rows])))  # fmt: skip
    return tuple(found)


def _filled(bench: Bench, codec: TrainedCodec) -> Any:
    """The codec's index with the codes of all vectors in it; small ones are kept, so that no round encodes twice."""
    import faiss  # noqa: PLC0415 - loaded when first used

    def fill() -> None:
        codec.index.reset()
        for _, block in bench.blocks():
            codec.index.add(block)

    if code_bytes(codec.factory.codec, codec.factory.codec_dim) * bench.data.vectors.n > MOST_KEPT_CODES:
        fill()
        return codec.index

    def make(folder: Path) -> None:
        fill()
        faiss.write_index(codec.index, str(folder / "codes.faiss"))

    folder = bench.store.get_or_make({"kind": "codes", "format": 1, "codec": codec.key}, make)
    return prepared(faiss.read_index(str(folder / "codes.faiss")))


def searched_at_depth(factory: Factory) -> bool:
    """Whether a deep shortlist does not tell what a shallow search finds, so that each depth is searched by itself."""
    tiny = not factory.nlist and code_bytes(factory.codec, factory.codec_dim) <= MOST_TYING_BYTES
    return factory.codec.depends_on_depth or tiny


def scans_all(factory: Factory, n_vectors: int, n_candidates: int, *, n_queries: int) -> bool:
    """Whether a scan of all codes costs less than scoring candidates one by one, by the table of scan costs."""
    if factory.nlist or n_vectors > n_candidates * n_queries:
        return False
    if n_vectors == n_candidates or (searched_at_depth(factory) and n_vectors <= MOST_WHOLE_SLOW):
        return True
    per_code = code_bytes(factory.codec, factory.codec_dim)
    scan_ms = scan_cpu_ms(factory.base_text, factory.dim, "", n_vectors, code_bytes=per_code)
    return scan_ms <= n_candidates * MS_PER_CANDIDATE


def _scan_all(job: ScoringJob) -> Scored:
    """Fill the codec with the whole corpus: its shortlists are those of a built index, so nothing can move."""
    bench = job.bench
    index = _filled(bench, job.codec)
    candidates, queries = bench.candidates(job.sample, job.n_candidates), bench.project(job.sample.queries)
    places = searched_places(index, candidates, queries, depth=job.depth or job.kept)
    timing = time_codec(index, job, n_vectors=int(index.ntotal)) if job.timed else None
    return Scored((1,), (places,), (places,), timing, whole=True)
