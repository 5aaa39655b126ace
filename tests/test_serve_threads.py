"""Eight threads search while another changes the index, and only one writer is let in."""

import random
import subprocess
import sys
import threading
import time

import pytest

from ragopt.errors import IndexBusy
from tests.helpers import ROOT
from tests.killed import copy_of
from tests.small_served import TRIAL, build, documents, opened, question

N_SEARCHERS, N_CHANGES = 8, 40
N_BASE_ASKED = 40


class Books:
    """When each document was surely there: moments before and after the calls that added and deleted it.

    A document may be found if its `add` had begun before the search ended, and its `delete` had not returned before the
    search began; it has to be found if its `add` had returned before, and its `delete` began after.
    """

    def __init__(self, base):
        self.lock = threading.Lock()
        self.lives = {name: [(0.0, 0.0, None, None)] for name in base}  # add began, returned, delete began, returned

    def begin(self, added, deleted):
        """A call begins."""
        now = time.monotonic()
        with self.lock:
            for name in deleted:
                began, returned, _, _ = self.lives[name][-1]
                self.lives[name][-1] = (began, returned, now, None)
            for name in added:
                self.lives.setdefault(name, []).append((now, None, None, None))

    def end(self, added, deleted):
        """It has returned."""
        now = time.monotonic()
        with self.lock:
            for name in deleted:
                place = -2 if name in added else -1
                began, returned, gone, _ = self.lives[name][place]
                self.lives[name][place] = (began, returned, gone, now)
            for name in added:
                began, _, gone, left = self.lives[name][-1]
                self.lives[name][-1] = (began, now, gone, left)

    def may_be_found(self, name, start, end):
        """Whether a search between two moments may find it."""
        with self.lock:
            return any(
                began <= end and (left is None or left >= start) for began, _, _, left in self.lives.get(name, [])
            )

    def has_to_be_found(self, name, start, end):
        """Whether it has to."""
        with self.lock:
            return any(returned is not None and returned < start and (gone is None or gone > end)
                       for _, returned, gone, _ in self.lives.get(name, []))  # fmt: skip


def search_on(index, books, stop, failures, counts, seed):
    """Search for documents that are, were or will be there, with and without a filter, until told to stop."""
    rng = random.Random(seed)
    try:
        while not stop.is_set():
            name = rng.choice([f"n{rng.randrange(60)}", f"b{rng.randrange(N_BASE_ASKED)}"])
            where = rng.choice([None, "even = true", "even = false OR even IS NULL"])
            start = time.monotonic()
            hits = index.search(question(name), 5, where=where)
            end = time.monotonic()
            counts[seed] += 1
            found = [hit.document for hit in hits]
            wrong = [one for one in found if not books.may_be_found(one, start, end)]
            even = name.startswith("n") and int(name[1:]) % 2 == 0
            if books.has_to_be_found(name, start, end) and (where is None or (where == "even = true") == even):
                wrong += [f"missed {name}"] if not found or found[0] != name else []
            if where is not None:
                wrong += [hit.id for hit in hits if (hit.metadata.get("even") is True) != (where == "even = true")]
            if wrong or len(set(found)) != len(found):
                failures.append((name, where, found, wrong))
    except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
        failures.append(repr(error))


def change(index, books, rng, there):
    """Add, delete, update or compact, with the books kept around the call."""
    kind = rng.choice(["add", "add", "delete", "update", "compact"])
    if kind == "add":
        names = rng.sample([f"n{number}" for number in range(60) if f"n{number}" not in there], 3)
        added, deleted = names, []
    elif kind == "delete":
        added, deleted = [], rng.sample(sorted(there), 3)
    else:
        added = deleted = rng.sample(sorted(name for name in there if name[0] == "n"), 2) if kind == "update" else []
    new = [one for name in added for one in documents([name], even=int(name[1:]) % 2 == 0)]
    books.begin(added, deleted)
    if kind == "compact":
        index.compact()
    elif kind == "delete":
        index.delete(deleted)
    else:
        getattr(index, kind)(new, split=False)
    books.end(added, deleted)
    there -= set(deleted)
    there |= set(added)


def test_eight_threads_search_while_one_changes(small, ram):
    """No error, and no result that was deleted before its search began, or not yet added when it ended."""
    index = opened(build(small, ram / "index", TRIAL))
    there = {f"b{number}" for number in range(300)}
    books, rng = Books(there), random.Random(7)
    books.begin(["n0", "n1", "n2"], [])
    index.add([one for n in range(3) for one in documents([f"n{n}"], even=n % 2 == 0)], split=False)
    books.end(["n0", "n1", "n2"], [])
    there |= {"n0", "n1", "n2"}
    stop, failures, counts = threading.Event(), [], [0] * N_SEARCHERS
    threads = [threading.Thread(target=search_on, args=(index, books, stop, failures, counts, seed))
               for seed in range(N_SEARCHERS)]  # fmt: skip
    for thread in threads:
        thread.start()
    for _ in range(N_CHANGES):
        change(index, books, rng, there)
    stop.set()
    for thread in threads:
        thread.join()
    index.close()
    assert failures == []
    assert min(counts) > 0
    assert sum(counts) > 3 * N_CHANGES
    assert index.n_chunks == len(there)


@pytest.fixture(scope="module")
def folder(small, tmp_path_factory):
    """A built folder."""
    return build(small, tmp_path_factory.mktemp("writers") / "index")


WRITE = """
import sys
from pathlib import Path
from tests.small_served import documents, opened
try:
    opened(Path(sys.argv[1])).add(documents(["from another process"]), split=False)
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def written_by_another(folder):
    return subprocess.run([sys.executable, "-c", WRITE, str(folder)], capture_output=True, text=True, cwd=ROOT,
                          env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, check=False, timeout=60)  # fmt: skip


def test_a_second_writer_is_refused(folder, ram):
    """From another handle, another thread and another process: IndexBusy, until the first writer has closed."""
    first, second = opened(copy_of(folder, ram / "index")), opened(ram / "index")
    first.add(documents(["a"]), split=False)
    with pytest.raises(IndexBusy, match=r"is being changed by another writer \(process \d+\)"):
        second.add(documents(["b"]), split=False)
    caught = []

    def write():
        try:
            second.delete(["b1"])
        except IndexBusy as error:
            caught.append(error.next_step)

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert caught == ["Wait until it has closed the index, or write through that process"]
    refused = written_by_another(ram / "index")
    assert refused.returncode == 1
    assert refused.stderr.startswith("IndexBusy: ")
    assert opened(ram / "index").n_chunks == first.n_chunks == 301
    first.close()
    assert written_by_another(ram / "index").returncode == 0
    assert second.refresh() == 3
    second.add(documents(["b"]), split=False)
    assert (second.version, second.n_chunks) == (4, 303)


def test_threads_that_write_through_one_handle_take_turns(folder, ram):
    """Four threads add ten documents each through one opened index: all forty are there, one version each."""
    index = opened(copy_of(folder, ram / "index"))

    def add(number):
        for one in range(10):
            index.add(documents([f"t{number}-{one}"]), split=False)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (index.version, index.n_chunks) == (41, 340)
    index.close()
    assert opened(ram / "index").n_chunks == 340


OPEN = """
import sys
from pathlib import Path
from tests.small_served import opened
versions, index = set(), None
for number in range(30):
    index = opened(Path(sys.argv[1]), "quick" if number % 2 else "full")
    versions.add(index.version)
    assert index.search("title x text of x", 1)[0].id == "x"
assert index.refresh() >= index.version
print(len(versions))
"""


def test_another_process_opens_while_one_changes(folder, ram):
    """Opening and verifying thirty times beside adding, deleting and compacting: always one whole version."""
    with opened(copy_of(folder, ram / "index")) as index:
        index.add(documents(["x"]), split=False)
        reader = subprocess.Popen([sys.executable, "-c", OPEN, str(ram / "index")], stdout=subprocess.PIPE, text=True,
                                  cwd=ROOT, env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})  # fmt: skip
        number = 0
        while reader.poll() is None:
            index.add(documents([f"y{number}"]), split=False)
            index.delete([f"y{number}"])
            if not number % 5:
                index.compact()
            number += 1
    n_versions = int(reader.communicate()[0])
    assert reader.returncode == 0
    assert n_versions > 5
