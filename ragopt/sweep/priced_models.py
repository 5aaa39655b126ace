"""Which embedding models of a run have a token price, and what to say of those that should have one."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ragopt.bill.token_prices import token_price
from ragopt.embed.openai_http import BASE_URL_VARIABLE
from ragopt.errors import PriceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ragopt.bill.price_book import PriceBook

OPENAI_HOST = "api.openai.com"
OPENAI_PREFIX = "openai:"


def priced_models(models: Iterable[str], book: PriceBook) -> tuple[dict[str, str], list[str]]:
    """Find the token price of each model that is called over the network.

    A model that runs here has none. `openai:NAME` at OpenAI's own address is billed by OpenAI's price; the same
    protocol spoken by another server says nothing of its price.

    Args:
        models: printed names of the run's models.
        book: prices.

    Returns:
        Model to its name in the token prices, and a sentence for each model whose embedding is not billed.
    """
    found, cautions = {}, []
    for model in models:
        if not model.startswith(OPENAI_PREFIX):
            continue
        host = urlsplit(os.environ.get(BASE_URL_VARIABLE, "")).hostname
        why = f"its endpoint is {host}" if host != OPENAI_HOST else ""
        if not why:
            try:
                token_price(model, "input", batch=False, book=book, when=dt.datetime.now(tz=dt.UTC))
            except PriceError as error:
                why = error.failed
        if why:
            cautions.append(f"Embedding with {model} is not billed ({why}): give its price with --embedding-model "
                            "PROVIDER:NAME and, where ragopt has none, --prices.")  # fmt: skip
        else:
            found[model] = model
    return found, cautions
