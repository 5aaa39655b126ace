"""Labelled pairs: read with line numbers, embedded where they have no score, drawn fairly for a person to label."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ragopt.cache.semantic_neighbours import NearestEarlier
from ragopt.cache.semantic_pairs import read_labelled_pairs
from ragopt.cache.semantic_review import ReviewPair, pairs_to_review, write_review
from ragopt.cache.semantic_threshold import choose_threshold, clopper_pearson_upper
from ragopt.errors import InputError, StorageError


def written(tmp_path, *lines):
    """A JSONL file of these objects."""
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def on_axes(texts):
    """A unit vector for each text by its first letter: a and b are 0.6 alike."""
    directions = {"a": (1.0, 0.0), "b": (0.6, 0.8)}
    return np.array([directions[text[0]] for text in texts], dtype=np.float32)


def test_scores_and_labels(tmp_path):
    """Labels are true, false, 1 or 0; equal texts are left out and counted; texts may be missing where scores stand."""
    path = written(
        tmp_path,
        {"query": "a", "earlier": "b", "score": 0.9, "same": True},
        {"score": -0.5, "same": 0, "note": "not read"},
        {"query": "a", "earlier": "a", "score": 1, "same": True},
        {"query": "b", "earlier": "a", "score": 1.0000005, "same": 1},
    )
    pairs = read_labelled_pairs(path)
    assert pairs.scores.tolist() == [0.9, -0.5, 1.0]
    assert pairs.wrong.tolist() == [False, True, False]
    assert pairs.n_same_text == 1


def test_parquet_and_jsonl_are_alike(tmp_path):
    """A Parquet file with the same columns reads the same, its rows named from 0."""
    table = {"query": ["a", "b"], "earlier": ["b", "a"], "score": [0.5, 0.25], "same": [True, False]}
    pq.write_table(pa.table({**table, "other": [1, 2]}), tmp_path / "pairs.parquet")
    pairs = read_labelled_pairs(tmp_path / "pairs.parquet")
    assert (pairs.scores.tolist(), pairs.wrong.tolist()) == ([0.5, 0.25], [False, True])
    pq.write_table(pa.table({**table, "score": [0.5, float("nan")]}), tmp_path / "nan.parquet")
    with pytest.raises(InputError, match=r"nan\.parquet, row 1: nan in 'score' is no cosine"):
        read_labelled_pairs(tmp_path / "nan.parquet")


def test_texts_without_scores_are_embedded(tmp_path):
    """Two texts and no score: the embedder is asked for each text once, and the cosine is the score."""
    path = written(
        tmp_path,
        {"query": "a1", "earlier": "b1", "same": True},
        {"query": "a2", "earlier": "a1", "same": False},
    )
    asked = []
    pairs = read_labelled_pairs(path, embed=lambda texts: asked.append(list(texts)) or on_axes(texts))
    assert asked == [["a1", "b1", "a2"]]
    assert pairs.scores == pytest.approx([0.6, 1.0])
    with pytest.raises(InputError, match=r"line 1 has no score\. Allowed: a score on every line, or texts and an"):
        read_labelled_pairs(path)
    with pytest.raises(InputError, match="returned 2 vectors for 3 texts"):
        read_labelled_pairs(path, embed=lambda texts: on_axes(texts[:2]))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"score": 0.5}, "line 2 has no label"),
        ({"score": 0.5, "same": None}, "line 2 has no label"),
        ({"score": 0.5, "same": "yes"}, "line 2: 'yes' in 'same' is no label"),
        ({"score": 0.5, "same": 2}, "line 2: 2 in 'same' is no label"),
        ({"score": 1.5, "same": True}, "line 2: 1.5 in 'score' is no cosine similarity"),
        ({"score": float("nan"), "same": True}, "line 2: nan in 'score' is no cosine similarity"),
        ({"score": True, "same": True}, "line 2: True in 'score' is no cosine similarity"),
        ({"score": "0.5", "same": True}, "line 2: '0.5' in 'score' is no cosine similarity"),
        ({"query": "a", "same": True}, "line 2 has neither a score nor both texts"),
        ({"query": " ", "earlier": "b", "score": 0.5, "same": True}, "line 2: ' ' in 'query' is no query"),
        ({"query": "a", "earlier": "c", "same": True}, "line 2 has no score, but .*line 1 has one"),
        ({"query": "a", "earlier": "b", "score": 0.9, "same": False}, "line 2 is the same pair as .*line 1"),
    ],
)
def test_bad_lines_are_named(tmp_path, line, message):
    """A line that cannot count as evidence is refused with its number and what stands there."""
    path = written(tmp_path, {"query": "a", "earlier": "b", "score": 0.9, "same": True}, line)
    with pytest.raises(InputError, match=message):
        read_labelled_pairs(path)


def test_another_suffix(tmp_path):
    """A file that is neither JSONL nor Parquet is refused with the form of a line."""
    with pytest.raises(InputError, match=r"unknown suffix '\.csv'"):
        read_labelled_pairs(tmp_path / "pairs.csv")


def test_an_empty_file_has_no_pairs(tmp_path):
    """No lines are no labels: the threshold then says how many are needed."""
    pairs = read_labelled_pairs(written(tmp_path))
    assert len(pairs.scores) == 0
    assert choose_threshold(pairs.scores, pairs.wrong, max_false_hit_rate=0.05).threshold is None


def test_a_review_file_is_read_once_it_is_filled_in(tmp_path):
    """What is written for a person reads back as labelled pairs, similarities unchanged; unfilled it names line 1."""
    pairs = (ReviewPair('Wie heißt "es"?\n', "Was ist das?", 0.912345), ReviewPair("b", "a", 0.8))
    path = tmp_path / "review.jsonl"
    write_review(pairs, path)
    with pytest.raises(InputError, match="line 1 has no label"):
        read_labelled_pairs(path)
    text = path.read_text(encoding="utf-8")
    assert "heißt" in text
    path.write_text(text.replace('"same": null', '"same": true', 1).replace('"same": null', '"same": 0'), "utf-8")
    read = read_labelled_pairs(path)
    assert (read.scores.tolist(), read.wrong.tolist()) == ([0.912345, 0.8], [False, True])


def test_a_review_is_a_fair_part_of_the_hits():
    """Of 1,000 hits every 20th in order of similarity is drawn: above any threshold a twentieth, give or take one."""
    n = 1001
    scores = np.concatenate([[np.nan], np.random.default_rng(5).uniform(0.8, 1, n - 1)])
    nearest = NearestEarlier(np.arange(-1, n - 1), scores)
    texts = [f"question {row}" for row in range(n)]
    drawn = pairs_to_review(texts, nearest)
    assert len(drawn) == len(set(drawn)) == 50
    for tau in (0.82, 0.9, 0.95, 0.99):
        assert abs(sum(one.score >= tau for one in drawn) - np.sum(scores[1:] >= tau) / 20) <= 1
    assert drawn == pairs_to_review(texts, nearest)
    assert drawn != pairs_to_review(texts, nearest, seed=1)
    assert [one.score for one in drawn] == sorted((one.score for one in drawn), reverse=True)


def test_a_review_leaves_out_repeats_and_what_is_too_far():
    """Equal texts, a pair that came before, and pairs under the least similarity are not for a person to read."""
    nearest = NearestEarlier(np.array([-1, 0, 1, 0, 0]), np.array([np.nan, 0.9, 0.95, 0.9, 0.7]))
    found = pairs_to_review(["a", "b", "b", "b", "c"], nearest, least_score=0.8)
    assert found == (ReviewPair("b", "a", 0.9),)
    with pytest.raises(InputError, match=r"that is 0\.99 or more similar"):
        pairs_to_review(["a", "b", "b", "b", "c"], nearest, least_score=0.99)
    with pytest.raises(InputError, match="2 texts come with the neighbours of 5"):
        pairs_to_review(["a", "b"], nearest)
    with pytest.raises(InputError, match="Cannot draw 0 pairs"):
        pairs_to_review(["a", "b", "b", "b", "c"], nearest, n_pairs=0)


def test_fifty_pairs_certify_little():
    """The 50 pairs of a review, all right, certify 5.8 % and no less: the figure that stands beside the constant."""
    assert float(clopper_pearson_upper(0, 50)) == pytest.approx(0.0582, abs=5e-5)


def test_a_review_that_cannot_be_written(tmp_path):
    """A folder that is not there is a StorageError with its name."""
    with pytest.raises(StorageError, match=r"Cannot write .*review"):
        write_review((), tmp_path / "missing" / "review.jsonl")
