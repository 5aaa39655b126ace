"""Below a run's bill: what the recommended caches take off the month of the replayed log's requests."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.whole_bill import RECOMMENDED
from ragopt.report.cache_words import GUESS, NOT_COUNTED, counted, name_of, titled
from ragopt.report.text import print_grid, say
from ragopt.report.words import shown, usd_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from rich.console import Console

    from ragopt.bill.whole_bill import WholeBill


def print_bill_caches(whole: WholeBill, console: Console) -> None:
    """Print the month before, what each cache saves, memory, and the month after; nothing where no log was replayed.

    Args:
        whole: the bill; its caches belong to the target that the run recommends, and are left out beside another one.
        console: where to print.
    """
    if whole.cache is None or whole.explained[1] != RECOMMENDED:
        return
    if not whole.cache["caches"]:
        why = str(whole.cache["insufficient"])
        say(console, "No cache is recommended" + (f": {shown(why)}" if why else "."))
        return
    requests = f"{counted(float(whole.cache['requests_per_month']), 'request')} a month"
    told = (
        f"With the recommended caches, USD for the {requests} of the replayed log {shown(str(whole.cache['log']))} "
        f"(questions, searches, chunk reads, tokens) on {shown(whole.recommended)}, as advised: by the prices and the "
        "workload given to `ragopt cache`; each figure is rounded to the cent:"
    )
    say(console, told)
    rows = bill_cache_rows(whole.cache)
    width = max(len(usd) for _, usd in rows)
    print_grid(console, [(f"  {name}", usd.rjust(width)) for name, usd in rows])
    for one in whole.cache["caches"]:
        if one.get("guess"):
            say(console, f"{titled(str(one['name']))}, and with it the month after: {GUESS}: {shown(one['guess'])}.")


def bill_cache_rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Before, one row per cache, memory and after, from the summary in ``recommendation.json``."""
    before, saved = Decimal(summary["usd_per_month_before"]), Decimal(summary["saving_usd_per_month"])
    memory = sum((Decimal(one["memory_usd_per_month"]) for one in summary["caches"]), Decimal(0))
    caches = [(f"- {name_of(str(one['name']))} cache{_guess(one)}",
               usd_text(Decimal(one["saving_usd_per_month"]["value"]))) for one in summary["caches"]]  # fmt: skip
    semantic = any(one["name"] == "semantic" for one in summary["caches"])
    own = "+ their memory" + f" (the semantic cache's is {NOT_COUNTED})" * semantic
    return [("before", usd_text(before)), *caches, (own, usd_text(memory)), ("after", usd_text(before - saved))]


def _guess(cache: Mapping[str, Any]) -> str:
    # Caches saved before guesses were named have no such key.
    return f" ({GUESS})" if cache.get("guess") else ""
