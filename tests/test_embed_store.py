import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.artifacts import ArtifactStore
from ragopt.embed.sample import training_sample
from ragopt.embed.store import Vectors, embed_to_store, vectors_recipe
from ragopt.embed.stored_rows import unit_rows
from ragopt.errors import ArtifactError, InputError, StorageError

ROOT = Path(__file__).parents[1]  # where a subprocess finds this module again
TEXTS = [f"{'word ' * (number * 7 % 13)}{number}" for number in range(50)]


class LetterCounts:
    """A real, if simple, model: how often each of a few characters stands in a text."""

    name = "letters"
    device = "cpu"
    tokenizer = None

    def __init__(self, letters="0123456789word ", *, pause_s=0.0):
        self.letters = letters
        self.dim = len(letters)
        self.identity = {"model": "letters", "letters": letters}
        self.pause_s = pause_s
        self.seen = []

    def embed_documents(self, texts):
        """Count."""
        self.seen.extend(texts)
        time.sleep(self.pause_s)
        return np.array([[text.count(letter) for letter in self.letters] for text in texts], np.float32)

    def embed_queries(self, texts):
        """Count the other way round, so that roles cannot be mixed up."""
        return -self.embed_documents(texts)


def embed(folder, *, texts=TEXTS, embedder=None, role="document", metric="cosine", block_rows=8, progress=None):
    embedder = embedder or LetterCounts()
    fingerprint = hashlib.sha256("\0".join(texts).encode(errors="surrogatepass")).hexdigest()
    recipe = vectors_recipe(embedder, texts_fingerprint=fingerprint, n_texts=len(texts), role=role, metric=metric)
    return embed_to_store(
        ArtifactStore(folder),
        recipe,
        n_texts=len(texts),
        texts=lambda first, last: texts[first:last],
        embedder=embedder,
        role=role,
        metric=metric,
        block_rows=block_rows,
        progress=progress,
    )


@pytest.mark.parametrize("block_rows", [1, 8, 49, 50, 4096])
def test_vectors_come_back_in_text_order(tmp_path, block_rows):
    """Sorting by length inside a block leaves no trace, whatever the block size."""
    vectors = embed(tmp_path, block_rows=block_rows)
    expected = unit_rows(LetterCounts().embed_documents(TEXTS))
    assert (vectors.n, vectors.dim) == expected.shape
    assert np.array_equal(np.concatenate([block for _, block in vectors.blocks(7)]), expected)
    assert [first for first, _ in vectors.blocks(20)] == [0, 20, 40]
    assert vectors.fingerprint == hashlib.sha256(expected.tobytes()).hexdigest()


def test_texts_reach_the_model_longest_first_within_a_block(tmp_path):
    """Texts of like length are neighbours, so that a transformer pads little."""
    embedder = LetterCounts()
    embed(tmp_path, embedder=embedder, block_rows=25)
    for block in (embedder.seen[:25], embedder.seen[25:]):
        assert [len(text) for text in block] == sorted(map(len, block), reverse=True)


def test_metric_and_role_decide_what_is_stored(tmp_path):
    """Inner product and L2 keep lengths; queries go through the query side; each is its own artifact."""
    raw = LetterCounts().embed_documents(TEXTS)
    for metric in ("ip", "l2"):
        assert np.array_equal(embed(tmp_path, metric=metric).rows(np.arange(50)), raw)
    assert np.array_equal(embed(tmp_path, role="query").rows(np.arange(50)), -unit_rows(raw))


def test_a_second_call_embeds_nothing(tmp_path):
    """A finished artifact is opened, and progress still ends at the total."""
    first = embed(tmp_path)
    again, calls = LetterCounts(), []
    vectors = embed(tmp_path, embedder=again, progress=lambda done, total: calls.append((done, total)))
    assert again.seen == []
    assert calls == [(50, 50)]
    assert vectors.fingerprint == first.fingerprint


def test_progress_counts_texts(tmp_path):
    """Progress starts at 0, never goes back and ends at the number of texts."""
    calls = []
    embed(tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert calls[0] == (0, 50)
    assert calls[-1] == (50, 50)
    assert calls == sorted(calls)


CRASHING = """
import sys
from pathlib import Path
from tests.test_embed_store import LetterCounts, embed
embed(Path(sys.argv[1]), embedder=LetterCounts(pause_s=0.05),
      progress=lambda done, total: print(done, flush=True))
"""


def test_kill_9_loses_at_most_one_block(tmp_path):
    """A killed process leaves whole blocks; the next run embeds only the rest and ends with the same bytes."""
    whole = embed(tmp_path / "whole")
    for _ in range(2):  # the second process resumes and is killed as well
        process = subprocess.Popen([sys.executable, "-c", CRASHING, tmp_path / "cut"], stdout=subprocess.PIPE, cwd=ROOT)
        start = int(process.stdout.readline())
        while int(process.stdout.readline()) < start + 16:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    (work,) = (tmp_path / "cut" / "vectors").glob("*/*.part")
    with (work / "vectors.f32").open("ab") as handle:
        handle.write(b"half a row")  # a block that was cut while being written
    rest = LetterCounts()
    resumed = embed(tmp_path / "cut", embedder=rest)
    assert len(rest.seen) in (50 - 24, 50 - 16)  # two runs, each killed in or after its second block
    assert set(rest.seen) <= set(TEXTS[16:])
    assert (resumed.path.read_bytes(), resumed.fingerprint) == (whole.path.read_bytes(), whole.fingerprint)
    assert not list((tmp_path / "cut").rglob("*.part"))


@pytest.mark.parametrize("damage", ["short", "changed", "gone"])
def test_a_damaged_start_is_embedded_again(tmp_path, damage):
    """Blocks that no longer match their recorded hash do not count."""

    class Stops(LetterCounts):
        def embed_documents(self, texts):
            if len(self.seen) >= 24:
                raise KeyboardInterrupt
            return super().embed_documents(texts)

    with pytest.raises(KeyboardInterrupt):
        embed(tmp_path, embedder=Stops())
    (path,) = tmp_path.rglob("vectors.f32")
    data = path.read_bytes()
    assert len(data) == 24 * LetterCounts().dim * 4
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if damage == "short" else bytes([data[0] ^ 1]) + data[1:])
    rest = LetterCounts()
    vectors = embed(tmp_path, embedder=rest)
    assert len(rest.seen) == 50
    assert vectors.fingerprint == embed(tmp_path / "other").fingerprint


def test_two_processes_share_the_work_without_mixing_it(tmp_path):
    """A second process waits for the first and then finds the finished vectors."""
    command = [sys.executable, "-c", CRASHING, tmp_path]
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert not list(tmp_path.rglob("*.part"))
    assert embed(tmp_path).fingerprint == embed(tmp_path / "other").fingerprint


FULL_DISK = """
import resource, sys
from pathlib import Path
from ragopt.errors import StorageError
from tests.test_embed_store import embed
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
try:
    embed(Path(sys.argv[1]))
except StorageError as error:
    sys.exit("StorageError: " + str(error))
"""


def test_a_disk_that_fills_up_keeps_finished_blocks(tmp_path):
    """No room for more is one clear error; with room again the run goes on."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 1
    assert done.stderr.startswith("StorageError: Cannot write")
    assert "--cache-dir" in done.stderr
    rest = LetterCounts()
    assert embed(tmp_path, embedder=rest).n == 50
    assert len(rest.seen) == 50 - 24  # three blocks of 8 x 15 x 4 bytes fit in 1,500


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    """A file where the store should be gives a StorageError."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Cannot write"):
        embed(tmp_path / "file")


@pytest.mark.parametrize("metric", ["cosine", "ip"])
def test_a_bad_vector_names_row_and_text(tmp_path, metric):
    """NaN and (cosine) zero vectors name the row and how its text starts, and leave no artifact."""

    class Bad(LetterCounts):
        def embed_documents(self, texts):
            vectors = super().embed_documents(texts)
            vectors[[text.endswith(" 37") or text == "37" for text in texts]] = 0 if metric == "cosine" else np.nan
            return vectors

    with pytest.raises(InputError, match=r"document 37 \(counting from 0\), which starts 'word") as caught:
        embed(tmp_path, embedder=Bad(), metric=metric)
    assert len(str(caught.value)) < 400
    assert not list(tmp_path.rglob("recipe.json"))


def test_no_text_and_text_that_is_no_unicode_are_refused(tmp_path):
    """An empty list and half of a surrogate pair are input errors."""
    with pytest.raises(InputError, match="There is no document to embed"):
        embed(tmp_path, texts=[])
    with pytest.raises(InputError, match=r"document 1 .*cannot be written as UTF-8"):
        embed(tmp_path, texts=["fine", "half \ud800 pair"])


def test_a_model_that_gives_another_shape_is_refused(tmp_path):
    """A wrong number of vectors is never stored."""

    class Short(LetterCounts):
        def embed_documents(self, texts):
            return super().embed_documents(texts)[1:]

    with pytest.raises(InputError, match=r"gave an array of shape \(7, 15\) for 8 texts"):
        embed(tmp_path, embedder=Short())


@pytest.mark.parametrize("damage", ["short", "no file", "no info"])
def test_damaged_artifacts_are_not_opened(tmp_path, damage):
    """A finished artifact whose length or record is wrong is an error that names its folder."""
    vectors = embed(tmp_path)
    if damage == "short":
        os.truncate(vectors.path, 100)
    else:
        (vectors.path if damage == "no file" else vectors.path.with_name("vectors.json")).unlink()
    with pytest.raises(ArtifactError, match="rm -r"):
        embed(tmp_path)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    matrix = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
    path = tmp_path_factory.mktemp("rows") / "vectors.f32"
    path.write_bytes(matrix.tobytes())
    return matrix, Vectors(path, n=300, dim=5, fingerprint="")


@given(rows=st.lists(st.integers(0, 299), max_size=40))
def test_rows_equal_fancy_indexing(stored, rows):
    """Any order, any repeats, none at all: the same as indexing the whole matrix."""
    matrix, vectors = stored
    wanted = np.array(rows, dtype=np.int64)
    before = wanted.copy()
    assert np.array_equal(vectors.rows(wanted), matrix[wanted])
    assert np.array_equal(wanted, before)


@given(block_rows=st.integers(1, 400))
def test_blocks_cover_every_row_once(stored, block_rows):
    """Blocks of any size, put together, are the matrix."""
    matrix, vectors = stored
    assert np.array_equal(np.concatenate([block for _, block in vectors.blocks(block_rows)]), matrix)


@pytest.mark.parametrize("first_row", [0, 64, 299, 300])
def test_blocks_begin_where_asked(stored, first_row):
    """Blocks from a row on name their own first rows and hold the rest of the matrix."""
    matrix, vectors = stored
    found = list(vectors.blocks(64, first_row=first_row))
    assert [start for start, _ in found] == list(range(first_row, 300, 64))
    for start, block in found:
        assert np.array_equal(block, matrix[start : start + 64])


@pytest.mark.parametrize("row", [-1, 300])
def test_rows_outside_are_refused(stored, row):
    """There is no wrapping round from the end."""
    with pytest.raises(IndexError, match=f"Row {row} lies outside 0 to 299"):
        stored[1].rows(np.array([0, row]))


def test_training_sample(stored):
    """A sample is seeded, sorted, without repeats, and everything when it may be."""
    matrix, vectors = stored
    sample = training_sample(vectors, max_rows=40, seed=7)
    drawn = [int(np.flatnonzero((matrix == row).all(axis=1))[0]) for row in sample]
    assert drawn == sorted(set(drawn))
    assert len(drawn) == 40
    assert np.array_equal(sample, training_sample(vectors, max_rows=40, seed=7))
    assert not np.array_equal(sample, training_sample(vectors, max_rows=40, seed=8))
    assert np.array_equal(training_sample(vectors, max_rows=300, seed=7), matrix)
    with pytest.raises(ValueError, match="at least 1"):
        training_sample(vectors, max_rows=0, seed=7)


def test_training_sample_is_uniform(stored):
    """Over many seeds every row is drawn about equally often (binomial, five standard deviations)."""
    matrix, vectors = stored
    counts = np.zeros(300)
    position = {row.tobytes(): number for number, row in enumerate(matrix)}
    for seed in range(200):
        for row in training_sample(vectors, max_rows=30, seed=seed):
            counts[position[row.tobytes()]] += 1
    assert np.abs(counts - 20).max() < 5 * (200 * 0.1 * 0.9) ** 0.5


def test_a_model_may_name_how_many_texts_it_takes_at_once(tmp_path):
    """An accelerator's model is handed larger calls, a slow one smaller; the vectors are the same rows."""

    class SevenAtOnce(LetterCounts):
        texts_per_call = 7
        sizes = ()

        def embed_documents(self, texts):
            self.sizes = (*self.sizes, len(texts))
            return super().embed_documents(texts)

    model = SevenAtOnce()
    recipe = vectors_recipe(model, texts_fingerprint="t", n_texts=len(TEXTS), role="document", metric="l2")
    vectors = embed_to_store(
        ArtifactStore(tmp_path), recipe, n_texts=len(TEXTS), texts=lambda start, stop: TEXTS[start:stop],
        embedder=model, role="document", metric="l2",
    )  # fmt: skip
    assert model.sizes == (7,) * 7 + (1,)
    np.testing.assert_array_equal(vectors.rows(np.arange(50)), LetterCounts().embed_documents(TEXTS))
