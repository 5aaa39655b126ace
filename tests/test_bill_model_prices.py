"""`ragopt prices` shows the token prices of a model, each as the bill would take it."""

import datetime as dt
from decimal import Decimal

import pytest

from ragopt.bill.model_prices import SHORT_PROMPT, model_prices, prices_and_models
from ragopt.bill.price import Price
from ragopt.bill.price_book import PriceBook
from ragopt.bill.token_library import vendors_of
from ragopt.bill.token_prices import token_price
from ragopt.errors import PriceError

BOOK = PriceBook.packaged()
WHEN = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)


def test_prices_are_those_that_bills_take():
    """Each is what token_price says of that kind, standard and batch."""
    found = model_prices("openai:gpt-4o-mini", BOOK, WHEN)
    assert found == [
        token_price("openai:gpt-4o-mini", kind, batch=batch, book=BOOK, when=WHEN)
        for kind in ("input", "output") for batch in (False, True)
    ]  # fmt: skip


def test_the_books_own_price_comes_first():
    """A negotiated price of the standard input stands in for the library's; the rest is the library's."""
    own = Price("openai", "global", "token_prices", "gpt-4o-mini", "1M input tokens", Decimal("0.1"), "2026-11-01", "c")
    found = model_prices("openai:gpt-4o-mini", PriceBook([own]), WHEN)
    assert (found[0], len(found)) == (own, 4)


def test_a_name_alone_is_every_vendor_of_exactly_that_name():
    """In any case; a beginning of a name is a word to search for, not a model."""
    assert vendors_of("GPT-4o-Mini") == vendors_of("gpt-4o-mini")
    assert "openai" in vendors_of("gpt-4o-mini")
    assert vendors_of("gpt-4o-min") == ()
    assert model_prices("r7g.large", BOOK, WHEN) == []


def test_a_name_that_the_book_holds_too_shows_both_once():
    """The book has the batch price of text-embedding-3-small, the library the standard one of two vendors."""
    found = [(one.provider, one.item) for one in prices_and_models(BOOK, ["text-embedding-3-small"], when=WHEN)]
    assert len(found) == len(set(found))
    assert {("openai", "text-embedding-3-small:batch"), ("openai", "text-embedding-3-small")} <= set(found)


def test_words_and_filters_stay_a_search():
    """Two words, or a filter, look in the book alone."""
    with pytest.raises(PriceError, match="come from the library genai-prices and are not listed"):
        prices_and_models(BOOK, ["gpt-4o-mini", "openai"], when=WHEN)
    with pytest.raises(PriceError, match="No price has provider 'openai', words 'gpt-4o-mini'"):
        prices_and_models(BOOK, ["gpt-4o-mini"], when=WHEN, provider="openai")
    for word in ("a:", "no-such-thing"):
        with pytest.raises(PriceError, match="No price has words"):
            prices_and_models(BOOK, [word], when=WHEN)


def test_a_price_by_the_prompts_length_says_so():
    """Such a price cannot be told without a length: it is that of a short prompt, with a caution."""
    from genai_prices.data import providers  # noqa: PLC0415 - the library's data, for this test alone
    from genai_prices.types import TieredPrices  # noqa: PLC0415 - as above

    tiered = [
        (f"{provider.id}:{model.id}", prices["input_mtok"])
        for provider in providers for model in provider.models if not isinstance(model.prices, list)
        if isinstance((prices := model.prices.__dict__).get("input_mtok"), TieredPrices)
    ]  # fmt: skip
    assert tiered
    assert min(tier.start for _, price in tiered for tier in price.tiers) > SHORT_PROMPT
    ref, stated = tiered[0]
    (shown,) = (
        one for one in model_prices(ref, BOOK, WHEN) if one.unit == "1M input tokens" and "batch" not in one.item
    )
    assert shown.usd == stated.base
    assert "of short prompts: longer ones cost more per token" in shown.caution
