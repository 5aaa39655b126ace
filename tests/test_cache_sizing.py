"""Which size of a cache is worth its memory."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.cache.sizing import break_even_seconds, concave_hull, marginal_usd_per_gb, most_net

GB = 10**9


def test_the_hull_leaves_out_what_a_mix_of_neighbours_beats():
    """Of savings 1, 2, 7, 7 at 1, 2, 4, 8 GB the hull has 4 GB alone: 7/4 beats 1 and 2/2, and 8 GB adds nothing."""
    assert concave_hull([GB, 2 * GB, 4 * GB, 8 * GB], [Decimal(n) for n in (1, 2, 7, 7)]) == (2,)


def test_the_marginal_saving_is_the_slope_of_the_hull():
    """Savings 6, 9, 9 at 1, 2, 4 GB: the first GB saves 6, the second 3, the rest nothing."""
    assert marginal_usd_per_gb([GB, 2 * GB, 4 * GB], [Decimal(6), Decimal(9), Decimal(9)]) == (6, 3, 0)


@pytest.mark.parametrize(("price", "position"), [(7, None), (6, 0), (4, 0), (3, 1), ("2.9", 1), ("0.1", 1)])
def test_the_size_stops_where_the_marginal_saving_meets_the_price(price, position):
    """At 6 and then 3 USD a GB, memory at 7 buys nothing, from 6 down the first GB, from 3 down the second."""
    found = most_net([GB, 2 * GB, 4 * GB], [Decimal(6), Decimal(9), Decimal(9)], Decimal(price))
    assert found == position


@settings(deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12), st.integers(1, 50))
def test_no_other_size_saves_more_less_its_memory(savings, price):
    """Whatever the savings and the price, the chosen size has the greatest net saving, and none is chosen below 0."""
    sizes = [2**number * GB // 8 for number in range(len(savings))]
    saved = [Decimal(one) for one in savings]
    net = [one - Decimal(price) * size / GB for one, size in zip(saved, sizes, strict=True)]
    found = most_net(sizes, saved, Decimal(price))
    assert (Decimal(0) if found is None else net[found]) == max(Decimal(0), *net)


def test_break_even_by_hand():
    """A hit worth 4e-7 USD, 3,000 bytes at 4.9 USD a GB-month: 4e-7 / 1.47e-5 of a month is 0.83 days."""
    seconds = break_even_seconds(Decimal("4E-7"), 3000, Decimal("4.9"))
    assert seconds / 86_400 == pytest.approx(0.8277, abs=0.0001)
    assert break_even_seconds(Decimal(0), 3000, Decimal("4.9")) is None
