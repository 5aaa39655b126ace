"""A cache advice as JSON and back: money as decimal strings, sizes and seconds as numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from ragopt.cache.advice import (
    CacheAdvice,
    CachePlan,
    FalseHitPoint,
    LogSummary,
    PromptOrder,
    SizePoint,
    TtlPoint,
    UsdRange,
)
from ragopt.cache.memory_price import MemoryPrice
from ragopt.cache.records import Curve, CurvePoint, Share
from ragopt.cache.unit_prices import PriceUsed
from ragopt.errors import ArtifactError
from ragopt.units import to_cents

SCHEMA = 1

DAMAGE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading a changed advice raises: Decimal, missing keys, other kinds of value."""


def advice_json(advice: CacheAdvice) -> dict[str, Any]:
    """Give the content of ``cache.json``; `advice_of` reads it back."""
    return {"schema": SCHEMA, **_plain(dataclasses.asdict(advice))}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def summary_json(advice: CacheAdvice) -> dict[str, Any]:
    """Give what ``recommendation.json`` holds under `cache`: the caches that are on, and why the others are not."""
    return {
        "basis": advice.basis,
        "log": advice.log.source,
        "n_requests": advice.log.n_requests,
        "requests_per_month": f"{advice.log.requests_per_month:f}",
        "insufficient": advice.insufficient,
        "usd_per_month_before": str(to_cents(advice.usd_before)),
        "saving_usd_per_month": str(to_cents(advice.saved_usd_per_month)),
        "caches": [_plan_json(plan) for plan in advice.recommended],
        "off": [
            {"name": plan.name, "reason": plan.reason, "guess": plan.guess} for plan in advice.plans if not plan.on
        ],
    }


def _plan_json(plan: CachePlan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "buys": plan.buys,
        "policy": plan.policy,
        "size_bytes": plan.size_bytes,
        "ttl_s": plan.ttl_s,
        "hit_share": dataclasses.asdict(plan.hits) if plan.hits else None,
        "saving_usd_per_month": {name: str(to_cents(getattr(plan.saved, name))) for name in ("value", "low", "high")},
        "memory_usd_per_month": str(to_cents(plan.memory_usd_per_month)),
        "reason": plan.reason,
        "guess": plan.guess,
        "hit_share_behind_results": dataclasses.asdict(plan.behind_results) if plan.behind_results else None,
        "notes": list(plan.notes),
    }


def advice_of(value: Mapping[str, Any]) -> CacheAdvice:
    """Read back what `advice_json` gave.

    Raises:
        ArtifactError: it is of another version, or was changed.
    """
    if value.get("schema") != SCHEMA:
        raise ArtifactError(f"The cache advice has schema {value.get('schema')!r}", allowed=f"{SCHEMA}",
                            next_step="Run `ragopt cache LOG --run RUN` again")  # fmt: skip
    try:
        return _advice(value)
    except DAMAGE as error:
        raise ArtifactError(f"The cache advice cannot be read: {error!r}",
                            next_step="Run `ragopt cache LOG --run RUN` again") from error  # fmt: skip


def _advice(value: Mapping[str, Any]) -> CacheAdvice:
    log, memory = value["log"], value["memory"]
    return CacheAdvice(
        basis=value["basis"],
        log=LogSummary(**{**log, "requests_per_month": Decimal(log["requests_per_month"])}),
        plans=_each(_plan, value["plans"]),
        usd_before=Decimal(value["usd_before"]),
        memory=MemoryPrice(**{**memory, "usd_per_gb_month": Decimal(memory["usd_per_gb_month"])}),
        prices=_each(lambda one: PriceUsed(**{**one, "usd": Decimal(one["usd"])}), value["prices"]),
        trial=value["trial"],
        target=value["target"],
        false_hits=_each(lambda one: FalseHitPoint(**one), value["false_hits"]),
        prompt_orders=_each(_order, value["prompt_orders"]),
        warnings=tuple(value["warnings"]),
        insufficient=value["insufficient"],
    )


def _each(read: Callable[[Mapping[str, Any]], Any], values: list[Mapping[str, Any]]) -> tuple[Any, ...]:
    return tuple(read(one) for one in values)


def _usd(value: Mapping[str, str]) -> UsdRange:
    return UsdRange(Decimal(value["value"]), Decimal(value["low"]), Decimal(value["high"]))


def _share(value: Mapping[str, Any] | None) -> Share | None:
    return None if value is None else Share(**value)


def _order(value: Mapping[str, Any]) -> PromptOrder:
    return PromptOrder(value["name"], Share(**value["hits"]), _usd(value["saved"]))


def _size(value: Mapping[str, Any]) -> SizePoint:
    marginal, memory = Decimal(value["marginal_usd_per_gb"]), Decimal(value["memory_usd_per_month"])
    return SizePoint(value["size_bytes"], _usd(value["saved"]), memory, marginal)


def _curve(value: Mapping[str, Any]) -> Curve:
    points = _each(
        lambda one: CurvePoint(**{**one, "hits": Share(**one["hits"]), "all_hits": Share(**one["all_hits"])}),
        value["points"],
    )
    return Curve(value["policy"], points, value["n_distinct"], value["all_bytes"])


def _plan(value: Mapping[str, Any]) -> CachePlan:
    kept = {name: value[name] for name in ("name", "on", "buys", "reason", "policy", "size_bytes", "n_items", "ttl_s",
                                           "break_even_s", "guess")}  # fmt: skip
    return CachePlan(
        **kept,
        alone=_share(value["alone"]),
        hits=_share(value["hits"]),
        all_hits=_share(value["all_hits"]),
        behind_results=_share(value["behind_results"]),
        saved=_usd(value["saved"]),
        memory_usd_per_month=Decimal(value["memory_usd_per_month"]),
        curves=_each(_curve, value["curves"]),
        sizes=_each(_size, value["sizes"]),
        ttls=_each(lambda one: TtlPoint(one["ttl_s"], Share(**one["hits"])), value["ttls"]),
        notes=tuple(value["notes"]),
    )
