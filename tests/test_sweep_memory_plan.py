"""What --max-memory plans: stages by hand, workers that fit, what is left out, and the words of a refusal."""

import os
from dataclasses import replace

import pytest

from ragopt.devices import CPU, Device
from ragopt.errors import InputError
from ragopt.index.build_memory import training_bytes
from ragopt.index.factory import parse_factory
from ragopt.index.size import index_bytes
from ragopt.measure.memory import resident_bytes
from ragopt.sweep import memory_plan
from ragopt.sweep.memory_plan import LIBRARY_BYTES, MemoryPlan, Shape, plan_memory, refused
from ragopt.sweep.planned_memory import base_of, base_of_texts, broken_promise, joined

MILLION = Shape(1_000_000, 384, 1000, 2000, 1000)
PQ, HNSW = (parse_factory(text, 384) for text in ("PQ48np", "HNSW32,SQ8"))
MB = 10**6


@pytest.fixture(autouse=True)
def four_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(4)))


def test_the_exact_pass_holds_a_block_its_best_all_kept_rows_and_what_is_scored_again():
    """280 MB of libraries, two blocks of 24 MiB, 1,000 x 4,194 x 52 B, 2,000 x 32 x 12 B and three times 16 MiB.

    4,194 candidates are what all doublings come to: 2^22 scores over 1,000 queries.
    """
    stages = dict(plan_memory(MILLION, [PQ], None).stages)
    assert stages["exact neighbours"] == 280 * MB + 2 * 24 * 2**20 + 4_194_000 * 52 + 768_000 + 48 * 2**20


def test_exact_search_maps_few_vectors_and_reads_many_in_blocks():
    """1,000 x 384 float32 are mapped whole; a million are scanned 128 MiB at a time."""
    few = dict(plan_memory(replace(MILLION, n=1000), [], None).stages)["exact search measured"]
    many = dict(plan_memory(MILLION, [], None).stages)["exact search measured"]
    assert (few, many) == (LIBRARY_BYTES + 1000 * 384 * 4, LIBRARY_BYTES + 128 * 2**20)


def test_a_limit_takes_workers_away_until_every_stage_fits():
    """Without a limit there is one worker per core; each limit gets as many as fit, one at the least."""
    lists = [parse_factory(f"IVF{nlist},PQ48np", 384) for nlist in (128, 256, 512, 1024)]
    free = plan_memory(MILLION, lists, None)
    assert (free.n_select, free.n_build) == (4, 4)
    builds = {}
    for workers in (1, 2, 3, 4):
        builds[workers] = memory_plan._build(MILLION, lists, workers, 2000 * MB)
    for workers in (2, 3, 4):
        assert plan_memory(MILLION, lists, builds[workers]).n_build == workers
        assert plan_memory(MILLION, lists, builds[workers] - 1).n_build == workers - 1
    assert plan_memory(MILLION, lists, 1).n_build == 1


def test_what_cannot_be_built_is_left_out_with_its_size():
    """A graph grows in memory, 384 bytes of codes and 272 of links a vector, three times over: too much for 700 MB."""
    reason = refused(HNSW, MILLION, 700 * MB)
    assert reason.startswith("HNSW32,SQ8 takes 2.6 GB of memory to estimate, build or open over 1,000,000 vectors")
    assert reason.endswith("--max-memory allows 700.0 MB")
    assert refused(HNSW, MILLION, 2800 * MB) == refused(HNSW, MILLION, None) == ""
    plan = plan_memory(MILLION, [PQ, HNSW], 1000 * MB)
    assert plan.refused == (refused(HNSW, MILLION, 1000 * MB),)
    assert dict(plan.stages)["finalists"] < 1000 * MB


def test_a_limit_that_cannot_be_kept_says_which_stage_and_what_would_fit():
    """At 300 MB the libraries alone are too large; the next ten MB that fit are named, and do fit."""
    plan = plan_memory(MILLION, [PQ], 300 * MB)
    assert not plan.is_kept
    with pytest.raises(InputError) as error:
        plan.check()
    name, size = max(plan.stages, key=lambda stage: stage[1])
    assert error.value.failed.startswith(
        f"--max-memory 300.0 MB cannot be kept: {name} may take {size / MB:.1f} MB with"
    )
    assert error.value.allowed == f"{plan.fits_mb}MB or more"
    fits = plan_memory(MILLION, [PQ], plan.fits_mb * MB)
    fits.check()
    assert not plan_memory(MILLION, [PQ], (plan.fits_mb - 10) * MB).is_kept
    assert fits.printed()[-1].startswith(f"--max-memory {fits.max_bytes / MB:.1f} MB is kept; workers: ")


def test_without_a_limit_nothing_is_refused():
    """A plan without a limit is always kept, and prints its stages alone."""
    plan = MemoryPlan(None, 2, 2, (("a", 10),))
    plan.check()
    assert plan.printed() == ("a: at most 10 B of memory",)


def test_a_broken_promise_is_said():
    """Resident memory above the limit is a warning that tells how much of it was anonymous; below it there is none."""
    assert not broken_promise(None, 5, 10)
    assert not broken_promise(10, 5, 10)
    assert broken_promise(10 * MB, 10.5 * MB, 11 * MB) == (
        "--max-memory 10.0 MB was not kept: the process took 10.5 MB of its own."
    )
    assert broken_promise(10 * MB, 6 * MB, 11 * MB) == (
        "--max-memory 10.0 MB: the process took 6.0 MB of its own and had 11.0 MB resident with pages of mapped files, "
        "such as an index that is searched, which the system takes back where it needs them."
    )


def test_a_larger_base_moves_every_stage():
    """What models and chunks hold is there in every stage, and embedding is one more before them."""
    plain = dict(plan_memory(MILLION, [PQ], None).stages)
    moved = plan_memory(replace(MILLION, base_bytes=LIBRARY_BYTES + 70 * MB, embedding_bytes=200 * MB), [PQ], None)
    assert moved.stages[0] == ("embedding or reading", LIBRARY_BYTES + 270 * MB)
    assert dict(moved.stages[1:]) == {name: size + 70 * MB for name, size in plain.items()}
    assert moved.base_bytes == LIBRARY_BYTES + 70 * MB


def test_a_graph_is_in_memory_while_it_is_estimated():
    """Its estimate builds it over the whole corpus, its tier of 768 bytes too, three times over as they grow."""
    small = replace(MILLION, n=100_000)
    with_tier = parse_factory("HNSW32,SQ8,Refine(SQfp16)", 384)
    stages = [dict(plan_memory(small, [one], None).stages)["estimates"] for one in (HNSW, with_tier)]
    workers = 4
    assert stages[1] - stages[0] == pytest.approx(workers * 3 * 100_000 * 768, abs=1000)  # headers


def test_torch_is_counted_where_it_works():
    """A device of torch starts 470 MB higher; texts start from what this process holds, with 100 bytes an id."""
    assert base_of(CPU) == LIBRARY_BYTES
    assert base_of(Device("cuda", "cuda:0", "", "asked for", "torch")) == LIBRARY_BYTES + 470 * MB
    held = resident_bytes()
    assert base_of_texts(CPU, 10**9) == pytest.approx(held + 100 * 10**9 + 60 * MB, abs=50 * MB)


def test_estimates_hold_sample_gathered_scores_and_each_worker_its_training():
    """By hand for four workers, with 4,194,000 scores.

    The sample of 16,384 rows twice, 96 MiB gathered, 20 bytes a score; each worker a quarter of the sample, its
    codebooks, two blocks and 16 bytes a score.
    """
    sample = 16_384 * 384 * 4
    codebooks = index_bytes(PQ, 0).file_bytes
    worker = round(sample * 0.25) + codebooks + 2 * sample + 4_194_000 * 16
    expected = 280 * MB + 2 * sample + 96 * 2**20 + 4_194_000 * 20 + 4 * worker
    assert dict(plan_memory(MILLION, [PQ], None).stages)["estimates"] == expected


def test_finalists_hold_what_is_opened():
    """FastScan's blocks are read into memory: 20 million codes of 24 bytes, and one block that is half empty."""
    fast = parse_factory("PQ48x4fs", 384)
    large = replace(MILLION, n=20_000_000)
    fixed = index_bytes(fast, 0).ram_fixed_bytes
    opened = 280 * MB + fixed + (20_000_000 + 32) * 24
    assert dict(plan_memory(large, [fast], None).stages)["finalists"] == opened


@pytest.mark.parametrize(("text", "samples"), [("PQ48np", 0.25), ("SQ8", 0.25), ("PCAR128,PQ32np", 0.75),
                                               ("OPQ48,PQ48np", 5.5), ("IVF64,SQ8", 1.5), ("RQ4x8", 36.0)])  # fmt: skip
def test_training_takes_a_measured_multiple_of_its_sample(text, samples):
    """Of 1,000 rows, with the empty index, and 10 kB of each inverted list."""
    factory = parse_factory(text, 384)
    lists = 10_000 * factory.nlist
    assert training_bytes(factory, 1000) == round(samples * 1000 * 384 * 4) + lists + index_bytes(factory, 0).file_bytes


def test_several_models_take_the_most_memory_and_the_fewest_workers():
    """One plan for all models: the stages of the largest, the workers that each leaves room for."""
    small, large = MemoryPlan(9, 4, 2, (("a", 5),)), MemoryPlan(9, 3, 4, (("a", 7),))
    assert joined([small, large]) == MemoryPlan(9, 3, 2, (("a", 7),))
