"""An OpenAI-compatible embedding endpoint: ``POST {base}/embeddings``, batched, with bounded retries.

Fields of request and answer: https://platform.openai.com/docs/api-reference/embeddings (read 2026-07).
"""

from __future__ import annotations

import ipaddress
import os
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np

from ragopt.errors import EmbeddingServiceError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

BASE_URL_VARIABLE = "OPENAI_BASE_URL"
KEY_VARIABLE = "OPENAI_API_KEY"

TEXTS_PER_REQUEST = 128  # the API takes 2,048; fewer keep one request short and one retry cheap
CHARS_PER_REQUEST = 100_000  # the API takes 300,000 tokens; even CJK text stays below at three tokens a character

MESSAGE_CHARS = 300  # enough of a server's words to act on
RETRY_STATUSES = frozenset({408, 429, 500, 502, 503, 504, 529})  # 529: overloaded, at several vendors
QUOTA_CODE = "insufficient_quota"  # a 429 that waiting does not cure


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait for an endpoint.

    Attributes:
        attempts: tries of one request, the first included.
        first_wait_s: wait after the first failure; doubles each time, with up to as much again at random.
        max_wait_s: longest single wait; a Retry-After beyond it ends the attempts at once.
        timeout_s: longest silence of a connection.
    """

    attempts: int = 6
    first_wait_s: float = 0.5
    max_wait_s: float = 60.0
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to send texts; the key never appears in any printed form.

    Attributes:
        url: base URL without a trailing slash and without credentials.
        key: sent as a bearer token; empty for a server on this machine that wants none.
        local: whether the host is this machine.
    """

    url: str
    key: str = field(repr=False)
    local: bool

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Endpoint:
        """Read OPENAI_BASE_URL and OPENAI_API_KEY.

        The base URL has no default, so that no text leaves for a place nobody named. The key may be missing only
        when the host is this machine.

        Raises:
            InputError: a variable is missing or is not a usable URL.
        """
        base = environment.get(BASE_URL_VARIABLE, "").strip()
        if not base:
            raise InputError(
                f"The environment variable {BASE_URL_VARIABLE} is not set",
                allowed="the base URL of an OpenAI-compatible endpoint",
                next_step=f"Run: export {BASE_URL_VARIABLE}=https://api.openai.com/v1",
            )
        try:
            url = httpx.URL(base)
        except httpx.InvalidURL:
            url = httpx.URL("")
        plain = not (url.userinfo or url.query or url.fragment)  # a key in any of them would be kept with the index
        if url.scheme not in {"http", "https"} or not url.host or "%" in url.host or not plain:
            raise InputError(
                f"The environment variable {BASE_URL_VARIABLE} is no usable URL",
                allowed="http:// or https:// with a host, without a user name, a password, a query or a fragment",
                next_step=f"Run: export {BASE_URL_VARIABLE}=https://api.openai.com/v1",
            )
        key = environment.get(KEY_VARIABLE, "").strip()
        local = _is_this_machine(url.host)
        if not key and not local:
            raise InputError(
                f"The environment variable {KEY_VARIABLE} is not set",
                allowed=f"the key for {url.host}; it may be left out only for a server on this machine",
                next_step=f"Set {KEY_VARIABLE} to the key of your account",
            )
        if not (key.isascii() and key.isprintable()):
            raise InputError(
                f"The environment variable {KEY_VARIABLE} holds characters that no HTTP header can carry",
                next_step="Copy the key again",
            )
        return cls(str(url).rstrip("/"), key, local)


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class OpenAIEmbedder:
    """A model behind an OpenAI-compatible endpoint; documents and queries are sent alike, without prompts.

    The dimension is learnt from one probe request.

    Args:
        model: the model's name at the endpoint.
        endpoint: where; from the environment when left out.
        retry: how patient to be.

    Raises:
        InputError: the environment names no usable endpoint.
        EmbeddingServiceError: the probe failed.
    """

    device = "remote"

    def __init__(self, model: str, *, endpoint: Endpoint | None = None, retry: RetryPolicy | None = None) -> None:
        self.name = f"openai:{model}"
        self._model = model
        self._endpoint = endpoint or Endpoint.from_environment()
        self._retry = retry or RetryPolicy()
        # A proxy cannot reach this machine's own servers, so its settings do not apply to them.
        self._client = httpx.Client(timeout=self._retry.timeout_s, trust_env=not self._endpoint.local)
        self.tokenizer: Tokenizer | None = None
        self.dim = int(self._request(["dimension"]).shape[1])
        self.identity: Mapping[str, str | int] = {
            "model": self.name,
            "library": "openai-compatible HTTP, float",
            "endpoint": self._endpoint.url,
            "dim": self.dim,
        }

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts: float32 (n, dim), as the endpoint gives them.

        Raises:
            EmbeddingServiceError: refused, or failed after every retry, or the answer makes no sense.
        """
        result = np.empty((len(texts), self.dim), dtype=np.float32)
        for first, batch in batches(texts):
            vectors = self._request(batch)
            if vectors.shape[1] != self.dim:
                raise self._nonsense(f"vectors of {vectors.shape[1]} dimensions after {self.dim} at first")
            result[first : first + len(batch)] = vectors
        return result

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed questions as `embed_documents` does."""
        return self.embed_documents(texts)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _request(self, batch: list[str]) -> NDArray[np.float32]:
        answer = self._post({"model": self._model, "input": batch, "encoding_format": "float"})
        try:
            content = answer.json()
        except ValueError:
            raise self._nonsense(f"no JSON but {self._shown(answer.text)!r}") from None
        return self._vectors(content, len(batch))

    def _post(self, body: Mapping[str, Any]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._endpoint.key}"} if self._endpoint.key else {}
        url = f"{self._endpoint.url}/embeddings"
        for attempt in range(1, self._retry.attempts + 1):
            asked_wait_s = None
            try:
                answer = self._client.post(url, json=body, headers=headers)
            except httpx.TransportError as error:
                reason = f"{type(error).__name__}: {self._shown(str(error))}"
            else:
                if answer.is_success:
                    return answer
                reason = f"HTTP {answer.status_code}: {self._shown(_server_message(answer))}"
                if answer.status_code not in RETRY_STATUSES or QUOTA_CODE in answer.text:
                    raise self._refused(reason, answer.status_code)
                asked_wait_s = _retry_after_s(answer)
            wait_s = self._wait_s(attempt) if asked_wait_s is None else asked_wait_s
            if attempt == self._retry.attempts or wait_s > self._retry.max_wait_s:
                break
            time.sleep(wait_s)
        asked = f" and asks to wait {asked_wait_s:.0f} s" if asked_wait_s else ""
        raise EmbeddingServiceError(
            f"The embedding endpoint {url} failed {attempt} times{asked}, last with {reason}",
            next_step="Try again later: finished blocks are kept and the next run goes on from there",
        ) from None

    def _wait_s(self, attempt: int) -> float:
        wait_s = self._retry.first_wait_s * 2.0 ** (attempt - 1)
        # Jitter keeps many clients from coming back in step; it decides no result, so it needs no seed.
        return min(wait_s * random.uniform(1, 2), self._retry.max_wait_s)  # noqa: S311 - not for secrets

    def _vectors(self, content: Any, n_texts: int) -> NDArray[np.float32]:
        """Read an answer's vectors in the order of its indexes."""
        try:
            items = {int(item["index"]): item["embedding"] for item in content["data"]}
            n_items = len(content["data"])
        except (KeyError, TypeError, ValueError):
            raise self._nonsense("an answer without data, index or embedding") from None
        if n_items != n_texts or sorted(items) != list(range(n_texts)):
            raise self._nonsense(f"{n_items} vectors with the indexes {sorted(items)[:5]}... for {n_texts} texts")
        try:
            vectors = np.array([items[index] for index in range(n_texts)], dtype=np.float64)
        except (TypeError, ValueError):
            raise self._nonsense("vectors of unequal lengths or not of numbers") from None
        if vectors.ndim != 2 or vectors.shape[1] == 0:
            raise self._nonsense(f"vectors of shape {vectors.shape}")
        with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite and is refused
            result = vectors.astype(np.float32)
        if not np.isfinite(result).all():
            raise self._nonsense("a vector with NaN or an infinite value")
        return result

    def _shown(self, text: str) -> str:
        key = self._endpoint.key
        return (text.replace(key, "[key]") if key else text).strip()[:MESSAGE_CHARS]

    def _refused(self, reason: str, status: int) -> EmbeddingServiceError:
        steps = {
            400: "Check the model name; when a text is too long, use smaller --chunk-tokens",
            401: f"Check the key in {KEY_VARIABLE}",
            403: f"Check what the key in {KEY_VARIABLE} may use",
            404: f"Check the model name and {BASE_URL_VARIABLE} (it usually ends in /v1)",
            413: "Use smaller --chunk-tokens",
            429: "Check the quota and billing of your account",
        }
        return EmbeddingServiceError(
            f"The embedding endpoint {self._endpoint.url} refused the model {self._model!r} with {reason}",
            next_step=steps.get(status, f"Check the endpoint in {BASE_URL_VARIABLE}"),
        )

    def _nonsense(self, what: str) -> EmbeddingServiceError:
        return EmbeddingServiceError(
            f"The embedding endpoint {self._endpoint.url} answered for the model {self._model!r} with {what}",
            allowed="one finite vector of equal length per text, with its index",
            next_step=f"Check that {BASE_URL_VARIABLE} names an OpenAI-compatible endpoint, then run again",
        )


def batches(texts: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Split texts by count and by characters; a text longer than the limit goes alone.

    Yields:
        The first text's position and the batch.
    """
    first, chars = 0, 0
    for position, text in enumerate(texts):
        full = position - first == TEXTS_PER_REQUEST or chars + len(text) > CHARS_PER_REQUEST
        if full and position > first:
            yield first, list(texts[first:position])
            first, chars = position, 0
        chars += len(text)
    if first < len(texts):
        yield first, list(texts[first:])


def _server_message(answer: httpx.Response) -> str:
    """Find the words in an error answer, which is JSON of several shapes or plain text."""
    try:
        content = answer.json()
    except ValueError:
        return answer.text
    error = content.get("error", content) if isinstance(content, dict) else content
    message = error.get("message") or error.get("detail") if isinstance(error, dict) else error
    return str(message or content)


def _retry_after_s(answer: httpx.Response) -> float | None:
    """Read Retry-After, seconds or a date (RFC 9110, 10.2.3); None when absent or unreadable."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
