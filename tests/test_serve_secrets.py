"""Keys in the environment stay there, and nothing that ragopt reads is unpickled."""

import ast
import hashlib
import json
import logging
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import ragopt
from ragopt.embed.openai_http import Endpoint
from ragopt.errors import EmbeddingServiceError, InputError
from tests.helpers import ROOT
from tests.served import swept
from tests.small_served import build, opened

SECRETS = {name: f"sk-{hashlib.sha256(name.encode()).hexdigest()[:32]}" for name in (
    "OPENAI_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
    "GOOGLE_API_KEY", "AZURE_STORAGE_KEY", "LANCEDB_API_KEY",
)}  # fmt: skip
"""Variables that ragopt, or a library that it uses, reads; with made-up values."""


class Handler(BaseHTTPRequestHandler):
    """Gives every text a vector seeded by it; or refuses, with the key that it was sent in the answer."""

    def do_POST(self):
        """Answer a request for vectors."""
        key = self.headers["authorization"]
        self.server.keys.add(key)
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        data = [{"index": i, "embedding": [random.Random(f"{text} {n}").gauss(0, 1) for n in range(16)]}
                for i, text in enumerate(body["input"])]  # fmt: skip
        refused = self.server.refusing
        blob = json.dumps({"error": {"message": f"wrong key: {key}"}} if refused else {"data": data}).encode()
        self.send_response(401 if refused else 200)
        self.send_header("Content-Length", str(len(blob)))
        self.end_headers()
        self.wfile.write(blob)

    def log_message(self, *_arguments):
        """Keep quiet."""


@pytest.fixture
def endpoint(monkeypatch):
    """A server on this machine that wants a key, and an environment full of secrets."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.keys, running.refusing = set(), False
        for name, value in SECRETS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{running.server_port}/v1")
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def chain(error):
    """The text of an error and of those that it came from."""
    while error is not None:
        yield f"{error} {error!r} {error.__dict__}"
        error = error.__cause__ or error.__context__


def test_no_secret_leaves_the_environment(endpoint, tmp_path, caplog, capfd):
    """No key in a file, log, output or error of a sweep, a build, changes, searches and refusals of a remote model."""
    caplog.set_level(logging.DEBUG)
    run = swept(tmp_path, ["Flat"], n=60, models=("openai:small",), n_queries=20, confirm_queries=20)
    ragopt.build(run, out=tmp_path / "index", cache_dir=tmp_path / "cache")
    told = []
    with ragopt.open(tmp_path / "index") as index:
        index.add([ragopt.Document("a1", "", "zebra stripes", {})], split=False)
        index.update([ragopt.Document("a1", "", "zebra", {})], split=False)
        assert index.search("zebra", 1)[0].id == "a1"
        index.compact()
        told.append(repr(index) + repr(index.manifest) + repr(index.embedder.__dict__))
        endpoint.refusing = True
        for change in (lambda: index.search("a question", 1),
                       lambda: index.add([ragopt.Document("a2", "", "text", {})], split=False)):  # fmt: skip
            with pytest.raises(EmbeddingServiceError, match="wrong key") as caught:
                change()
            told += chain(caught.value)
    assert endpoint.keys == {f"Bearer {SECRETS['OPENAI_API_KEY']}"}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 40
    told += [caplog.text, *capfd.readouterr()]
    for secret in SECRETS.values():
        assert [path for path in files if secret.encode() in path.read_bytes() or secret in path.name] == []
        assert [text for text in told if secret in text] == []


@pytest.mark.parametrize("tail", ["?api-key=hidden", "?api-key=hidden#", "#hidden"])
def test_a_key_in_the_url_is_refused_and_not_shown(tail):
    """A query or a fragment would be written to the manifest with the model's identity: refused, unseen."""
    environment = {"OPENAI_BASE_URL": f"https://example.com/v1{tail}", "OPENAI_API_KEY": "k"}
    with pytest.raises(InputError, match="is no usable URL") as caught:
        Endpoint.from_environment(environment)
    assert "hidden" not in str(caught.value)


def test_text_of_documents_cannot_steer_a_terminal(small, tmp_path):
    """Ids and texts with control characters are stored as they are, and spelt out in messages; hits quote them."""
    name, text = "a\x1b[31m\u202e<b>", "red \x1b[31m <script>alert(1)</script>"
    with opened(build(small, tmp_path / "index")) as index:
        document = ragopt.Document(name, "", text, {})
        index.add([document], split=False)
        hit = index.search(text, 1)[0]
        assert (hit.id, hit.text) == (name, text)
        assert not set("\x1b\u202e") & set(repr(hit))
        with pytest.raises(InputError, match="are in the index already") as caught:
            index.add([document], split=False)
        assert "a\\x1b[31m\\u202e<b>" in str(caught.value)
        with pytest.raises(InputError, match="cannot be used") as of_filter:
            index.search(text, 1, where=f"nosuch = '{text}'")
    assert not set("\x1b\u202e") & set(str(caught.value) + str(of_filter.value))


def calls(name):
    """Every call of a function of this name in ragopt, with its file."""
    for path in sorted((ROOT / "ragopt").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
                yield path.name, node


def test_numpy_is_told_not_to_unpickle_wherever_it_reads_or_writes():
    """np.load and np.save always say allow_pickle=False."""
    found = [
        (file, node) for name in ("load", "save") for file, node in calls(name) if ast.unparse(node.func.value) == "np"
    ]
    assert len(found) > 8
    assert [file for file, node in found if "allow_pickle=False" not in ast.unparse(node)] == []


def test_no_module_of_ragopt_unpickles():
    """No import of pickle, marshal, shelve or a library that loads with them, and no torch.load."""
    forbidden = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
    for path in sorted((ROOT / "ragopt").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & forbidden, path
            assert not (isinstance(node, ast.Call) and ast.unparse(node.func) in {"torch.load", "eval", "exec"}), path
