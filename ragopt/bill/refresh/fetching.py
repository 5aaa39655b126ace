"""Getting one page over HTTP: bounded in time, tries and size, and never from another host than the one asked."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import httpx

from ragopt.errors import PriceError

if TYPE_CHECKING:
    from types import TracebackType

LOOPBACK = ("127.0.0.1", "::1", "localhost")

RETRY_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
"""Answers that may pass: RFC 9110 section 15 (408, 500, 502, 503, 504) and RFC 6585 section 4 (429)."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How long and how much to take from a price page; each figure is ragopt's own choice.

    Attributes:
        timeout_s: longest silence of the connection.
        total_s: longest time for one page, tries included: a server that drips bytes ends here.
        attempts: tries of one page, the first included.
        first_wait_s: wait after the first failure; doubles each time.
        most_bytes: largest page. The largest that is read whole, gcosts' pricing.yml, had 4 MB in 2026-07.
        most_redirects: redirects followed, on the same host only.
    """

    timeout_s: float = 20.0
    total_s: float = 120.0
    attempts: int = 3
    first_wait_s: float = 0.5
    most_bytes: int = 64 * 2**20
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
    """A failure that another try may cure."""


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
                f"{base_url!r} is no usable base URL of a price page",
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
        deadline = time.monotonic() + self._limits.total_s
        wait_s = self._limits.first_wait_s
        for attempt in range(1, self._limits.attempts + 1):
            try:
                return self._follow(url, deadline)
            except (_Passing, httpx.RequestError) as error:
                reason = str(error) or type(error).__name__
                if attempt == self._limits.attempts or time.monotonic() + wait_s > deadline:
                    raise PriceError(
                        f"Cannot read the price page {url}: {reason} (tries: {attempt})",
                        next_step="Try again later; until then the prices stay as they are",
                    ) from error
            time.sleep(wait_s)
            wait_s *= 2
        raise PriceError(f"FetchLimits.attempts is {self._limits.attempts}", allowed="1 or more",
                         next_step="Allow one try")  # fmt: skip

    def _follow(self, url: str, deadline: float) -> Page:
        for _ in range(self._limits.most_redirects + 1):
            self._check_host(url)
            with self._client.stream("GET", url) as answer:
                if answer.next_request is None:
                    return self._whole(url, answer, deadline)
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
        if answer.status_code in RETRY_STATUSES:
            raise _Passing(f"HTTP {answer.status_code}")
        if not answer.is_success:
            raise PriceError(f"The price page {url} answers HTTP {answer.status_code}", allowed="200",
                             next_step="Look at it in a browser; if it has moved, name its place with "
                             "--base-url")  # fmt: skip
        body = bytearray()
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > self._limits.most_bytes:
                raise PriceError(f"The price page {url} is larger than {self._limits.most_bytes} bytes",
                                 next_step="Look at it in a browser: this is no price page as ragopt knows it"
                                 )  # fmt: skip
            if time.monotonic() > deadline:
                raise _Passing(f"not whole after {self._limits.total_s:g} s")
        headers = answer.headers
        return Page(url, bytes(body), headers.get("last-modified", ""), headers.get("date", ""))
