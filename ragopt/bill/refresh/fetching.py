"""Getting one page over HTTP: bounded in time, tries and size, and never from another host than the one asked."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

import httpx

from ragopt.errors import PriceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

Taken = TypeVar("Taken")

LOOPBACK = ("127.0.0.1", "::1", "localhost")

TOO_MANY_REQUESTS = 429

RETRY_STATUSES = frozenset({408, TOO_MANY_REQUESTS, 500, 502, 503, 504})
"""Answers that may pass: RFC 9110 section 15 (408, 500, 502, 503, 504) and RFC 6585 section 4 (429)."""


MOST_LINE_BYTES = 2**20
"""A row of an offer file has a few thousand; a page without lines ends here (ragopt's own choice)."""

NO_PRICE_PAGE = "Look at it in a browser: this is no price page as ragopt knows it"


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How long and how much to take from a price page; each figure is ragopt's own choice.

    Attributes:
        timeout_s: longest silence of the connection.
        total_s: longest time for one page, tries included: a server that drips bytes ends here.
        attempts: tries of one page, the first included.
        first_wait_s: wait after the first failure; doubles each time.
        busy_wait_s: least wait after HTTP 429 without Retry-After: Azure's list answers so to a quick row of requests.
        streamed_total_s: as total_s, for a page that is read line by line.
        most_bytes: largest page. The largest that is read whole, gcosts' pricing.yml, had 4 MB in 2026-07.
        most_streamed_bytes: largest page that is read line by line: AWS's EC2 offer of one region has hundreds of MB.
        most_redirects: redirects followed, on the same host only.
    """

    timeout_s: float = 20.0
    total_s: float = 120.0
    streamed_total_s: float = 1800.0
    attempts: int = 3
    first_wait_s: float = 0.5
    busy_wait_s: float = 5.0
    most_bytes: int = 64 * 2**20
    most_streamed_bytes: int = 4 * 2**30
    most_redirects: int = 3


@dataclass(frozen=True, slots=True)
class Page:
    """One fetched page.

    Attributes:
        url: where it was, after redirects.
        body: its bytes, decompressed.
        last_modified: the header of this name; empty when there is none.
        date: the header Date, the server's clock; empty when there is none.
    """

    url: str
    body: bytes
    last_modified: str
    date: str


class _Passing(Exception):
    """A failure that another try may cure, `wait_s` seconds later at the earliest."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Fetcher:
    """Gets pages of one API; use it as a context manager, so that its connections are closed.

    Args:
        base_url: every page must be on this host; without a trailing slash.
        limits: time, tries and size.

    Raises:
        PriceError: `base_url` is no usable URL.
    """

    def __init__(self, base_url: str, limits: FetchLimits) -> None:
        try:
            self._base = httpx.URL(base_url)
        except httpx.InvalidURL:
            self._base = httpx.URL("")
        if self._base.scheme not in {"http", "https"} or not self._base.host or self._base.userinfo:
            raise PriceError(
                # Whatever stands before an @ may be a password.
                f"{base_url.rpartition('@')[2]!r} is no usable base URL of a price page",
                allowed="http:// or https:// with a host, without a user name or password",
                next_step="Correct --base-url",
            )
        self.base_url = base_url.rstrip("/")
        self._limits = limits
        # A proxy cannot reach this machine's own servers, so its settings do not apply to them.
        self._client = httpx.Client(timeout=limits.timeout_s, trust_env=self._base.host not in LOOPBACK)

    def __enter__(self) -> Self:
        """Hand out the fetcher."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, url: str) -> Page:
        """Get one page. Raises PriceError when it does not come whole within the limits, or from another host."""
        return self._try(url, self._limits.total_s, self._whole)

    def read_lines(self, url: str, take: Callable[[str, Iterator[str]], Taken]) -> Taken:
        """Hand a long text page to `take`, line by line as it comes, so that it is never held whole.

        Args:
            url: where it is.
            take: gets the page's URL and its lines, and returns what it found; a failure on the way that may pass makes
                it begin again.

        Raises:
            PriceError: as get, and whatever `take` raises.
        """

        def taken(found_at: str, answer: httpx.Response, deadline: float) -> Taken:
            return take(found_at, self._lines(found_at, answer, deadline))

        return self._try(url, self._limits.streamed_total_s, taken)

    def _try(self, url: str, total_s: float, consume: Callable[[str, httpx.Response, float], Taken]) -> Taken:
        deadline = time.monotonic() + total_s
        wait_s = self._limits.first_wait_s
        for attempt in range(1, self._limits.attempts + 1):
            try:
                return self._follow(url, deadline, consume)
            except (_Passing, httpx.RequestError) as error:
                reason = str(error) or type(error).__name__
                pause_s = max(wait_s, error.wait_s if isinstance(error, _Passing) else 0.0)
                if attempt == self._limits.attempts or time.monotonic() + pause_s > deadline:
                    raise PriceError(
                        f"Cannot read the price page {url}: {reason} (tries: {attempt})",
                        next_step="Try again later; until then the prices stay as they are",
                    ) from error
            time.sleep(pause_s)
            wait_s *= 2
        raise PriceError(f"FetchLimits.attempts is {self._limits.attempts}", allowed="1 or more",
                         next_step="Allow one try")  # fmt: skip

    def _follow(self, url: str, deadline: float, consume: Callable[[str, httpx.Response, float], Taken]) -> Taken:
        for _ in range(self._limits.most_redirects + 1):
            self._check_host(url)
            with self._client.stream("GET", url) as answer:
                if answer.next_request is None:
                    _check_status(url, answer, self._limits.busy_wait_s)
                    return consume(url, answer, deadline)
                url = str(answer.next_request.url)
        raise PriceError(f"{url} is one redirect too many", allowed=f"{self._limits.most_redirects} redirects",
                         next_step="Name where it leads with --base-url")  # fmt: skip

    def _check_host(self, url: str) -> None:
        try:
            there = httpx.URL(url)
        except httpx.InvalidURL:
            there = httpx.URL("")
        if (there.scheme, there.host, there.port) != (self._base.scheme, self._base.host, self._base.port):
            raise PriceError(
                f"A price page of {self.base_url} leads to another host: {url}",
                allowed=f"pages of {self._base.scheme}://{self._base.netloc.decode()}",
                next_step="Look at that page; if prices have moved there, name it with --base-url",
            )

    def _whole(self, url: str, answer: httpx.Response, deadline: float) -> Page:
        body = b"".join(_chunks(url, answer, deadline, self._limits.most_bytes))
        return Page(url, body, answer.headers.get("last-modified", ""), answer.headers.get("date", ""))

    def _lines(self, url: str, answer: httpx.Response, deadline: float) -> Iterator[str]:
        rest = b""
        for chunk in _chunks(url, answer, deadline, self._limits.most_streamed_bytes):
            *whole, rest = (rest + chunk).split(b"\n")
            # What is no UTF-8 shows in the fields that are read: it equals no name and is no number.
            yield from (line.decode("utf-8", errors="replace") for line in whole)
            if len(rest) > MOST_LINE_BYTES:
                raise PriceError(f"The price page {url} has a line of more than {MOST_LINE_BYTES} bytes",
                                 next_step=NO_PRICE_PAGE)  # fmt: skip
        yield rest.decode("utf-8", errors="replace")


def _check_status(url: str, answer: httpx.Response, busy_wait_s: float) -> None:
    if answer.status_code in RETRY_STATUSES:
        asked = answer.headers.get("retry-after", "")
        busy = busy_wait_s if answer.status_code == TOO_MANY_REQUESTS else 0.0
        raise _Passing(f"HTTP {answer.status_code}", float(asked) if asked.isdecimal() else busy)
    if not answer.is_success:
        raise PriceError(f"The price page {url} answers HTTP {answer.status_code}", allowed="200",
                         next_step="Look at it in a browser; if it has moved, name its place with --base-url"
                         )  # fmt: skip


def _chunks(url: str, answer: httpx.Response, deadline: float, most_bytes: int) -> Iterator[bytes]:
    size_bytes = 0
    for chunk in answer.iter_bytes():
        size_bytes += len(chunk)
        if size_bytes > most_bytes:
            raise PriceError(f"The price page {url} is larger than {most_bytes} bytes", next_step=NO_PRICE_PAGE)
        if time.monotonic() > deadline:
            raise _Passing("not whole in time")
        yield chunk
