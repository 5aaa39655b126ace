import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.artifacts import RECIPE_FILE, ArtifactStore, canonical_json, key_of, write_atomically
from ragopt.errors import ArtifactError, StorageError
from tests.helpers import ROOT, run_python

RECIPE = {"kind": "demo", "seed": 1}

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def fill(folder):
    (folder / "part.txt").write_text("whole")


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=6))
def test_canonical_json_has_one_form(value):
    """The order of keys does not matter, and what is written reads back equal."""
    turned = dict(reversed(list(value.items())))
    assert canonical_json(turned) == canonical_json(value)
    assert json.loads(canonical_json(value)) == value
    assert key_of(turned) == key_of(value)


def test_canonical_json_by_hand():
    """Keys are sorted, spaces left out, letters kept; NaN has no form."""
    assert canonical_json({"b": [1, 2.5], "a": "é"}) == '{"a":"é","b":[1,2.5]}'
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"a": float("nan")})


def test_key_is_the_sha256_of_the_canonical_form():
    """The key can be checked by hand with any SHA-256 tool."""
    # printf '{"kind":"demo","seed":1}' | sha256sum
    assert key_of(RECIPE) == "ddeafa5b5e9012356912fe4659e838c2287823950f6460460ca6e7973fb090f2"


def test_other_recipes_get_other_keys(tmp_path):
    """A recipe that differs in any value lies elsewhere and is made anew."""
    store = ArtifactStore(tmp_path)
    first = store.get_or_make(RECIPE, fill)
    other = {**RECIPE, "seed": 2}
    assert not store.has(other)
    assert store.get_or_make(other, fill) != first


def test_an_artifact_is_made_once(tmp_path):
    """The second call finds what the first one made and does not call `make`."""
    store, calls = ArtifactStore(tmp_path), []

    def make(folder):
        calls.append(folder)
        fill(folder)

    first, second = store.get_or_make(RECIPE, make), store.get_or_make(RECIPE, make)
    assert first == second == store.path_of(RECIPE)
    assert (first / "part.txt").read_text() == "whole"
    assert len(calls) == 1


def test_a_failing_make_leaves_nothing(tmp_path):
    """An error while making is passed on, and no folder is left, not even a temporary one."""
    store = ArtifactStore(tmp_path)

    def make(folder):
        fill(folder)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        store.get_or_make(RECIPE, make)
    assert not store.has(RECIPE)
    assert list(store.path_of(RECIPE).parent.iterdir()) == []


def test_a_resumable_folder_becomes_the_artifact(tmp_path):
    """What was written piece by piece under the stable name is the artifact once it is finished."""
    store = ArtifactStore(tmp_path)
    work = store.work_path_of(RECIPE)
    work.mkdir(parents=True)
    fill(work)
    assert not store.has(RECIPE)
    assert store.finish(RECIPE) == store.path_of(RECIPE)
    assert store.has(RECIPE)
    assert not work.exists()


def test_what_a_failed_attempt_left_is_given_to_the_next_one(tmp_path):
    """A folder that is resumed keeps its files until it is the artifact; then nothing is made again."""
    store, recipe, seen = ArtifactStore(tmp_path), {"kind": "long", "n": 1}, []

    def make(folder):
        seen.append(sorted(path.name for path in folder.iterdir()))
        (folder / f"part-{len(seen)}").touch()
        if len(seen) < 3:
            raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            store.resume_or_make(recipe, make)
        assert not store.has(recipe)
    final = store.resume_or_make(recipe, make)
    assert store.resume_or_make(recipe, make) == final == store.path_of(recipe)
    assert seen == [[], ["part-1"], ["part-1", "part-2"]]
    assert sorted(path.name for path in final.iterdir()) == ["part-1", "part-2", "part-3", RECIPE_FILE]
    assert not store.work_path_of(recipe).exists()


def test_another_recipe_under_the_same_key_is_refused(tmp_path):
    """An artifact whose recipe was changed is never taken for the one asked for."""
    store = ArtifactStore(tmp_path)
    folder = store.get_or_make(RECIPE, fill)
    (folder / RECIPE_FILE).write_text('{"kind":"demo","seed":2}')
    with pytest.raises(ArtifactError, match=r"another recipe.*rm -r"):
        store.get_or_make(RECIPE, fill)


MAKE_SLOWLY = """
    import sys, time
    from pathlib import Path
    from ragopt.artifacts import ArtifactStore

    def make(folder):
        (folder / "part.txt").write_text("half")
        print("half", flush=True)
        time.sleep(60)

    ArtifactStore(Path(sys.argv[1])).get_or_make({"kind": "demo", "seed": 1}, make)
"""


def test_kill_9_while_making_leaves_no_artifact(tmp_path):
    """After kill -9 in the middle of `make` the store says that there is none, and a second call makes it whole."""
    code = textwrap.dedent(MAKE_SLOWLY)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL
    store = ArtifactStore(tmp_path)
    assert not store.has(RECIPE)
    assert (store.get_or_make(RECIPE, fill) / "part.txt").read_text() == "whole"


MAKE_TOGETHER = """
    import sys, time
    from pathlib import Path
    from ragopt.artifacts import ArtifactStore

    root, me, other = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

    def make(folder):
        (folder / "part.txt").write_text("whole")
        (root / me).touch()
        until = time.monotonic() + 30
        while not (root / other).exists():
            assert time.monotonic() < until
            time.sleep(0.01)

    print(ArtifactStore(root).get_or_make({"kind": "demo", "seed": 1}, make) / "part.txt")
"""


def test_two_processes_may_make_the_same_artifact_at_once(tmp_path):
    """Both are inside `make` together, both succeed, both name the same whole artifact, and nothing else is left."""
    code = textwrap.dedent(MAKE_TOGETHER)
    pairs = [("a", "b"), ("b", "a")]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), *pair],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for pair in pairs
    ]
    answers = [process.communicate(timeout=60) for process in processes]
    folder = ArtifactStore(tmp_path).path_of(RECIPE)
    assert answers == [(f"{folder / 'part.txt'}\n", "")] * 2
    assert (folder / "part.txt").read_text() == "whole"
    assert list(folder.parent.iterdir()) == [folder]


WRITE_TOO_MUCH = """
    import resource, sys
    from pathlib import Path
    from ragopt.artifacts import write_atomically
    from ragopt.errors import StorageError

    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        write_atomically(Path(sys.argv[1]), b"x" * 100_000)
    except StorageError as error:
        print(error)
"""


def test_a_full_disk_keeps_the_old_file(tmp_path):
    """When the file cannot grow, StorageError names it and the next step, the old file is whole, no other is left."""
    path = tmp_path / "run.json"
    write_atomically(path, "old")
    answer = run_python(WRITE_TOO_MUCH, str(path))
    assert answer.returncode == 0, answer.stderr
    assert str(path) in answer.stdout
    assert "Free some space" in answer.stdout
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_a_storage_error(tmp_path):
    """A folder that may not be written to is named with the options that choose another."""
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    with pytest.raises(StorageError, match=r"locked.*Permission denied.*--cache-dir or --out"):
        write_atomically(locked / "run.json", "new")
    with pytest.raises(StorageError, match=r"locked.*Permission denied"):
        ArtifactStore(locked).get_or_make(RECIPE, fill)


def test_a_file_in_place_of_a_folder_is_a_storage_error(tmp_path):
    """A path that leads through a file says so instead of showing a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Not a directory"):
        write_atomically(tmp_path / "file" / "deep" / "run.json", "new")


def test_write_atomically_replaces_and_makes_folders(tmp_path):
    """Text and bytes are written whole, folders are made, an old file is replaced, no temporary file is left."""
    path = tmp_path / "a" / "b" / "run.json"
    write_atomically(path, "é")
    assert path.read_bytes() == "é".encode()
    write_atomically(path, b"\x00")
    assert path.read_bytes() == b"\x00"
    assert list(path.parent.iterdir()) == [path]


def test_a_reader_never_sees_half_a_file(tmp_path):
    """While one process writes again and again, every read gives one whole version."""
    path = tmp_path / "value"
    write_atomically(path, b"0" * 50_000)
    code = textwrap.dedent("""
        import sys
        from pathlib import Path
        from ragopt.artifacts import write_atomically

        for number in range(60):
            write_atomically(Path(sys.argv[1]), str(number % 10).encode() * 50_000)
    """)
    with subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT) as process:
        seen = set()
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            data = path.read_bytes()
            seen.add((len(data), len(set(data))))
    assert process.returncode == 0
    assert seen == {(50_000, 1)}
