"""Token prices as the library genai-prices states them: which model, which tier, batch or not, and how old.

Only the data inside the installed package is read; nothing here starts its updater or touches the network.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from ragopt.bill.token_items import ALIASES, fill_in, unit_of
from ragopt.errors import InputError, PriceError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime
    from decimal import Decimal

    from genai_prices.types import ModelInfo, Provider, TieredPrices

    from ragopt.bill.token_items import Kind

BATCH = {"processing": "batch"}
"""What a price variant of the library must ask for, and nothing else, to be the batch price."""

_SENTENCE = re.compile(r"(?<=[.)])\s+")
_CHECKED = re.compile(r"(?:verified|checked|as of|last updated)\D{0,40}?(\d{4}-\d{2}-\d{2})", re.IGNORECASE)
_OTHER_SERVICE = re.compile(r"batch|flex|priority|fast mode|no longer", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LibraryPrice:
    """One price of one model.

    Attributes:
        vendor: the library's id of who sells it.
        model: the library's id of the model, which may be a family that the asked name belongs to.
        usd: USD per million tokens.
        as_of: the day on which the library says that it was checked, YYYY-MM-DD.
        source: the vendor's pricing page that the library names, and the library with its version.
        caution: what a reader should know of it; empty when nothing.
        undated: whether the library does not say when this price was checked: `as_of` is its newest check of any.
        is_embedding: whether the model makes vectors: its name says so, or nothing is charged for what comes out.
    """

    vendor: str
    model: str
    usd: Decimal
    as_of: str
    source: str
    caution: str
    undated: bool
    is_embedding: bool


@cache
def _providers() -> dict[str, Provider]:
    from genai_prices.data import providers  # noqa: PLC0415 - a tenth of a second, spent when a token is priced

    return {provider.id: provider for provider in providers}


def find_model(vendor: str, name: str, kind: Kind = "input", *, batch: bool = False) -> tuple[Provider, ModelInfo]:
    """Return a model and who sells it.

    Args:
        vendor: the library's id, or one of ALIASES.
        name: of the model, or a dated version of it.
        kind: of the tokens to price, which the error's next step speaks of.
        batch: whether they go through the batch API, as above.

    Raises:
        PriceError: the library has no such vendor or model; with close matches.
    """
    known = _providers()
    provider = known.get(ALIASES.get(vendor, vendor))
    if provider is None:
        near = difflib.get_close_matches(vendor, known, n=3, cutoff=0.5)
        raise PriceError(
            f"No token prices are known of the vendor {vendor!r} (model {name!r})",
            allowed=f"{', '.join(near or known)}; {_version()} knows {len(known)}",
            next_step=fill_in(vendor, name, kind, batch=batch, otherwise="Write PROVIDER:NAME with one of these"),
        )
    model = provider.find_model(name, all_providers=list(known.values()))
    if model is None:
        near = difflib.get_close_matches(name, [one.id for one in provider.models], n=5, cutoff=0.5)
        raise PriceError(
            f"No token price is known of {name!r} at {provider.id}",
            allowed=", ".join(f"{provider.id}:{one}" for one in near) or f"a model that {_version()} knows",
            next_step=fill_in(vendor, name, kind, batch=batch, otherwise="Choose one of these"),
        )
    return provider, model


def vendors_of(name: str) -> tuple[str, ...]:
    """Every vendor of the library that sells a model of exactly this name, in any case."""
    return tuple(
        vendor for vendor, one in _providers().items() if any(model.id.lower() == name.lower() for model in one.models)
    )


@lru_cache(maxsize=1024)
def is_priced_by_hour(vendor: str, name: str) -> bool:
    """Whether a model's price depends on the time of day. Raises PriceError: see `find_model`."""
    from genai_prices.types import TimeOfDateConstraint  # noqa: PLC0415 - loaded when first used

    _, model = find_model(vendor, name)
    if not isinstance(model.prices, list):
        return False
    return any(isinstance(price.constraint, TimeOfDateConstraint) for price in model.prices)


@lru_cache(maxsize=4096)
def library_price(
    vendor: str, name: str, kind: Kind, *, batch: bool, when: datetime, context_tokens: int | None
) -> LibraryPrice | None:
    """Return what the library charges for a million tokens; None where it has no such price for this model.

    The library's own calculation returns the standard price where a batch price is missing (text-embedding-3-small:
    0.02 for 0.01), so the model's price variants are read here instead.

    Raises:
        PriceError: an unknown vendor or model, or a price of 0.
        InputError: a price that depends on the prompt's length without one, or a prompt that the model does not take.
    """
    provider, model = find_model(vendor, name, kind, batch=batch)
    if context_tokens is not None and model.context_window is not None and context_tokens > model.context_window:
        raise InputError(
            f"A prompt of {context_tokens:,} tokens is longer than {vendor}:{name} takes",
            allowed=f"up to {model.context_window:,} tokens",
            next_step="Send fewer or shorter chunks, or choose a model with a longer context",
        )
    stated = _stated(provider, model, f"{kind}_mtok", batch=batch, when=when)
    if stated is None:
        return None
    usd = _at_length(stated, f"{vendor}:{name}", context_tokens)
    if not usd:
        raise PriceError(
            f"{_version()} prices {unit_of(kind)} of {vendor}:{name} at 0",
            next_step=fill_in(vendor, name, kind, batch=batch, otherwise="A free allowance ends somewhere"),
        )
    as_of, dated = _checked_on(provider, model, batch=batch)
    cautions = [] if dated else [f"{_version()} does not say when this price was checked; {as_of} is its newest check"]
    if model.deprecated:
        cautions.append("deprecated by its vendor")
    if model.id.lower() != name.lower():
        cautions.append(f"priced as {model.id}")
    return LibraryPrice(
        vendor=provider.id,
        model=model.id,
        usd=usd,
        as_of=as_of,
        source=_source(provider),
        caution="; ".join(cautions),
        undated=not dated,
        is_embedding=is_embedding_name(name) or _is_input_only(model, when),
    )


def is_embedding_name(name: str) -> bool:
    """Whether a model's name says that it makes vectors."""
    return "embed" in name.lower()


def is_priced_by_the_answer(vendor: str, name: str, when: datetime) -> bool:
    """Whether the library charges for what a model writes; False for a model that it does not know.

    The library states an output price for mistral-embed too, which writes nothing: a name that says `embed` wins.
    """
    if is_embedding_name(name):
        return False
    try:
        _, model = find_model(vendor, name)
    except PriceError:
        return False  # a model of the user's own price file
    return bool(model.get_prices(when).__dict__.get("output_mtok"))


def batch_prices_start(vendor: str, name: str) -> date | None:
    """The day from which the library states a model's batch prices; None where it states none, or no day."""
    from genai_prices.types import StartDateConstraint  # noqa: PLC0415 - loaded when first used

    _, model = find_model(vendor, name)
    days = [
        variant.constraint.start_date
        for variant in model.price_variants or ()
        if variant.when == BATCH and isinstance(variant.constraint, StartDateConstraint)
    ]
    return min(days, default=None)


def _stated(
    provider: Provider, model: ModelInfo, key: str, *, batch: bool, when: datetime
) -> Decimal | TieredPrices | None:
    if not batch:
        standard: Decimal | TieredPrices | None = model.get_prices(when).__dict__.get(key)
        return standard
    if not any(one is model for one in provider.models):
        return None  # another vendor's model, sold on: the library applies no variant of it either
    for variant in model.price_variants or ():
        active = variant.constraint is None or variant.constraint.active(when)
        if variant.when == BATCH and active and variant.prices.__dict__.get(key) is not None:
            found: Decimal | TieredPrices = variant.prices.__dict__[key]
            return found
    return None


def _at_length(stated: Decimal | TieredPrices, model_ref: str, context_tokens: int | None) -> Decimal:
    from genai_prices.types import TieredPrices  # noqa: PLC0415 - loaded when first used

    if not isinstance(stated, TieredPrices):
        return stated
    if context_tokens is None:
        steps = ", ".join(f"{tier.price} beyond {tier.start:,} tokens" for tier in stated.tiers)
        raise InputError(
            f"{model_ref} is priced by the prompt's length, which is not known here",
            allowed=f"context_tokens: {stated.base} USD, {steps}",
            next_step="Give the tokens of a whole prompt",
        )
    # All tokens of a prompt pay the price of the last tier that it passes (TieredPrices of the library).
    return next((tier.price for tier in reversed(stated.tiers) if context_tokens > tier.start), stated.base)


def _is_input_only(model: ModelInfo, when: datetime) -> bool:
    return not any(name.startswith("output") for name in model.get_prices(when).__dict__)


def _checked_on(provider: Provider, model: ModelInfo, *, batch: bool) -> tuple[str, bool]:
    """The newest day on which the library says that a price of this kind was checked, and whether it says so."""
    for comments in (model.price_comments, provider.price_comments):
        if days := list(_days(comments, batch=batch)):
            return max(days), True
    return _data_date(), False


def _days(comments: str | None, *, batch: bool) -> Iterable[str]:
    for sentence in _SENTENCE.split(comments or ""):
        fits = re.search(r"batch", sentence, re.IGNORECASE) if batch else not _OTHER_SERVICE.search(sentence)
        if fits:
            yield from _CHECKED.findall(sentence)


@cache
def _data_date() -> str:
    """The newest day on which anything in the package's data was checked: the data itself bears no date."""
    days: list[str] = []
    for provider in _providers().values():
        for comments in (provider.price_comments, *(model.price_comments for model in provider.models)):
            days.extend(_CHECKED.findall(comments or ""))
    return max(days)


def _source(provider: Provider) -> str:
    pages = provider.pricing_urls or []
    return f"{pages[0]} ({_version()})" if pages else _version()


@cache
def _version() -> str:
    return f"genai-prices {version('genai-prices')}"
