from types import SimpleNamespace

import numpy as np
import pytest

from ragopt.artifacts import ArtifactStore
from ragopt.errors import InputError
from ragopt.measure.intervals import paired_difference
from ragopt.sweep import half_precision, precision_sample
from ragopt.sweep.half_precision import HalfCheck, checked_embedder, compare_precisions
from ragopt.sweep.precision_sample import PrecisionSample, draw_sample

N_TEXTS = 40


class Angles:
    """A model in two dimensions: text `7` lies at 7 degrees; in half precision its vectors are off by some degrees."""

    dim, tokenizer, half = 2, None, "fp16"

    def __init__(self, off=lambda number: 0.0 * number, precision="fp32", fails=""):
        self.name, self.device = "angles", "cuda:0, cuda:1"
        self.off, self.precision, self.fails = off, precision, fails
        self.identity = {"model": "angles", "dtype": precision}
        self.n_embedded = 0

    def embed_documents(self, texts):
        """Place texts, the half precision ones beside where they should be."""
        if self.fails and self.precision == "fp16":
            raise InputError(self.fails, next_step="Embed in float32")
        self.n_embedded += len(texts)
        numbers = np.array([float(text) for text in texts])
        if self.precision == "fp16":
            numbers += self.off(numbers)
        return np.stack([np.cos(np.radians(numbers)), np.sin(np.radians(numbers))], axis=1).astype(np.float32)

    def embed_queries(self, texts):
        """Place queries where they should be, in either precision."""
        numbers = np.radians([float(text) for text in texts])
        return np.stack([np.cos(numbers), np.sin(numbers)], axis=1).astype(np.float32)

    def with_precision(self, precision):
        """Return the same model in another precision."""
        return Angles(self.off, precision, self.fails)


class Chunks:
    """Chunks of a corpus whose texts are their numbers; each document has two."""

    chunks_key = "numbers"

    def __init__(self, n=N_TEXTS, duplicates=None):
        self.n_chunks, self._duplicates = n, duplicates or {}

    def texts(self, rows):
        """Texts are their row numbers."""
        return [str(row) for row in rows]

    def document_ids(self):
        """Two chunks to a document."""
        return [f"d{row // 2}" for row in range(self.n_chunks)]

    def duplicates(self):
        """As given."""
        return self._duplicates


def corpus(n_queries=20, qrels=None, duplicates=None):
    queries = SimpleNamespace(
        ids=[f"q{row}" for row in range(n_queries)], texts=[f"{row}.2" for row in range(n_queries)], qrels=qrels
    )
    return SimpleNamespace(chunks=Chunks(duplicates=duplicates), queries=queries, chunks_key="numbers")


def sample(qrels=None):
    """Texts at 0, 1, ... 19 degrees, one query just above 9 degrees and one at 0."""
    numbers = [str(number) for number in range(20)]
    return PrecisionSample(numbers, numbers, ["q9", "q0"], ["9.2", "0"], qrels)


def compared(off, qrels=None):
    full = Angles(off)
    return compare_precisions(full, full.with_precision("fp16"), sample(qrels), precision="fp16", metric="cosine")


def test_judged_loss_by_hand():
    """Text 9, the relevant one, goes behind 10 by an error of 0.7 degrees: nDCG@10 falls from 1 to 1/log2(3)."""
    found = compared(lambda numbers: np.where(numbers == 9, -0.7, 0.0), {"q9": {"9": 1}, "q0": {"0": 1}})
    # From 9.2 degrees text 10 is .8 away, text 9 now .9 and text 8 1.2: it is second.
    assert found.judged
    assert found.loss.value == pytest.approx((1 - 1 / np.log2(3)) / 2, abs=1e-6)
    assert not found.kept
    assert found.n_documents == 20


def test_without_judgements_float32s_own_neighbours_count():
    """Float32 scores 1 against its own ten nearest; one of them pushed out of ten costs its place, by hand."""
    found = compared(lambda numbers: np.where(numbers == 9, 100.0, 0.0))
    gains = 1 / np.log2(np.arange(2, 12))
    # q9 loses its first; what was second to tenth moves up and an eleventh, which is none of the ten, comes in last.
    # q0 loses its tenth (texts 0 to 9 are its nearest), and 10 comes in.
    expected = [1 - gains[:9].sum() / gains.sum(), 1 - gains[:9].sum() / gains.sum()]
    assert not found.judged
    assert found.loss.value == pytest.approx(np.mean(expected), abs=1e-6)


def test_no_difference_is_kept_only_with_enough_queries():
    """765 equal queries show a loss of under half a point, 764 do not: the interval decides, not the mean."""
    for n, kept in ((764, False), (765, True)):
        loss = paired_difference(np.ones(n), np.ones(n))
        assert HalfCheck("fp16", judged=True, loss=loss, n_documents=9).kept is kept
    assert precision_sample.FEWEST_JUDGED == 765


def test_what_is_printed():
    """The line says what is used, the loss with its limit, the queries and the texts."""
    loss = paired_difference(np.ones(1000), np.ones(1000))
    assert HalfCheck("fp16", judged=True, loss=loss, n_documents=4096).printed() == (
        "embedding in fp16: fp16 loses 0.00 points of nDCG@10 against the judgements, at most 0.38 with 95 % "
        "confidence (0.5 allowed; 1,000 queries, 4,096 texts)"
    )


@pytest.fixture
def small(monkeypatch):
    """Samples of 20 texts and 24 queries, of corpora of any size."""
    monkeypatch.setattr(half_precision, "FEWEST_TEXTS", 1)
    monkeypatch.setattr(precision_sample, "N_TEXTS", 20)
    monkeypatch.setattr(precision_sample, "N_QUERIES", 24)
    monkeypatch.setattr(precision_sample, "FEWEST_JUDGED", 10)


def checked(tmp_path, embedder, of=None):
    said = []
    of = of or corpus()
    rows = np.arange(len(of.queries.ids))
    used = checked_embedder(
        embedder, ArtifactStore(tmp_path), of, query_rows=rows, metric="cosine", seed=0, notice=said.append
    )
    return used, said


@pytest.mark.usefixtures("small")
def test_the_finding_is_kept_for_the_next_sweep(tmp_path, monkeypatch):
    """Half precision is used where the check allows it; a second sweep embeds nothing for that."""
    monkeypatch.setattr(half_precision, "MOST_LOSS", 0.2)  # 24 equal queries show no less than .14
    first = Angles()
    used, said = checked(tmp_path, first)
    assert used.precision == "fp16"
    assert said[0].startswith("angles: embedding in fp16: fp16 loses 0.00 points of nDCG@10 against the ten nearest by")
    assert first.n_embedded == 20
    second = Angles()
    used, again = checked(tmp_path, second)
    assert (used.precision, second.n_embedded, again) == ("fp16", 0, said)


@pytest.mark.usefixtures("small")
def test_a_loss_keeps_float32(tmp_path):
    """Where half precision moves nDCG, or may for all that so few queries show, float32 stays, with a notice."""
    used, said = checked(tmp_path, Angles(lambda numbers: 3 * np.sin(numbers)))
    assert used.precision == "fp32"
    assert "embedding in float32: fp16 loses" in said[0]


@pytest.mark.usefixtures("small")
def test_half_precision_that_fails_keeps_float32(tmp_path):
    """A model that overflows in half precision is embedded in float32, and the reason is told and stored."""
    for _ in range(2):
        used, said = checked(tmp_path, Angles(fails="values beyond fp16"))
        assert used.precision == "fp32"
        assert said == ["angles: embedding in float32: fp16 fails, values beyond fp16"]


def test_nothing_is_checked_where_nothing_is_to_gain(tmp_path, monkeypatch):
    """A small corpus, a CPU and a model without precisions are left as they are, without a word."""
    small_corpus = Angles()
    assert checked(tmp_path, small_corpus) == (small_corpus, [])
    monkeypatch.setattr(half_precision, "FEWEST_TEXTS", 1)
    on_cpu = Angles()
    on_cpu.half = None
    assert checked(tmp_path, on_cpu) == (on_cpu, [])
    plain = SimpleNamespace(name="plain")
    assert checked(tmp_path, plain) == (plain, [])


@pytest.mark.usefixtures("small")
def test_a_judged_sample_holds_what_is_relevant():
    """Relevant documents come first, also as duplicates; judgements of others are left out; the rest is drawn."""
    qrels = {f"q{row}": {f"d{row % 4}": 1, "d19": 0} for row in range(12)} | {"q12": {"copy": 2}}
    drawn = draw_sample(corpus(qrels=qrels, duplicates={31: ["copy"]}), np.arange(20), seed=3)
    assert list(drawn.query_ids) == [f"q{row}" for row in range(13)]
    assert list(drawn.queries[:2]) == ["0.2", "1.2"]
    assert len(drawn.texts) == len(set(drawn.texts)) == 20
    assert {"0", "1", "2", "3", "4", "5", "6", "7", "31"} <= set(drawn.texts)
    assert drawn.duplicates == {list(drawn.texts).index("31"): ["copy"]}
    assert [f"d{int(text) // 2}" for text in drawn.texts] == list(drawn.document_ids)
    held = set(drawn.document_ids) | {"copy"}
    assert drawn.qrels["q12"] == {"copy": 2}
    assert all(name in held for grades in drawn.qrels.values() for name in grades)
    assert draw_sample(corpus(qrels=qrels, duplicates={31: ["copy"]}), np.arange(20), seed=3) == drawn


@pytest.mark.usefixtures("small")
def test_texts_stand_in_for_missing_queries():
    """With too few judged queries, texts that are not searched make up the number, and nothing is judged."""
    drawn = draw_sample(corpus(n_queries=9, qrels={"q1": {"d1": 1}}), np.arange(9), seed=0)
    assert drawn.qrels is None
    assert len(drawn.texts) == 20
    assert len(drawn.queries) == len(set(drawn.query_ids)) == 24
    assert list(drawn.queries[:9]) == [f"{row}.2" for row in range(9)]
    assert not set(drawn.queries) & set(drawn.texts)
