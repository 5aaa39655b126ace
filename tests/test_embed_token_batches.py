import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.embed.token_batches import TokenBatches, bytes_per_token
from ragopt.embed.token_lengths import TokenLengths
from ragopt.errors import InputError

if importlib.util.find_spec("torch") is None:
    pytest.skip("needs the extra models", allow_module_level=True)


def numbered(rows):
    """Vectors that tell which text they belong to."""
    return np.stack([rows, rows * 2.0], axis=1).astype(np.float32)


def run(lengths, batches, seen, fits=lambda _tokens: True):
    """Embed texts of these lengths on a device that fits some batches; padded tokens of each try go to `seen`."""
    import torch  # noqa: PLC0415 - loaded when first used

    lengths = np.array(lengths, dtype=np.int64)

    def embed(rows):
        tokens = len(rows) * int(lengths[rows].max())
        seen.append((rows.tolist(), tokens))
        if not fits(tokens):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return numbered(rows)

    return batches.run(lengths, embed, dim=2)


def test_batches_by_hand():
    """Longest first; as many texts as fit with the padding up to the longest of them."""
    seen = []
    run([10, 1, 3, 3, 8, 2], TokenBatches(12), seen)
    # 10 alone (2 x 10 > 12); 8 alone; then 3, 3, 2, 1 in one of 4 x 3 = 12.
    assert seen == [([0], 10), ([4], 8), ([2, 3, 5, 1], 12)]


def test_a_text_longer_than_the_bound_goes_alone():
    """The bound splits batches, never texts."""
    seen = []
    run([50, 40, 1, 1, 1], TokenBatches(2), seen)
    assert [rows for rows, _ in seen] == [[0], [1], [2, 3], [4]]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(1, 100), st.integers(40, 200))
def test_order_and_bound_hold_whatever_fits(lengths, budget, memory):
    """Vectors come back in the order of the texts, under the bound, also on a device that runs out of memory."""
    seen = []
    batches = TokenBatches(budget)
    found = run(lengths, batches, seen, fits=lambda tokens: tokens <= memory)
    np.testing.assert_array_equal(found, numbered(np.arange(len(lengths))))
    assert all(tokens <= budget or len(rows) == 1 for rows, tokens in seen)
    assert batches.budget <= budget


def test_out_of_memory_halves_the_bound_for_good():
    """A batch of 16 tokens x 8 that does not fit is tried as 8 and 4 texts; later calls begin with what did fit."""
    seen, freed = [], []
    batches = TokenBatches(128, free=lambda: freed.append(1))
    run([16] * 8, batches, seen, fits=lambda tokens: tokens <= 40)
    assert [tokens for _, tokens in seen] == [128, 64, 32, 32, 32, 32]
    assert (batches.budget, len(freed)) == (32, 2)
    seen.clear()
    run([16] * 4, batches, seen)
    assert [tokens for _, tokens in seen] == [32, 32]


def test_one_text_that_does_not_fit_is_a_clear_error():
    """When a single text is too much, its length and what to do are said."""
    with pytest.raises(InputError, match=r"one text of 1,000 tokens.*--chunk-tokens.*--device cpu"):
        run([5, 1000, 5], TokenBatches(4000), [], fits=lambda tokens: tokens < 1000)


@pytest.mark.parametrize(
    ("message", "budget"), [("MPS backend out of memory", 8), ("CUBLAS_STATUS_ALLOC_FAILED when calling x", 8)]
)
def test_other_words_for_out_of_memory(message, budget):
    """Apple's GPUs and cuBLAS say it in a plain RuntimeError."""
    batches, tries = TokenBatches(16), []

    def embed(rows):
        tries.append(len(rows))
        if len(rows) > 1:
            raise RuntimeError(message)
        return numbered(rows)

    batches.run(np.array([8, 8]), embed, dim=2)
    assert tries == [2, 1, 1]
    assert batches.budget == budget


def test_other_errors_pass():
    """What is not about memory is not tried again."""

    def embed(rows):
        raise RuntimeError(f"shapes do not match in {rows}")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        TokenBatches(16).run(np.array([8, 8]), embed, dim=2)


def test_bytes_per_token_by_hand():
    """MiniLM in float32: (8 x 384 + 2 x 1536 + 2 x 12 x 256) x 4 bytes; unnamed sizes are BERT's multiples."""
    minilm = SimpleNamespace(hidden_size=384, intermediate_size=1536, num_attention_heads=12)
    assert bytes_per_token(minilm, dim=384, longest=256, bytes_per_value=4) == 49_152
    assert bytes_per_token(None, dim=128, longest=10, bytes_per_value=2) == (1024 + 1024 + 40) * 2


def test_lengths_without_a_tokenizer_are_bytes():
    """A model that shows no tokenizer is counted by the bytes of text and prompt, at most its longest input."""
    lengths = TokenLengths(None, most=9)
    assert lengths.of(["", "né", "x" * 50], prompt="q: ").tolist() == [3, 6, 9]
