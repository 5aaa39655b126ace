"""A small S3-compatible object store that holds real bytes in memory and logs every request that reads or writes them.

It answers what Rust's `object_store` crate asks of S3 (path style, no signature check): PUT and conditional PUT, GET
with a byte range, HEAD, DELETE, list v2, multipart uploads and copies. A log entry has the method, the key, the bytes
of the body that went out or came in, and when the request began and ended.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
TAKE_LOG = "-/take-log"
"""A GET of this path answers the log as JSON and begins a new one; it is not logged."""

LAST_MODIFIED = "Thu, 01 Jan 2026 00:00:00 GMT"
LAST_MODIFIED_ISO = "2026-01-01T00:00:00.000Z"


class Request(NamedTuple):
    """One request: `size_bytes` is what a GET sent or a PUT received; times are of `time.monotonic`."""

    method: str
    key: str
    first_byte: int
    size_bytes: int
    began: float
    ended: float


@dataclass
class Store:
    """Objects by key, unfinished uploads by id, and the log; `delay_seconds` is waited before each answer."""

    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    log: list[Request] = field(default_factory=list)
    delay_seconds: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take_log(self) -> list[Request]:
        """Return the log and begin a new one."""
        with self.lock:
            taken, self.log = self.log, []
        return taken


class Handler(BaseHTTPRequestHandler):
    """One connection; `store` is set on the class that `serving` makes."""

    store: Store
    protocol_version = "HTTP/1.1"
    # Without this, small answers wait 40 ms for the client's delayed acknowledgement.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer an object, a range of it, or a listing."""
        bucket_or_key, query = self._where()
        if bucket_or_key == TAKE_LOG:
            body = json.dumps(self.store.take_log()).encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        if "list-type" in query:
            self._answer("LIST", HTTPStatus.OK, self._listing(query))
            return
        content = self.store.objects.get(bucket_or_key)
        if content is None:
            self._answer("GET", HTTPStatus.NOT_FOUND, _error("NoSuchKey"))
            return
        first, last = _range_of(self.headers.get("Range"), len(content))
        headers = {"ETag": _etag(content), "Last-Modified": LAST_MODIFIED}
        if self.headers.get("Range"):
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            part = bytes(memoryview(content)[first : last + 1])
            self._answer("GET", HTTPStatus.PARTIAL_CONTENT, part, headers, first)
        else:
            self._answer("GET", HTTPStatus.OK, content, headers)

    def do_HEAD(self) -> None:
        """Answer an object's size."""
        content = self.store.objects.get(self._where()[0])
        if content is None:
            self._answer("HEAD", HTTPStatus.NOT_FOUND, b"")
            return
        headers = {"ETag": _etag(content), "Last-Modified": LAST_MODIFIED, "Content-Length": str(len(content))}
        self._answer("HEAD", HTTPStatus.OK, b"", headers)

    def do_PUT(self) -> None:
        """Store an object, a part of an upload, or a copy."""
        key, query = self._where()
        body = self._body()
        source = self.headers.get("x-amz-copy-source")
        if source is not None:
            body = self.store.objects[unquote(source).lstrip("/")]
        if "uploadId" in query:
            self.store.uploads[query["uploadId"]][int(query["partNumber"])] = body
        else:
            with self.store.lock:
                taken = self.headers.get("If-None-Match") == "*" and key in self.store.objects
                if not taken:
                    self.store.objects[key] = body
            if taken:
                self._answer("PUT", HTTPStatus.PRECONDITION_FAILED, _error("PreconditionFailed"))
                return
        answer = b""
        if source is not None:
            answer = f"<CopyObjectResult {XMLNS}><ETag>{_etag(body)}</ETag></CopyObjectResult>".encode()
        self._answer("PUT", HTTPStatus.OK, answer, {"ETag": _etag(body)}, received=len(body))

    def do_POST(self) -> None:
        """Begin or complete a multipart upload."""
        key, query = self._where()
        self._body()
        if "uploads" in query:
            upload = f"upload{len(self.store.uploads)}"
            self.store.uploads[upload] = {}
            answer = (
                f"<InitiateMultipartUploadResult {XMLNS}><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            )
        else:
            parts = self.store.uploads.pop(query["uploadId"])
            content = b"".join(parts[number] for number in sorted(parts))
            self.store.objects[key] = content
            # The ids of later uploads must not repeat: keep the place.
            self.store.uploads[f"done {query['uploadId']}"] = {}
            answer = (
                f"<CompleteMultipartUploadResult {XMLNS}><ETag>{_etag(content)}</ETag></CompleteMultipartUploadResult>"
            )
        self._answer("POST", HTTPStatus.OK, answer.encode())

    def do_DELETE(self) -> None:
        """Forget an object or an upload."""
        key, query = self._where()
        if "uploadId" not in query:
            self.store.objects.pop(key, None)
        self._answer("DELETE", HTTPStatus.NO_CONTENT, b"")

    def log_message(self, *_: Any) -> None:
        """Print nothing; the store keeps the log."""

    def parse_request(self) -> bool:
        """Note when the request's first line had arrived."""
        self._began = time.monotonic()
        return super().parse_request()

    def _where(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        return unquote(parts.path).lstrip("/"), query

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(
        self, method: str, status: HTTPStatus, body: bytes, headers: dict[str, str] | None = None, first: int = 0,
        received: int = 0,
    ) -> None:  # fmt: skip
        time.sleep(self.store.delay_seconds)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        # The entry goes in before the body goes out, so that a client that has its answer finds it in the log.
        size = received or len(body)
        entry = Request(method, self._where()[0], first, size, self._began, time.monotonic())
        with self.store.lock:
            self.store.log.append(entry)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _listing(self, query: dict[str, str]) -> bytes:
        bucket = self._where()[0].split("/")[0]
        prefix, delimiter, after = (query.get(name, "") for name in ("prefix", "delimiter", "start-after"))
        keys, folders = [], set()
        for full, content in sorted(self.store.objects.items()):
            key = full.removeprefix(f"{bucket}/")
            if not full.startswith(f"{bucket}/") or not key.startswith(prefix) or key <= after:
                continue
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.split(delimiter)[0] + delimiter)
            else:
                keys.append((key, content))
        return _list_xml(bucket, prefix, keys, sorted(folders))


def _list_xml(bucket: str, prefix: str, keys: list[tuple[str, bytes]], folders: list[str]) -> bytes:
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>{LAST_MODIFIED_ISO}</LastModified>"
        f"<ETag>{_etag(content)}</ETag><Size>{len(content)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for key, content in keys
    )
    common = "".join(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in folders)
    return (
        f"<ListBucketResult {XMLNS}><Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix>"
        f"<KeyCount>{len(keys) + len(folders)}</KeyCount><MaxKeys>1000000</MaxKeys><IsTruncated>false</IsTruncated>"
        f"{contents}{common}</ListBucketResult>"
    ).encode()


def _range_of(header: str | None, size: int) -> tuple[int, int]:
    """First and last byte that a Range header asks for."""
    if not header:
        return 0, size - 1
    first, last = header.removeprefix("bytes=").split("-")
    if not first:
        return size - int(last), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


def _etag(content: bytes) -> str:
    """Name a content by its length and ends: hashing all of it at each read would take longer than the read."""
    ends = content[:1024] + content[-1024:]
    return f'"{hashlib.md5(ends, usedforsecurity=False).hexdigest()}{len(content):x}"'


def _error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()


class Server(ThreadingHTTPServer):
    """Many connections at once: LanceDB opens one per read in flight."""

    daemon_threads = True
    request_queue_size = 256


def serve(store: Store) -> Server:
    """Serve a store on a free local port, in threads of this process; `shutdown` ends it."""
    handler = type("StoreHandler", (Handler,), {"store": store})
    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def longest_chain(log: list[Request]) -> int:
    """Most requests of a log of which each began after the one before had ended: the rounds that a reader waits for."""
    chain, free_from = 0, float("-inf")
    for request in sorted(log, key=lambda request: request.ended):
        if request.began >= free_from:
            chain, free_from = chain + 1, request.ended
    return chain


def reads(log: list[Request]) -> Iterator[Request]:
    """The requests that S3 bills as GET: of objects, whole or a range, and their sizes (HEAD)."""
    return (request for request in log if request.method in ("GET", "HEAD"))
