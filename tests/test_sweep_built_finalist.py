"""Finalists larger than memory: built by shards into the same bytes, resumed after a kill, within the disk's room."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ragopt.artifacts import ArtifactStore
from ragopt.errors import IndexFormatError, StorageError
from ragopt.index.factory import parse_factory
from ragopt.index.saved import INDEX_FILE, MANIFEST_FILE, open_index
from ragopt.measure.latency import one_thread
from ragopt.records import Trial
from ragopt.sweep import built_parts, streamed_build
from ragopt.sweep.built_finalist import CODES_FILE, NO_LINKS, build_codes, build_finalist
from ragopt.sweep.disk_room import require_space
from ragopt.sweep.streamed_build import build_memory_bytes, codes_bytes, is_streamed, shard_rows
from tests.built_example import FULL, KILLED, PLAN, REDUCED, N, data_in, small_steps
from tests.helpers import ROOT, run_python

TRIALS = [
    KILLED,
    Trial(FULL, "SQ8"),
    Trial(FULL, "IVF8,PQ4x4fs"),
    Trial(FULL, "PCAR8,RaBitQ,Refine(SQfp16)"),
    Trial(REDUCED, "PQ4x4fs,RFlat"),
    Trial(FULL, "HNSW8,SQ8,Refine(SQfp16)"),
    Trial(FULL, "HNSW8,SQ8"),
]


@pytest.fixture(scope="module", autouse=True)
def single_thread():
    """Trainings as small as these are faster on one."""
    with one_thread():
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """1,500 vectors of 16 dimensions."""
    return data_in(tmp_path_factory.mktemp("data"))


@pytest.fixture
def streamed(monkeypatch):
    """Three shards a part, none of it in memory; the value switches that off again but not the blocks."""
    small_steps(monkeypatch.setattr)
    return lambda most_bytes: monkeypatch.setattr(streamed_build, "IN_MEMORY_BYTES", most_bytes)


def manifest_of(folder):
    return {**json.loads((folder / MANIFEST_FILE).read_text()), "seconds": None}


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: f"{trial.space.dim}-{trial.factory}")
def test_a_streamed_finalist_is_the_one_built_in_memory(data, trial, streamed, tmp_path):
    """File and manifest are equal but for the seconds, and no shard is left."""
    found = build_finalist(ArtifactStore(tmp_path / "streamed"), data, trial, PLAN)
    streamed(1 << 40)
    expected = build_finalist(ArtifactStore(tmp_path / "memory"), data, trial, PLAN)
    assert (found / INDEX_FILE).read_bytes() == (expected / INDEX_FILE).read_bytes()
    assert manifest_of(found) == manifest_of(expected)
    assert found.relative_to(tmp_path / "streamed") == expected.relative_to(tmp_path / "memory")
    assert names_in(found) == names_in(expected)
    assert [path.name for path in tmp_path.rglob("*") if path.suffix in (".part", ".tmp")] == []
    assert open_index(found, verify="full").n == N


@pytest.mark.usefixtures("streamed")
def test_codes_are_streamed_once_for_all_tiers(data, tmp_path, monkeypatch):
    """Two tiers and no tier over the same codes encode those once; without a tier both artifacts are one file."""
    encoded = []
    honest = streamed_build.write_shard

    def counted(folder, *given, **more):
        encoded.append(folder.parent.parent.parent.parent.name)
        honest(folder, *given, **more)

    monkeypatch.setattr(streamed_build, "write_shard", counted)
    store = ArtifactStore(tmp_path)
    for factory in ("PQ4np,Refine(SQ8)", "PQ4np,Refine(SQfp16)", "PQ4np"):
        folder = build_finalist(store, data, Trial(FULL, factory), PLAN)
    assert [encoded.count(kind) for kind in ("built-codes", "built")] == [3, 6]
    codes = build_codes(store, data, Trial(FULL, "PQ4np"), PLAN)
    assert (codes / CODES_FILE).samefile(folder / INDEX_FILE)


@pytest.mark.usefixtures("streamed")
def test_a_file_system_without_hard_links_gets_a_copy(data, tmp_path, monkeypatch):
    """Where no link can be made the finalist has the same bytes in a file of its own."""

    def refused(*_given):
        raise OSError(NO_LINKS[0], os.strerror(NO_LINKS[0]))

    monkeypatch.setattr("os.link", refused)
    store, trial = ArtifactStore(tmp_path), Trial(FULL, "SQ8")
    folder, codes = build_finalist(store, data, trial, PLAN), build_codes(store, data, trial, PLAN)
    assert not (codes / CODES_FILE).samefile(folder / INDEX_FILE)
    assert (codes / CODES_FILE).read_bytes() == (folder / INDEX_FILE).read_bytes()


def test_bytes_of_codes_decide():
    """Codes, ids and tier above 64 MiB are streamed; a graph without a tier never is."""
    sq8 = parse_factory("SQ8", 64)
    assert codes_bytes(sq8, 1000) == 64_000
    assert codes_bytes(parse_factory("SQ8,Refine(SQfp16)", 64), 1000) == 192_000
    # Of 100 lists all are filled with 1,000 vectors, none of them without; then the table has 8 bytes a list.
    assert codes_bytes(parse_factory("IVF100,SQ8", 64), 1000) == 1000 * (64 + 8) + 100 * 8
    assert not is_streamed(sq8, 1 << 20, None)
    assert is_streamed(sq8, (1 << 20) + 1, None)
    assert not is_streamed(parse_factory("HNSW8,SQ8", 64), 1 << 24, None)
    assert is_streamed(parse_factory("HNSW8,SQ8,Refine(SQ8)", 64), 1 << 24, None)


def test_memory_that_may_be_used_lowers_the_bound():
    """A quarter of it, where that is less than 64 MiB."""
    assert [streamed_build.most_in_memory(most) for most in (40_000_000, 1 << 30, None)] == [
        10_000_000, 64 << 20, 64 << 20
    ]  # fmt: skip


def test_shards_are_whole_blocks():
    """131,072 rows of 56 bytes; 16 MiB of longer ones, and one block at the least."""
    rows = [shard_rows(parse_factory(text, dim)) for text, dim in
            (("IVF64,PQ48np", 384), ("SQ8", 384), ("Flat", 384))]  # fmt: skip
    assert rows == [131_072, 32_768, 16_384]


def test_memory_of_a_build_by_hand():
    """Three blocks of 16,384 rows, and three times the codes, or the largest shard, or a graph under its tier."""
    blocks = 3 * 4 * 64 * 16_384
    held = [
        build_memory_bytes(parse_factory(text, 64), 64, n, None) - blocks
        for text, n in (("SQ8", 1000), ("SQ8", 10_000_000), ("PQ8np,Refine(SQ8)", 10_000_000))
    ]
    assert held == [3 * 64_000, 3 * 64 * 131_072, 3 * 64 * 131_072]
    graph = parse_factory("HNSW8,SQ8", 64)
    tiered = parse_factory("HNSW8,SQ8,Refine(SQ8)", 64)
    assert build_memory_bytes(tiered, 64, 10_000_000, None) == blocks + 3 * codes_bytes(graph, 10_000_000)


def test_room_on_the_disk_is_asked_for_before_work(tmp_path, monkeypatch):
    """What is needed, what is free and what to do: 3 MB where 2.9 MB are free, in a folder not made yet."""
    usage = type("Usage", (), {"free": 2_900_000})
    asked = []
    monkeypatch.setattr("shutil.disk_usage", lambda path: asked.append(Path(path)) or usage)
    require_space(tmp_path / "a" / "b", 2_900_000, "Building x")
    words = r"Building x writes 3\.0 MB to .*where 2\.9 MB are free.*3,000,000.*--cache-dir"
    with pytest.raises(StorageError, match=words):
        require_space(tmp_path / "a" / "b", 3_000_000, "Building x")
    assert asked == [tmp_path, tmp_path]


@pytest.mark.usefixtures("streamed")
def test_a_disk_without_room_is_said_before_work(data, tmp_path, monkeypatch):
    """Codes' file, shards of the tier and final file are counted; nothing is trained."""
    store = ArtifactStore(tmp_path / "store")
    reference = build_finalist(ArtifactStore(tmp_path / "other"), data, KILLED, PLAN)
    codes = build_codes(ArtifactStore(tmp_path / "other"), data, KILLED, PLAN)
    needed = (reference / INDEX_FILE).stat().st_size + (codes / CODES_FILE).stat().st_size + 8 * N
    usage = type("Usage", (), {"free": needed - 1})
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)
    monkeypatch.setattr(built_parts, "train_on", None)
    with pytest.raises(StorageError, match=rf"Building {KILLED.space}.*at least {needed:,} free bytes.*--cache-dir"):
        build_finalist(store, data, KILLED, PLAN)
    usage.free = 100
    with pytest.raises(StorageError, match="Building"):
        build_codes(store, data, KILLED, PLAN)


def test_a_disk_that_fills_up_keeps_whole_shards(tmp_path):
    """No file may pass 7,000 bytes: the shards of 4,096 get there, their file does not, and it is said."""
    answer = run_python(f"""
        import resource
        from pathlib import Path
        from ragopt.artifacts import ArtifactStore
        from ragopt.errors import IndexFormatError, StorageError
        from ragopt.records import Trial
        from ragopt.sweep.built_finalist import build_codes
        from tests.built_example import PLAN, REDUCED, data_in, small_steps

        small_steps()
        folder = Path({str(tmp_path)!r})
        data = data_in(folder / "data")
        resource.setrlimit(resource.RLIMIT_FSIZE, (7000, resource.RLIM_INFINITY))
        try:
            build_codes(ArtifactStore(folder / "store"), data, Trial(REDUCED, "SQ8"), PLAN)
        except StorageError as error:
            print(error)
    """)
    assert answer.returncode == 0, answer.stderr
    assert "Cannot write" in answer.stdout
    assert "--cache-dir" in answer.stdout
    shards = sorted(path.parent.name for path in (tmp_path / "store").rglob("codes.bin"))
    assert shards == ["000000000000-512", "000000000512-512", "000000001024-512"]


@pytest.mark.usefixtures("streamed")
@pytest.mark.parametrize("factory", ["SQ8", "PQ4np,Refine(SQ8)"])
def test_a_damaged_shard_makes_no_index_and_is_not_kept(data, factory, tmp_path, monkeypatch):
    """Codes that lost a byte are found by the length of their file, and the next build encodes them again."""
    honest = streamed_build.write_shard

    def cut(folder, *given, first_row, **more):
        honest(folder, *given, first_row=first_row, **more)
        if first_row == 512:
            os.truncate(folder / "codes.bin", (folder / "codes.bin").stat().st_size - 1)

    store, trial = ArtifactStore(tmp_path), Trial(FULL, factory)
    with monkeypatch.context() as patch:
        patch.setattr(streamed_build, "write_shard", cut)
        with pytest.raises(IndexFormatError, match="the formula says"):
            build_finalist(store, data, trial, PLAN)
    assert list(tmp_path.rglob("index.faiss")) == []
    assert open_index(build_finalist(store, data, trial, PLAN), verify="full").n == N


def children(folder, tasks):
    """Run tasks of `build_child.py`; what it says of each."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    answer = subprocess.run([sys.executable, ROOT / "tests" / "build_child.py", folder, json.dumps(tasks)],
                            capture_output=True, text=True, check=False, env=environment)  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return [json.loads(line) for line in answer.stdout.splitlines()]


def log_of(folder, number):
    """What processes trained and encoded; nothing when they were killed before."""
    log = folder / f"{number}.log"
    return log.read_text().splitlines() if log.exists() else []


PIECES = [f"{kind} {name}" for kind in ("built", "built-codes")
          for name in ("000000000000-512", "000000000512-512", "000000001024-512", "trained")]  # fmt: skip


@pytest.mark.usefixtures("streamed")
def test_a_build_killed_anywhere_goes_on_with_what_is_whole(data, tmp_path):
    """Killed by SIGKILL at steps all over, the next one gives the same bytes and makes no whole piece again."""
    expected = (build_finalist(ArtifactStore(tmp_path / "here"), data, KILLED, PLAN) / INDEX_FILE).read_bytes()
    [whole] = children(tmp_path / "whole", [[0]])
    n_steps = int(whole["steps"][0])
    kills = list(range(2, n_steps + 1, 7))
    assert len(kills) > 10
    first = children(tmp_path / "killed", [[kill_at] for kill_at in kills])
    assert [one["statuses"] for one in first] == [[-signal.SIGKILL]] * len(kills)
    logs = [log_of(tmp_path / "killed", number) for number in range(len(kills))]
    second = children(tmp_path / "killed", [[0]] * len(kills))
    assert [one["statuses"] for one in second] == [[0]] * len(kills)
    for number, before in enumerate(logs):
        after = log_of(tmp_path / "killed", number)[len(before) :]
        done = {line.removeprefix("end ") for line in before if line.startswith("end ")}
        assert sorted(line.removeprefix("begin ") for line in after if line.startswith("begin ")) == [
            piece for piece in PIECES if piece not in done
        ]
        store = tmp_path / "killed" / str(number)
        assert next((store / "built").rglob(INDEX_FILE)).read_bytes() == expected
        assert [path for path in store.rglob("*") if path.suffix == ".part"] == []
    assert max(len(log) for log in logs) == 2 * len(PIECES)


@pytest.mark.usefixtures("streamed")
def test_two_processes_at_once_make_every_piece_once(data, tmp_path):
    """The second one waits and finds what the first one made; so it does when that one is killed."""
    expected = (build_finalist(ArtifactStore(tmp_path / "here"), data, KILLED, PLAN) / INDEX_FILE).read_bytes()
    both, one = children(tmp_path, [[0, 0], [30, 0]])
    # The first one is killed at its 30th step, unless the second one came first and left it nothing to do.
    assert (both["statuses"], one["statuses"][1]) == ([0, 0], 0)
    for number in (0, 1):
        ended = sorted(line.removeprefix("end ") for line in log_of(tmp_path, number) if line.startswith("end "))
        assert ended == PIECES
        assert next((tmp_path / str(number) / "built").rglob(INDEX_FILE)).read_bytes() == expected


@pytest.mark.usefixtures("streamed")
def test_other_settings_are_another_build(data, tmp_path):
    """Shards are never taken over by a build of another seed."""
    store = ArtifactStore(tmp_path)
    folders = {build_finalist(store, data, KILLED, replace(PLAN, seed=seed)) for seed in (0, 1)}
    assert len(folders) == 2
    assert len({(folder / INDEX_FILE).read_bytes() for folder in folders}) == 2
