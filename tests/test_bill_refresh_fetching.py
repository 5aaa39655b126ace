"""A page comes whole, in time and from the host that was asked, or not at all."""

import time

import pytest

from ragopt.bill.refresh.fetching import Fetcher, FetchLimits
from ragopt.errors import PriceError
from tests.price_server import Answer, PriceServer

QUICK = FetchLimits(timeout_s=0.2, total_s=2.0, attempts=1, first_wait_s=0.01, most_bytes=1000)


def get(server, path="/page", limits=QUICK, base_url=None):
    with Fetcher(base_url or server.url, limits) as fetcher:
        return fetcher.get(f"{server.url}{path}")


def retrying(attempts):
    return FetchLimits(timeout_s=0.2, total_s=5.0, attempts=attempts, first_wait_s=0.01)


def test_a_page_comes_with_its_dates():
    """Body, Last-Modified and Date arrive as the server sent them."""
    with PriceServer({"/page": Answer(b"abc", headers={"Last-Modified": "Fri, 20 Nov 2026 18:00:00 GMT"})}) as server:
        page = get(server)
    assert (page.body, page.url) == (b"abc", f"{server.url}/page")
    assert (page.last_modified, page.date) == ("Fri, 20 Nov 2026 18:00:00 GMT", "Mon, 23 Nov 2026 09:00:00 GMT")


def test_a_silent_server_is_a_time_out():
    """A server that answers after 1 s is given up after 0.2 s, with the page and the number of tries named."""
    with (
        PriceServer({"/page": Answer(b"late", wait_s=1.0)}) as server,
        pytest.raises(PriceError, match=r"Cannot read the price page http://127.*/page: .*timed out \(tries: 1\)"),
    ):
        get(server)


def test_a_dripping_server_is_given_up():
    """One byte each 50 ms never is silent for 0.2 s, so the limit of the whole page ends it."""
    limits = FetchLimits(timeout_s=0.2, total_s=0.3, attempts=1)
    with (
        PriceServer({"/page": Answer(b"x" * 40, drip_s=0.05)}) as server,
        pytest.raises(PriceError, match="not whole in time"),
    ):
        get(server, limits=limits)


def test_a_failure_that_passes_is_tried_again():
    """HTTP 500, then 429, then 200: the third try is the answer."""
    answers = [Answer(status=500), Answer(status=429, headers={"Retry-After": "0"}), Answer(b"good")]
    with PriceServer({"/page": answers}) as server:
        assert get(server, limits=retrying(3)).body == b"good"
        assert server.asked == ["/page"] * 3


@pytest.mark.parametrize(
    ("answer", "least_s"),
    [
        (Answer(status=429), 0.3),
        (Answer(status=429, headers={"Retry-After": "soon"}), 0.3),
        (Answer(status=503, headers={"Retry-After": "1"}), 1.0),
    ],
)
def test_a_busy_server_is_given_time(answer, least_s):
    """The server's Retry-After, or the wait of FetchLimits after HTTP 429."""
    limits = FetchLimits(timeout_s=0.2, total_s=5.0, attempts=2, first_wait_s=0.01, busy_wait_s=0.3)
    with PriceServer({"/page": [answer, Answer(b"good")]}) as server:
        started = time.monotonic()
        assert get(server, limits=limits).body == b"good"
        assert least_s <= time.monotonic() - started < least_s + 1


def test_a_wait_beyond_the_limit_is_not_waited():
    """Retry-After: 3600 ends at once."""
    with (
        PriceServer({"/page": Answer(status=429, headers={"Retry-After": "3600"})}) as server,
        pytest.raises(PriceError, match=r"HTTP 429 \(tries: 1\)"),
    ):
        get(server, limits=retrying(3))


def test_a_port_that_is_written_out_is_the_same_host():
    """Azure's NextPageLink says :443; a page over HTTP or at another port is elsewhere."""
    with Fetcher("https://prices.azure.com", QUICK) as fetcher:
        fetcher._check_host("https://prices.azure.com:443/api/retail/prices?$skip=1000")
        for url in ("http://prices.azure.com/", "https://prices.azure.com:444/", "https://prices.azure.com.example/"):
            with pytest.raises(PriceError, match="leads to another host"):
                fetcher._check_host(url)


def test_a_password_is_not_repeated():
    """What stands before the @ of a base URL stays out of the message."""
    with pytest.raises(PriceError) as caught:
        Fetcher("http://user:secret@example.org", QUICK)
    assert "secret" not in str(caught.value)


def test_tries_are_counted():
    """A server that always fails is asked as often as allowed, no more."""
    with PriceServer({"/page": Answer(status=503)}) as server:
        with pytest.raises(PriceError, match=r"HTTP 503 \(tries: 2\)"):
            get(server, limits=retrying(2))
        assert len(server.asked) == 2


def test_a_lasting_failure_is_not_tried_again():
    """HTTP 404 is told at once."""
    with PriceServer() as server:
        with pytest.raises(PriceError, match=r"/page answers HTTP 404\. Allowed: 200"):
            get(server, limits=retrying(3))
        assert len(server.asked) == 1


def test_no_server_is_an_error():
    """Nobody listens at the address: the same error, naming the page."""
    with PriceServer() as server:
        address = server.url
    with pytest.raises(PriceError, match="Cannot read the price page"), Fetcher(address, QUICK) as fetcher:
        fetcher.get(f"{address}/page")


def test_a_redirect_on_the_same_host_is_followed():
    """The page's address is the one it was found at."""
    routes = {"/page": Answer(status=302, headers={"Location": "/moved"}), "/moved": Answer(b"here")}
    with PriceServer(routes) as server:
        page = get(server)
    assert (page.body, page.url) == (b"here", f"{server.url}/moved")


def test_a_redirect_to_another_host_is_refused():
    """Prices come from the host that was asked: the other server is never called."""
    with PriceServer({"/page": Answer(b"forged")}) as other:
        away = Answer(status=302, headers={"Location": f"{other.url}/page"})
        with PriceServer({"/page": away}) as server, pytest.raises(PriceError, match="leads to another host"):
            get(server)
        assert other.asked == []


def test_a_circle_of_redirects_ends():
    """Four redirects are one too many."""
    with PriceServer({"/page": Answer(status=302, headers={"Location": "/page"})}) as server:
        with pytest.raises(PriceError, match="one redirect too many"):
            get(server)
        assert len(server.asked) == 4


def test_a_page_without_end_is_refused():
    """1,001 bytes where 1,000 are allowed."""
    with (
        PriceServer({"/page": Answer(b"x" * 1001)}) as server,
        pytest.raises(PriceError, match="larger than 1000 bytes"),
    ):
        get(server)


@pytest.mark.parametrize(
    "base_url", ["ftp://example.org", "example.org", "http://", "http://a:b@example.org", "http://a:port"]
)
def test_a_base_url_must_be_one(base_url):
    """A base URL without host or with a password is refused before anything is sent."""
    with pytest.raises(PriceError, match="no usable base URL"):
        Fetcher(base_url, QUICK)
