"""Lengths of a prompt's blocks: given with the block, by the chunk file, stated, or spread."""

import json

import pytest

from ragopt.cache.log_fields import LogFields
from ragopt.cache.read_log import read_log
from ragopt.errors import InputError

PROMPT = ("system", "query")


def log(folder, *rows, **fields):
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return read_log(path, LogFields(**{"prompt": PROMPT, **fields}))


def test_a_block_may_say_its_own_length(tmp_path):
    """System blocks of 700 and 300 tokens leave exactly 24 of 1,024 for the question: nothing is a guess."""
    system = [{"id": "a", "tokens": 700}, {"id": "b", "tokens": 300}]
    found = log(tmp_path, {"query": "q", "system": system, "tokens_in": 1024, "tokens_out": 1}).prompts
    assert found.tokens.tolist() == [700, 300, 24]
    assert found.shared_out == 0.0


def test_blocks_that_all_say_their_length_need_no_tokens_of_the_prompt(tmp_path):
    """Without tokens_in the blocks' own tokens are the prompt, and equal ids are one block."""
    rows = [{"query": "q", "ask": {"id": "q", "tokens": 5}, "system": {"id": "a", "tokens": 9}} for _ in range(2)]
    found = log(tmp_path, *rows, prompt=("system", "ask")).prompts
    assert found.tokens.tolist() == [9, 5, 9, 5]
    assert found.codes.tolist()[:2] == found.codes.tolist()[2:]


@pytest.mark.parametrize(
    ("block", "tokens_in", "expected"),
    [
        (512, 2000, [512, 512, 976]),
        (512, 1100, [512, 512, 76]),
        (512, 700, [512, 188, 0]),
        (None, 1000, [334, 333, 333]),
    ],
)
def test_stated_lengths_fill_a_prompt_from_the_front(tmp_path, block, tokens_in, expected):
    """Two system blocks of 512 and the question takes what is left; a short prompt is used up before; or evenly."""
    row = {"query": "q", "system": ["a", "b"], "tokens_in": tokens_in, "tokens_out": 1}
    found = log(tmp_path, row, block_tokens=block).prompts
    assert found.tokens.tolist() == expected
    assert (found.block_tokens, found.shared_out) == (block, 1.0)


@pytest.mark.parametrize(
    "bad", [{"id": "a", "tokens": -1}, {"id": "a", "tokens": True}, {"id": "a", "tokens": 1.5}, {"tokens": 3}]
)
def test_a_length_that_is_none_is_told_with_its_line(tmp_path, bad):
    """Negative, true, a fraction, or a block without an id."""
    good = {"query": "q", "system": "a", "tokens_in": 10, "tokens_out": 1}
    with pytest.raises(InputError, match=r"line 2.*'system'"):
        log(tmp_path, good, good | {"system": [bad]})


def test_a_block_of_no_length_cannot_be_stated():
    """--block-tokens 0 is refused by name."""
    with pytest.raises(InputError, match="--block-tokens is 0"):
        LogFields(block_tokens=0)
