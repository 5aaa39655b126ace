import json
import os
import subprocess
import sys

import numpy as np
import pytest

from ragopt.embed.open_embedder import open_embedder

TEXTS = ["A red apple.", "Quantum field theory of everything", "naïve café ☕ 東京", "x"]


@pytest.fixture(scope="module")
def embedder():
    return open_embedder("wordllama")


def test_what_it_says_of_itself(embedder):
    """Name, dimension and device are fixed; weights and tokenizer are hashed into the identity."""
    assert (embedder.name, embedder.dim, embedder.device) == ("wordllama", 256, "cpu")
    assert len(embedder.identity["weights_sha256"]) == len(embedder.identity["tokenizer_sha256"]) == 64
    assert embedder.identity["library"].startswith("wordllama 0.")
    json.dumps(dict(embedder.identity))


def test_vectors_are_the_mean_of_token_vectors(embedder):
    """The published weights averaged in float64 by hand give the same vectors: nothing is cut or normalised."""
    vectors = embedder.embed_documents(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((4, 256), np.float32)
    for text, vector in zip(TEXTS, vectors, strict=True):
        ids = embedder.tokenizer.encode(text, add_special_tokens=False).ids
        expected = embedder._model.embedding[ids].astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(vector, expected, rtol=1e-5, atol=1e-6)


def test_neither_company_nor_role_changes_a_vector(embedder):
    """A text has the same bytes alone, among longer texts and as a query."""
    together = embedder.embed_documents([*TEXTS, "long " * 500])
    assert np.array_equal(embedder.embed_documents([TEXTS[0]])[0], together[0])
    assert np.array_equal(embedder.embed_queries(TEXTS), together[:4])


def test_the_tokenizer_counts_a_text_by_itself(embedder):
    """The tokenizer pads and cuts nothing, whatever the model did with its own."""
    embedder.embed_documents(["a", "a b c d e f g"])
    lengths = [len(encoding.ids) for encoding in embedder.tokenizer.encode_batch(["a", "a " * 3000])]
    assert lengths[0] < 4
    assert lengths[1] >= 3000


def test_it_loads_silently_offline_and_without_torch(tmp_path):
    """With an empty home and no network it loads, prints nothing, leaves logging alone and brings no torch."""
    code = (
        "import socket, sys, logging\n"
        "def refuse(*a, **k): raise SystemExit('network')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "from ragopt.embed.open_embedder import open_embedder\n"
        "open_embedder('wordllama').embed_documents(['x'])\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules\n"
        "assert not logging.getLogger().handlers and logging.getLogger().level == logging.WARNING\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
