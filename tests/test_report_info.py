from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.errors import ArtifactError
from ragopt.records import Quality
from ragopt.report.info import (
    FrontierPoint,
    choose_axis,
    codec_of,
    cost_axis,
    frontier,
    frontier_points,
    is_rescored,
    largest_tie,
    non_dominated,
    quality_limit,
    quality_names,
)
from tests.report_example import RECOMMENDED, ROWS, example_run, nothing_fits_run, small_run, two_model_run


def point(name: str, usd: str, quality: float, ram: float = 1.0) -> FrontierPoint:
    return FrontierPoint(
        trial=name,
        usd_per_month=Decimal(usd),
        target="t",
        quality=Quality(quality, quality, quality, 10),
        ram_bytes_per_vector=ram,
        disk_bytes_per_vector=0.0,
        space="m@2:none",
        codec="Flat",
        rescored=False,
        confirmed=False,
        on_frontier=False,
        is_recommended=False,
        is_baseline=False,
    )


def names(points) -> list[str]:
    return [one.trial for one in points]


def test_frontier_of_five_points_by_hand():
    """Of five points the two that are beaten on both bill and quality go, and the rest come cheapest first."""
    points = [
        point("dear and good", "30", 0.9),
        point("cheap", "10", 0.5),
        point("beaten by cheap", "12", 0.4),
        point("middle", "20", 0.8),
        point("beaten by middle", "25", 0.8),
    ]
    assert names(non_dominated(points, "usd_per_month")) == ["cheap", "middle", "dear and good"]


def test_equal_cost_keeps_the_better_quality():
    """At one cost only the best quality stays, as in FAISS's operating points."""
    points = [point("a", "10", 0.5), point("b", "10", 0.7), point("c", "10.00", 0.6)]
    assert names(non_dominated(points, "usd_per_month")) == ["b"]


def test_equal_on_both_keeps_fewer_ram_bytes_then_the_first_name():
    """Points equal in bill and quality leave one survivor: fewer RAM bytes, then the first name."""
    assert names(non_dominated([point("a", "1", 0.5, 32), point("b", "1", 0.5, 16)], "usd_per_month")) == ["b"]
    assert names(non_dominated([point("z", "1", 0.5), point("y", "1", 0.5)], "usd_per_month")) == ["y"]


def test_equal_quality_keeps_the_cheaper():
    """A point with the same quality at a higher bill is beaten, even when it takes fewer RAM bytes."""
    assert names(non_dominated([point("a", "2", 0.5, 1), point("b", "1", 0.5, 9)], "usd_per_month")) == ["b"]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 3)), min_size=1, max_size=12))
def test_frontier_against_the_definition(rows):
    """The frontier holds exactly the cost and quality pairs that no other pair beats, each once."""
    points = [point(str(i), str(cost), quality / 6, ram) for i, (cost, quality, ram) in enumerate(rows)]
    pairs = {(cost, quality) for cost, quality, _ in rows}
    beaten = {
        (c, q) for c, q in pairs for other, better in pairs if other <= c and better >= q and (other, better) != (c, q)
    }
    kept = non_dominated(points, "usd_per_month")
    found = [(int(one.usd_per_month), round(one.quality.value * 6)) for one in kept]
    assert found == sorted(pairs - beaten)
    for one in kept:
        twins = [p for p in points if (p.usd_per_month, p.quality) == (one.usd_per_month, one.quality)]
        assert one.ram_bytes_per_vector == min(p.ram_bytes_per_vector for p in twins)


@pytest.mark.parametrize(
    ("factory", "codec", "rescored"),
    [
        ("Flat", "Flat", False),
        ("SQ8", "SQ8", False),
        ("SQ4,Refine(SQ8)", "SQ4", True),
        ("PQ64np", "PQ 8-bit", False),
        ("PQ64x4fs", "PQ 4-bit", False),
        ("PQ48x4fsr,RFlat", "PQ 4-bit", True),
        ("OPQ16_64,IVF1024(PQ8x4fs),PQ16x10np,Refine(SQfp16)", "PQ 10-bit", True),
        ("PCAR128,PQ64x4fs,Refine(SQ8)", "PQ 4-bit", True),
        ("IVF4096_HNSW32,Flat", "Flat", False),
        ("HNSW32_SQ8", "SQ8", False),
        ("HNSW32,PQ16", "PQ 8-bit", False),
        ("RaBitQ2", "RaBitQ", False),
        ("IVF64,RaBitQ4fs", "RaBitQ", False),
        ("LSH", "LSH", False),
    ],
)
def test_codec_of(factory, codec, rescored):
    """The codec is named without transforms, lists, graph, size and rescoring tier."""
    assert codec_of(factory) == codec
    assert is_rescored(factory) is rescored


def test_points_leave_unsuitable_trials_out_and_take_the_cheapest_bill():
    """Each measured trial appears once, at the least of its bills."""
    run = example_run()
    points = frontier_points(run, quality="recall_vs_exact@10")
    assert len(points) == len(ROWS)
    by_name = {str(result.trial): result for result in run.trials}
    for one in points:
        bills = by_name[one.trial].bills
        assert one.usd_per_month == min(bill.usd_per_month for bill in bills.values())
        assert bills[one.target].usd_per_month == one.usd_per_month
        assert one.quality == by_name[one.trial].quality["recall_vs_exact@10"]


def test_points_mark_the_recommendation_and_the_baseline():
    """Exactly one point is the recommendation and one is Flat at the recommended model's full dimension."""
    points = frontier_points(two_model_run(), quality="ndcg@10")
    assert names(one for one in points if one.is_recommended) == [f"wordllama@{RECOMMENDED}"]
    assert names(one for one in points if one.is_baseline) == ["wordllama@256:none | Flat"]


def test_frontier_of_the_example_by_hand():
    """The example's frontier on USD, read off its table by hand."""
    run = example_run()
    assert cost_axis(run).name == "usd_per_month"
    assert [one.quality.value for one in frontier(run)] == [
        0.5630, 0.5912, 0.7290, 0.8340, 0.9604, 0.9881, 0.9921, 0.9932, 1.0,
    ]  # fmt: skip
    bills = [one.usd_per_month for one in frontier(run)]
    assert bills == sorted(bills)


def test_axis_falls_back_to_ram_when_bills_are_equal():
    """When every trial costs the same the frontier is taken over RAM bytes per vector, and says why."""
    run = small_run()
    axis = cost_axis(run)
    assert axis.name == "ram_bytes_per_vector"
    assert axis.reason == "RAM code bytes per vector, because all 38 trials cost the same within 1 % at this scale"
    assert [one.ram_bytes_per_vector for one in frontier(run)] == [8.0, 16.0, 32.0, 64.0, 256.0, 1024.0]


def test_axis_by_share_of_tied_bills():
    """RAM is taken from more than half of the bills within 1 %, USD at half."""
    tied = [point("a", "100", 0.1), point("b", "100.99", 0.2)]
    apart = [point("c", "150", 0.3), point("d", "200", 0.4)]
    assert choose_axis([*tied, *apart]).name == "usd_per_month"
    three = choose_axis([*tied, point("e", "101", 0.5), *apart])
    assert three.name == "ram_bytes_per_vector"
    assert three.reason.startswith("RAM code bytes per vector, because 3 of 5 trials cost the same")
    assert choose_axis(apart, objective="ram").name == "ram_bytes_per_vector"
    assert choose_axis(apart[:1]).name == "usd_per_month"


def test_largest_tie_counts_within_one_percent():
    """The largest group is counted from its own least bill, ends included."""
    assert largest_tie(map(Decimal, ("100", "101", "101.01", "102.01", "1"))) == 3
    assert largest_tie([Decimal(0), Decimal(0)]) == 2
    assert largest_tie([]) == 0


def test_quality_limits():
    """--min-recall is a limit on recall, --min-ndcg-ratio one on nDCG through the model's exact search."""
    run = example_run()
    assert quality_limit(run, "recall_vs_exact@10") == (0.95, "--min-recall 0.95")
    assert quality_limit(run, "ndcg@10") is None
    asked = replace(run, info=run.info | {"arguments": run.info["arguments"] | {"min_ndcg_ratio": 0.98}})
    limit = quality_limit(asked, "ndcg@10")
    assert limit is not None
    assert limit[0] == pytest.approx(0.98 * 0.513)


def test_quality_names_start_with_the_default():
    """The default quality comes first, the others by name."""
    assert quality_names(nothing_fits_run()) == ("recall_vs_exact@10", "ndcg@10")


def test_a_quality_that_was_not_measured():
    """Asking for a quality that no trial has names those there are."""
    with pytest.raises(ArtifactError, match=r"no trial with mrr@10 .*recall_vs_exact@10, ndcg@10"):
        frontier_points(example_run(), quality="mrr@10")
