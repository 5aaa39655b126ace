"""The store that counts requests: what it answers, and what it says was asked."""

import http.client
import importlib.util
import sys

import pytest

from tests.helpers import ROOT


@pytest.fixture(scope="module")
def module():
    """The script, which lies outside the package."""
    spec = importlib.util.spec_from_file_location("object_store_server", ROOT / "eval" / "object_store_server.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["object_store_server"] = module  # its dataclass looks its own module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def asked(module):
    """A running store and a function that asks it: method, path, body and headers give status and body."""
    store = module.Store()
    server = module.serve(store)
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)

    def ask(method, path, body=None, **headers):
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read()

    yield store, ask
    connection.close()
    server.shutdown()
    server.server_close()


def test_ranges_are_answered_and_counted_to_the_byte(asked):
    """A range of ten bytes sends ten bytes, a suffix its length, and the log says both."""
    store, ask = asked
    content = bytes(range(100))
    assert ask("PUT", "/bucket/a", content)[0] == 200
    assert ask("GET", "/bucket/a", Range="bytes=10-19") == (206, content[10:20])
    assert ask("GET", "/bucket/a", Range="bytes=-7") == (206, content[-7:])
    assert ask("GET", "/bucket/a") == (200, content)
    assert ask("GET", "/bucket/b")[0] == 404
    log = [(entry.method, entry.first_byte, entry.size_bytes) for entry in store.take_log()]
    assert log[:4] == [("PUT", 0, 100), ("GET", 10, 10), ("GET", 93, 7), ("GET", 0, 100)]
    assert store.take_log() == []


def test_a_conditional_put_keeps_what_is_there(asked):
    """Commits rely on it: the second writer of a key is refused."""
    store, ask = asked
    assert ask("PUT", "/bucket/a", b"first", If_None_Match="*")[0] == 200
    assert ask("PUT", "/bucket/a", b"second", If_None_Match="*")[0] == 412
    assert store.objects["bucket/a"] == b"first"


def test_parts_are_joined_in_their_order(asked):
    """An upload in parts is one object once it is completed."""
    store, ask = asked
    _, answer = ask("POST", "/bucket/a?uploads")
    upload = answer.split(b"<UploadId>")[1].split(b"<")[0].decode()
    for number, part in ((2, b"world"), (1, b"hello ")):
        assert ask("PUT", f"/bucket/a?partNumber={number}&uploadId={upload}", part)[0] == 200
    assert ask("POST", f"/bucket/a?uploadId={upload}", b"<CompleteMultipartUpload/>")[0] == 200
    assert store.objects["bucket/a"] == b"hello world"


def test_the_longest_chain_counts_waits_not_requests(module):
    """Two reads at once and one after them are two rounds."""
    log = [
        module.Request("GET", "a", 0, 1, began, ended)
        for began, ended in ((0.0, 1.0), (0.1, 1.1), (1.2, 2.0))
    ]  # fmt: skip
    assert module.longest_chain(log) == 2
    assert module.longest_chain([]) == 0
