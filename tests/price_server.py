"""A real HTTP server on this machine that serves price pages, and small books for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from ragopt.bill.price import Price

PAGES = Path(__file__).parent / "price_pages"
OFFERS = ("AmazonS3", "AmazonS3GlacierDeepArchive", "AWSDataTransfer")
LAST_MODIFIED = {"Last-Modified": "Fri, 20 Nov 2026 18:00:00 GMT"}


@dataclass(frozen=True)
class Answer:
    """One answer: its body may be sent late, or in drips."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    drip_s: float = 0.0
    date: str = "Mon, 23 Nov 2026 09:00:00 GMT"


Route = Answer | list[Answer] | Callable[[dict[str, list[str]]], Answer]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer from the server's routes; 404 elsewhere."""
        server: Any = self.server
        parts = urlsplit(self.path)
        server.asked.append(self.path)
        route = server.routes.get(parts.path, Answer(status=404))
        if isinstance(route, list):
            route = route.pop(0) if len(route) > 1 else route[0]
        answer = route(parse_qs(parts.query)) if callable(route) else route
        time.sleep(answer.wait_s)
        self.send_response_only(answer.status)
        if answer.date:
            self.send_header("Date", answer.date)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        for start in range(0, len(answer.body), 1 if answer.drip_s else max(1, len(answer.body))):
            self.wfile.write(answer.body[start : start + (1 if answer.drip_s else len(answer.body))])
            time.sleep(answer.drip_s)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


class PriceServer(ThreadingHTTPServer):
    """Serves `routes`, path to answer (of a list one after another, the last for ever), and keeps what was asked."""

    def __init__(self, routes: dict[str, Route] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.routes: dict[str, Route] = routes or {}
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop, and close the socket."""
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, _request: object, _address: object) -> None:
        """A client that went away after its time-out is no error here."""


def page(name: str, *changes: tuple[str, str], **headers: str) -> Answer:
    """A recorded page, with some text of it replaced; each text to replace must be there."""
    text = (PAGES / name).read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return Answer(text.encode(), headers={name.replace("_", "-"): value for name, value in headers.items()})


def aws_routes(*changes: tuple[str, str], offer: str = "AmazonS3") -> dict[str, Route]:
    """The recorded AWS offers; `changes` apply to the regional page of `offer`."""
    routes: dict[str, Route] = {}
    for code in OFFERS:
        root = f"/offers/v1.0/aws/{code}"
        routes[f"{root}/current/region_index.json"] = page(f"aws_{code}_index.json")
        changed = changes if code == offer else ()
        routes[f"{root}/20261120180000/us-east-1/index.json"] = page(f"aws_{code}.json", *changed)
    return routes


def price(item: str, usd: str, unit: str, *, group: str = "object_storage", **changes: Any) -> Price:
    """A price of a small book: aws us-east-1, of 2026-07-10."""
    fields: dict[str, Any] = {"provider": "aws", "region": "us-east-1", "as_of": "2026-07-10",
                              "source": "https://example.org/old", **changes}  # fmt: skip
    return Price(group=group, item=item, unit=unit, usd=Decimal(usd), **fields)
