"""Chunk files: sizes, and each line that has none."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ragopt.cache.chunk_file import read_chunk_sizes
from ragopt.cache.log_fields import LogFields
from ragopt.cache.read_log import read_log
from ragopt.errors import InputError


def jsonl(folder, *rows, name="chunks.jsonl"):
    path = folder / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return path


def test_bytes_come_from_bytes_else_text_else_tokens(tmp_path):
    """A given size first, then UTF-8 of the text, then 4 bytes for each token; tokens are never guessed."""
    found = read_chunk_sizes(
        jsonl(tmp_path, {"id": 1, "bytes": 9, "text": "x"}, "", {"id": "2", "text": "é"}, {"id": "3", "tokens": 5})
    )
    assert dict(found.rows) == {"1": 0, "2": 1, "3": 2}
    assert found.size_bytes.tolist() == [9, 2, 20]
    assert found.tokens is None
    assert found.from_tokens
    both = read_chunk_sizes(jsonl(tmp_path, {"chunk_id": "a", "bytes": 9, "token_length": 0}))
    assert (both.size_bytes.tolist(), both.tokens.tolist(), both.from_tokens) == ([9], [0], False)


def test_parquet_and_an_own_name_of_the_id(tmp_path):
    """The id field can be named."""
    path = tmp_path / "chunks.parquet"
    pq.write_table(pa.table({"key": ["a", "b"], "n_tokens": [1, 2]}), path)
    assert read_chunk_sizes(path, "key").tokens.tolist() == [1, 2]
    with pytest.raises(InputError, match=r"row 0: there is no field with the chunk's id.*--chunk-id-field"):
        read_chunk_sizes(path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"id": "b", "bytes": -1}, "'bytes' is -1"),
        ({"id": "b", "bytes": float("nan")}, "'bytes' is nan"),
        ({"id": "b", "tokens": float("inf")}, "'tokens' is inf"),
        ({"id": "b", "tokens": True}, "'tokens' is True"),
        ({"id": "b", "text": 5}, "'text' is 5"),
        ({"id": "b"}, "the chunk 'b' has no size"),
        ({"id": None, "bytes": 1}, "'id' is None. Allowed: the id of a chunk"),
        ({"id": " ", "bytes": 1}, "'id' is ' '. Allowed: the id of a chunk"),
        ({"id": 0.5, "bytes": 1}, "'id' is 0.5"),
        ({"id": "a", "bytes": 2}, "the chunk 'a' has another size than on line 1"),
    ],
)
def test_a_bad_chunk_is_named_with_its_line(tmp_path, line, said):
    """Line 3 of the file, after a blank one."""
    with pytest.raises(InputError, match=f"chunks.jsonl, line 3: {said}"):
        read_chunk_sizes(jsonl(tmp_path, {"id": "a", "bytes": 1}, "", line))


def test_the_same_chunk_twice_is_one_and_no_chunk_is_an_error(tmp_path):
    """A line that repeats another adds nothing."""
    assert read_chunk_sizes(jsonl(tmp_path, *[{"id": "a", "bytes": 1}] * 2)).size_bytes.tolist() == [1]
    with pytest.raises(InputError, match="holds no chunks"):
        read_chunk_sizes(jsonl(tmp_path, ""))


def test_a_log_takes_sizes_by_code_and_refuses_unknown_chunks(tmp_path):
    """Sizes follow the order of the log, not of the file; line 2 reads a chunk that is not there."""
    chunks = jsonl(tmp_path, {"id": "a", "bytes": 1}, {"id": "b", "bytes": 2}, {"id": "c", "bytes": 3})
    rows = [{"query": "q", "chunk_ids": ["c", "a"]}, {"query": "q", "chunk_ids": []}]
    log = read_log(jsonl(tmp_path, *rows, name="log.jsonl"), LogFields(), chunks=chunks)
    assert (log.chunk_bytes.tolist(), log.n_corpus_chunks) == ([3, 1], 3)
    bad = jsonl(tmp_path, *rows, {"query": "q", "chunk_ids": ["a", "d"]}, name="bad.jsonl")
    with pytest.raises(InputError, match=r"bad.jsonl, line 3: 'chunk_ids' holds 'd', which is no chunk of .*the 3 ids"):
        read_log(bad, LogFields(), chunks=chunks)


PROMPT = LogFields(prompt=("system", "chunk_ids", "history", "query"), empty_history=("none",))


def prompts(folder, *rows, sizes=True):
    chunks = jsonl(folder, {"id": "a", "tokens": 10}, {"id": "b", "tokens": 20}) if sizes else None
    return read_log(jsonl(folder, *rows, name="log.jsonl"), PROMPT, chunks=chunks)


def test_the_blocks_of_a_prompt_add_up_to_its_tokens(tmp_path):
    """By hand: 41 - 30 known leave 11 for three blocks, 4 + 4 + 3; an empty history is no block."""
    log = prompts(
        tmp_path,
        {"query": "q", "system": ["s", "a"], "chunk_ids": ["b", "a"], "history": "none", "tokens_in": 41},
        {"query": "s", "system": "s", "history": [{"role": "user"}, {"role": "bot"}], "tokens_in": 8},
    )
    blocks = log.prompts
    assert blocks.starts.tolist() == [0, 5, 9]
    assert blocks.parts.tolist() == [0, 0, 1, 1, 3, 0, 2, 2, 3]
    assert blocks.tokens.tolist() == [4, 4, 20, 10, 3, 2, 2, 2, 2]
    assert blocks.codes[0] == blocks.codes[5]  # the same text of the same part
    assert len(set(blocks.codes.tolist())) == 8  # "a" and "s" of two parts are two blocks
    assert blocks.shared_out == pytest.approx(19 / 49)
    assert blocks.part_names == PROMPT.prompt


def test_prompts_that_cannot_be_are_named_with_their_line(tmp_path):
    """Chunks longer than the prompt, unknown lengths without a total, a block that is no text."""
    good = {"query": "q", "system": "s", "history": "h", "chunk_ids": ["a"], "tokens_in": 12}
    with pytest.raises(InputError, match="line 2: the blocks of its prompt have 30 tokens, but 'tokens_in' is 29"):
        prompts(tmp_path, good, good | {"chunk_ids": ["a", "b"], "tokens_in": 29})
    with pytest.raises(InputError, match="line 1: the prompt has blocks of unknown length"):
        prompts(tmp_path, {key: value for key, value in good.items() if key != "tokens_in"})
    with pytest.raises(InputError, match=r"line 2: 'system' is 0\.5"):
        prompts(tmp_path, good, good | {"system": 0.5})


def test_tokens_outside_every_block_are_said(tmp_path):
    """A prompt made of chunks alone leaves 2 of 12 tokens in no block."""
    chunks = jsonl(tmp_path, {"id": "a", "tokens": 10})
    path = jsonl(tmp_path, {"query": "q", "chunk_ids": ["a"], "tokens_in": 12}, name="log.jsonl")
    log = read_log(path, LogFields(prompt=("chunk_ids",)), chunks=chunks)
    assert (log.prompts.tokens.tolist(), log.prompts.shared_out) == ([10], 0)
    assert any(one.startswith("1 requests have more tokens than the blocks") for one in log.warnings)
