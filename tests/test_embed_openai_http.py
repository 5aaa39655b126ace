import json
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from ragopt.embed import openai_http
from ragopt.embed.open_embedder import open_embedder
from ragopt.embed.openai_http import Endpoint, OpenAIEmbedder, RetryPolicy, batches
from ragopt.errors import EmbeddingServiceError, InputError

KEY = "sk-very-secret-0123"
FAST = RetryPolicy(attempts=4, first_wait_s=0.01, max_wait_s=3.0, timeout_s=0.5)


def vector(text):
    return [len(text), text.count("a"), 0.1]


class Handler(BaseHTTPRequestHandler):
    """Answers as the API does, unless the server's next misbehaviour says otherwise."""

    def do_POST(self):
        """Note the request and answer it."""
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server.requests.append((time.monotonic(), self.path, self.headers.get("authorization"), body))
        data = [{"index": i, "embedding": vector(text)} for i, text in enumerate(body["input"])]
        how = server.misbehaviour.pop(0) if server.misbehaviour else None
        if how is None:
            return self.answer(200, {"object": "list", "data": data[::-1]})  # out of order on purpose
        return how(self, data)

    def answer(self, status, content, **headers):
        """Send a whole answer."""
        blob = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(blob)))
        self.end_headers()
        self.wfile.write(blob)

    def log_message(self, *_arguments):
        """Keep quiet."""


class Server(ThreadingHTTPServer):
    """A real server on this machine, one thread per request."""

    def handle_error(self, *_arguments):
        """Keep quiet: a client that gave up waiting is part of the tests."""


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Handler) as running:
        running.requests, running.misbehaviour = [], []
        running.url = f"http://127.0.0.1:{running.server_port}/v1"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def embedder(server):
    opened = OpenAIEmbedder("small", endpoint=Endpoint(server.url, KEY, local=True), retry=FAST)
    server.requests.clear()
    yield opened
    opened.close()


def says(status, content, **headers):
    return lambda handler, _data: handler.answer(status, content, **headers)


def breaks_off(handler, _data):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"data": [')
    handler.wfile.flush()
    handler.connection.close()


def hangs_up(handler, _data):
    handler.connection.close()


def is_slow(handler, _data):
    time.sleep(0.9)
    handler.answer(200, {"data": []})


def test_a_good_answer(server, embedder):
    """Vectors come in text order although the server shuffles them; the key travels as a bearer token."""
    assert (embedder.name, embedder.dim, embedder.device, embedder.tokenizer) == ("openai:small", 3, "remote", None)
    vectors = embedder.embed_documents(["a", "banana", ""])
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors, np.array([[1, 1, 0.1], [6, 3, 0.1], [0, 0, 0.1]], np.float32))
    assert np.array_equal(embedder.embed_queries(["a"]), vectors[:1])
    _, path, authorization, body = server.requests[0]
    assert (path, authorization) == ("/v1/embeddings", f"Bearer {KEY}")
    assert body == {"model": "small", "input": ["a", "banana", ""], "encoding_format": "float"}
    assert KEY not in json.dumps(dict(embedder.identity)) + repr(embedder._endpoint)
    assert embedder.embed_documents([]).shape == (0, 3)


def test_texts_go_in_bounded_batches(server, embedder):
    """No request holds more texts or characters than it may; a longer text goes alone; nothing is lost."""
    texts = ["x" * (number % 7) for number in range(300)] + ["y" * 99_999, "zz", "w" * 250_000, "end"]
    vectors = embedder.embed_documents(texts)
    assert vectors[:, 0].tolist() == [len(text) for text in texts]
    sent = [body["input"] for *_, body in server.requests]
    assert [len(batch) for batch in sent] == [128, 128, 44, 1, 1, 1, 1]
    assert [text for batch in sent for text in batch] == texts
    assert list(batches([])) == []


@pytest.mark.parametrize(
    "trouble",
    [
        says(500, b"oops"),
        says(503, {"error": {"message": "overloaded"}}),
        says(429, {"error": {"message": "slow down"}}),
        breaks_off,
        hangs_up,
        is_slow,
    ],
    ids=["500", "503", "429", "breaks off", "hangs up", "slow"],
)
def test_passing_trouble_is_waited_out(server, embedder, trouble):
    """Two failures in a row are retried and the third answer is used."""
    server.misbehaviour = [trouble, trouble]
    assert embedder.embed_documents(["banana"]).tolist() == [[6, 3, np.float32(0.1)]]
    assert len(server.requests) == 3


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_honoured(server, embedder, as_date):
    """A wait in seconds or up to a date is kept, longer than the own first wait."""
    value = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True) if as_date else "1"
    server.misbehaviour = [says(429, b"", Retry_After=value)]
    embedder.embed_documents(["a"])
    (first, *_), (second, *_) = server.requests
    assert second - first >= (0.9 if as_date else 1.0)


def test_retry_after_beyond_patience_ends_at_once(server, embedder):
    """An hour's wait is an error that says so, not an hour of silence."""
    server.misbehaviour = [says(429, {"error": {"message": "later"}}, Retry_After="3600")]
    with pytest.raises(EmbeddingServiceError, match=r"asks to wait 3600 s, last with HTTP 429: later"):
        embedder.embed_documents(["a"])
    assert len(server.requests) == 1


@pytest.mark.parametrize("trouble", [says(500, b"broken"), breaks_off], ids=["500", "breaks off"])
def test_lasting_trouble_ends(server, embedder, trouble):
    """After the last attempt the error says how often and why, and that finished work is kept."""
    server.misbehaviour = [trouble] * 10
    with pytest.raises(EmbeddingServiceError, match=r"failed 4 times, last with .*finished blocks are kept"):
        embedder.embed_documents(["a"])
    assert len(server.requests) == 4


def test_waits_grow_and_are_bounded():
    """Waits double, with up to as much again at random, and never exceed the longest."""
    opened = OpenAIEmbedder.__new__(OpenAIEmbedder)
    opened._retry = RetryPolicy(first_wait_s=0.5, max_wait_s=3.0)
    for attempt, (low, high) in enumerate([(0.5, 1), (1, 2), (2, 3), (3, 3)], start=1):
        waits = [opened._wait_s(attempt) for _ in range(200)]
        assert low <= min(waits) <= max(waits) <= high
        assert attempt == 4 or max(waits) > min(waits)


@pytest.mark.parametrize(
    ("status", "content", "message"),
    [
        (
            401,
            {"error": {"message": f"Incorrect key {KEY}"}},
            r"HTTP 401: Incorrect key \[key\].*Check the key in OPENAI",
        ),
        (404, {"error": {"message": "no model small"}}, r"'small' with HTTP 404: no model small.*Check the model name"),
        (400, {"detail": "too long"}, "HTTP 400: too long.*--chunk-tokens"),
        (400, {"error": "plain words"}, "HTTP 400: plain words"),
        (400, ["odd"], "HTTP 400: .*odd"),
        (403, b"<html>no</html>", "HTTP 403: <html>no</html>"),
        (429, {"error": {"code": "insufficient_quota", "message": "pay"}}, "HTTP 429: pay.*quota and billing"),
    ],
)
def test_refusals_are_not_retried(server, embedder, status, content, message):
    """A 4xx shows the server's words, the status and what to do, at once and without the key."""
    server.misbehaviour = [says(status, content)]
    with pytest.raises(EmbeddingServiceError, match=message) as caught:
        embedder.embed_documents(["a"])
    assert KEY not in str(caught.value)
    assert len(server.requests) == 1


def item(index, embedding):
    return {"index": index, "embedding": embedding}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{not json", "no JSON but '{not json'"),
        ({"vectors": []}, "without data, index or embedding"),
        ([1, 2], "without data, index or embedding"),
        ({"data": None}, "without data, index or embedding"),
        ({"data": [{"embedding": [1, 2, 3]}] * 2}, "without data, index or embedding"),
        ({"data": [item(0, [1, 2, 3])]}, r"1 vectors with the indexes \[0\]... for 2 texts"),
        ({"data": [item(0, [1, 2, 3]), item(0, [1, 2, 3])]}, "2 vectors with the indexes"),
        ({"data": [item(0, [1, 2, 3]), item(2, [1, 2, 3])]}, r"indexes \[0, 2\]"),
        ({"data": [item(0, [1, 2, 3]), item(1, [1, 2])]}, "unequal lengths"),
        ({"data": [item(0, [1, 2, 3]), item(1, ["x", 2, 3])]}, "not of numbers"),
        ({"data": [item(0, [1, 2]), item(1, [1, 2])]}, "vectors of 2 dimensions after 3"),
        ({"data": [item(0, []), item(1, [])]}, "vectors of shape"),
        ({"data": [item(0, 1.0), item(1, 2.0)]}, "vectors of shape"),
        (b'{"data": [{"index": 0, "embedding": [NaN, 1, 2]}, {"index": 1, "embedding": [1, 2, 3]}]}', "NaN"),
        ({"data": [item(0, [1e300, 2, 3]), item(1, [1, 2, 3])]}, "infinite"),
        ({"data": [item(0, [None, 2, 3]), item(1, [1, 2, 3])]}, "NaN|not of numbers"),
    ],
)
def test_nonsense_is_refused(server, embedder, content, message):
    """A successful status with a wrong answer is an error that says what was wrong; nothing is made up."""
    server.misbehaviour = [says(200, content)]
    with pytest.raises(EmbeddingServiceError, match=message):
        embedder.embed_documents(["a", "b"])
    assert len(server.requests) == 1


def test_a_server_that_is_not_there(monkeypatch):
    """Nobody listening is retried and then one clear error from the probe."""
    monkeypatch.setattr(openai_http, "RetryPolicy", lambda: FAST)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(EmbeddingServiceError, match=r"http://127.0.0.1:9/v1/embeddings failed 4 times.*ConnectError"):
        open_embedder("openai:small")


def test_a_local_server_needs_no_key(server, monkeypatch):
    """By name and environment, without a key, past any proxy, with a base URL that ends in a slash."""
    monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    opened = open_embedder("openai:org/model-1")
    assert (opened.name, opened.dim) == ("openai:org/model-1", 3)
    assert opened.identity["endpoint"] == server.url
    assert server.requests[0][1:3] == ("/v1/embeddings", None)
    opened.close()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "OPENAI_BASE_URL is not set.*export OPENAI_BASE_URL="),
        ({"OPENAI_BASE_URL": "  "}, "OPENAI_BASE_URL is not set"),
        ({"OPENAI_BASE_URL": "api.example.com/v1"}, "OPENAI_BASE_URL is no usable URL"),
        ({"OPENAI_BASE_URL": "ftp://example.com"}, "OPENAI_BASE_URL is no usable URL"),
        ({"OPENAI_BASE_URL": "http://[bad"}, "OPENAI_BASE_URL is no usable URL"),
        ({"OPENAI_BASE_URL": "https://user:hidden@example.com/v1"}, "OPENAI_BASE_URL is no usable URL"),
        ({"OPENAI_BASE_URL": "https://example.com/v1"}, "OPENAI_API_KEY is not set.*example.com"),
        ({"OPENAI_BASE_URL": "https://example.com/v1", "OPENAI_API_KEY": "hidden\nhidden"}, "no HTTP header"),
        ({"OPENAI_BASE_URL": "https://example.com/v1", "OPENAI_API_KEY": "hiddené"}, "no HTTP header"),
    ],
)
def test_a_wrong_environment_names_its_variable(environment, message):
    """Each missing or unusable variable is named, with what to set, and no secret is shown."""
    with pytest.raises(InputError, match=message) as caught:
        Endpoint.from_environment(environment)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://localhost:8080/v1", "http://127.0.0.2/v1", "http://[::1]:1/v1"])
def test_hosts_that_are_this_machine(url):
    """Loopback names and addresses may go without a key."""
    assert Endpoint.from_environment({"OPENAI_BASE_URL": url}).local
