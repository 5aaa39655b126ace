"""Score the candidates with one codec: its shortlists, kept as an artifact, serve every depth, nprobe and tier."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.artifacts import canonical_json, write_atomically
from ragopt.bill.scan_cost import scan_cpu_ms
from ragopt.index.build import set_search
from ragopt.index.candidate_scores import candidate_scores, probe_ranks, searched_places
from ragopt.index.codec_size import code_bytes
from ragopt.measure.latency import time_searches
from ragopt.measure.shortlist import Places, narrow, shortlist
from ragopt.sweep.bench import prepared
from ragopt.sweep.query_sample import CANDIDATES_PER_DEPTH

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ragopt.index.factory import Factory
    from ragopt.sweep.bench import Bench, TrainedCodec
    from ragopt.sweep.query_sample import QuerySample
    from ragopt.sweep.settings import SearchPlan

N_TIMED, N_WARMUP = 40, 8
"""Queries that time one codec: two batches of batch means each, 2 ms of each query on a block of candidates."""

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


@dataclass(frozen=True, slots=True)
class CodecTiming:
    """CPU milliseconds of one search over `n_vectors` codes on one thread, with the ends of its 95 % interval."""

    cpu_ms: float
    low: float
    high: float
    n_vectors: int
    nprobe: int


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
    kept: int, timed: bool, depth: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Everything that the shortlists of one codec depend on."""
    return {
        "kind": "shortlist",
        "format": 3,
        "codec": codec_key,
        "queries": sample.key,
        "n_candidates": n_candidates,
        "nprobes": list(nprobes),
        "n_results": plan.n_results,
        "kept": kept,
        "timed": timed,
        "depth": depth,
    }


def score_codec(  # noqa: PLR0913 - everything that its artifact is keyed by
    bench: Bench, codec: TrainedCodec, sample: QuerySample, *, nprobes: tuple[int, ...], n_candidates: int,
    kept: int, timed: bool, depth: int = 0,
) -> Scored:  # fmt: skip
    """Score the candidates with one codec and keep its shortlists, or read them back.

    Args:
        bench: the model's shared parts, the codec's space entered.
        codec: trained, its index is refilled.
        sample: queries with at least `n_candidates` candidates.
        nprobes: ascending; (1,) for codes without lists.
        n_candidates: candidates per query.
        kept: entries of a shortlist that serves every depth, from `kept_depth`.
        timed: whether to time the codes on this machine.
        depth: 0 for a shortlist that serves every depth; else the one depth that is searched at.
    """
    recipe = shortlist_recipe(codec.key, sample, bench.plan, nprobes=nprobes, n_candidates=n_candidates, kept=kept,
                              timed=timed, depth=depth)  # fmt: skip

    def make(folder: Path) -> None:
        if depth:
            scored = _search(bench, codec, sample, nprobes=nprobes, n_candidates=n_candidates, depth=depth, timed=timed)
        else:
            scored = _score(bench, codec, sample, nprobes=nprobes, n_candidates=n_candidates, kept=kept, timed=timed)
        np.savez(folder / "places.npz", places=np.stack([narrow(places) for places in scored.places]),
                 fewer=np.stack([narrow(places) for places in scored.fewer]))  # fmt: skip
        figures = {"timing": asdict(scored.timing) if scored.timing else None}
        write_atomically(folder / "figures.json", canonical_json(figures))

    folder = bench.store.get_or_make(recipe, make)
    timing = json.loads((folder / "figures.json").read_text(encoding="utf-8"))["timing"]
    with np.load(folder / "places.npz") as stored:
        places, fewer = stored["places"], stored["fewer"]
    return Scored(nprobes, tuple(places), tuple(fewer), CodecTiming(**timing) if timing else None)


def _score(  # noqa: PLR0913 - as score_codec
    bench: Bench,
    codec: TrainedCodec,
    sample: QuerySample,
    *,
    nprobes: tuple[int, ...],
    n_candidates: int,
    kept: int,
    timed: bool,
) -> Scored:
    if scans_all(codec.factory, bench.data.vectors.n, n_candidates, n_queries=len(sample.queries)):
        return _scan_all(bench, codec, sample, n_candidates=n_candidates, kept=kept, timed=timed)
    candidates = bench.candidates(sample, n_candidates)
    read, queries = bench.reader(sample, n_candidates), bench.project(sample.queries)
    has_lists, most = codec.factory.nlist > 0, nprobes[-1]
    if has_lists:
        set_search(codec.index, f"nprobe={most}")
    scores = candidate_scores(codec.index, codec.factory, candidates, read, queries)
    timing = _time(bench, codec.index, sample, nprobe=most) if timed else None
    probed = probe_ranks(codec.index, candidates, read, queries, nprobe=most) if has_lists else None
    places, fewer = [], []
    for nprobe in nprobes:
        masked = scores if probed is None else np.where(probed < nprobe, scores, -np.inf).astype(np.float32)
        places.append(shortlist(masked, candidates.by_row, depth=kept))
        fewer.append(shortlist(masked, candidates.by_row, depth=kept, n_places=max(n_candidates // 2, 1)))
    return Scored(nprobes, tuple(places), tuple(fewer), timing)


def kept_depth(deepest: int, n_candidates: int) -> int:
    """How many of a shortlist are kept: as deep as any trial goes, and as any other with so many candidates would.

    >>> kept_depth(20, 2000), kept_depth(400, 1000), kept_depth(400, 300)
    (400, 400, 300)
    """
    return min(n_candidates, max(deepest, n_candidates // CANDIDATES_PER_DEPTH))


def _search(  # noqa: PLR0913 - as score_codec
    bench: Bench, codec: TrainedCodec, sample: QuerySample, *, nprobes: tuple[int, ...], n_candidates: int, depth: int,
    timed: bool,
) -> Scored:  # fmt: skip
    """Search at one depth: all vectors where they are few, else all candidates, and once more half of each query's."""
    candidates, queries = bench.candidates(sample, n_candidates), bench.project(sample.queries)

    index = codec.index

    def search(rows: NDArray[np.int64] | None) -> tuple[Places, ...]:
        if rows is not None:
            index.reset()
            read = bench.reader(sample, n_candidates)
            for block in sorted(candidates.blocks, key=lambda block: int(block.rows[0])):
                wanted = np.isin(block.rows, rows, assume_unique=True)
                if wanted.any():
                    index.add(read(block.rows)[wanted])
        found = []
        for nprobe in nprobes:
            if codec.factory.nlist:
                set_search(index, f"nprobe={nprobe}")
            found.append(searched_places(index, candidates, queries, depth=depth, rows=rows))
        return tuple(found)

    if scans_all(codec.factory, bench.data.vectors.n, n_candidates, n_queries=len(sample.queries)):
        index = _filled(bench, codec)
        places = fewer = search(None)
    else:
        fewer = search(np.unique(sample.candidates[:, : max(n_candidates // 2, 1)]))
        places = search(np.unique(sample.candidates[:, :n_candidates]))
    timing = _time(bench, index, sample, nprobe=nprobes[-1]) if timed else None
    return Scored(nprobes, places, fewer, timing)


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


def _scan_all(
    bench: Bench, codec: TrainedCodec, sample: QuerySample, *, n_candidates: int, kept: int, timed: bool
) -> Scored:  # fmt: skip
    """Fill the codec with the whole corpus: its shortlists are those of a built index, so nothing can move."""
    index = _filled(bench, codec)
    places = searched_places(index, bench.candidates(sample, n_candidates), bench.project(sample.queries),
                              depth=kept)  # fmt: skip
    timing = _time(bench, index, sample, nprobe=1) if timed else None
    return Scored((1,), (places,), (places,), timing)


def _time(bench: Bench, index: Any, sample: QuerySample, *, nprobe: int) -> CodecTiming:
    """Time single searches over what the index was left with; projecting the query is no part of the table's shape."""
    rows = bench.project(sample.queries[: N_TIMED + N_WARMUP])
    found = time_searches(lambda query: index.search(query, bench.plan.n_results), rows,
                          warmup=min(N_WARMUP, max(len(rows) - 2, 0)))  # fmt: skip
    n_vectors = int(index.ntotal)
    return CodecTiming(found.cpu_ms_per_query, found.cpu_ms_low, found.cpu_ms_high, n_vectors, nprobe)
