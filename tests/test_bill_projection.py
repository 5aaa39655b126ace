"""The bill month by month: each with its own size, a target that stops named, and steps told."""

from decimal import Decimal

from ragopt.bill.described import describe_by_bytes
from ragopt.bill.price_book import PriceBook
from ragopt.bill.projection import MonthBill, bill_by_month, mean_usd_per_month, step_note
from ragopt.bill.workload import Workload

BOOK = PriceBook.packaged()
MILLION = 1_000_000


def index(dim=384):
    return describe_by_bytes(4.0 * dim, 0.0, dim, MILLION, cpu_ms=1.0)


def test_embedding_is_that_of_the_months_own_size():
    """1 M chunks of 256 tokens embedded anew each month at 0.02 USD a million tokens: 5.12, then 56.32 at 11 M.

    The first embedding is of the first million in each month's share: 256 M tokens / 2 x 0.02 = 2.56; 10 M chunks added
    each month are 51.20; questions 20 M tokens, 0.40.
    """
    workload = Workload(MILLION, growth_vectors_per_month=10 * MILLION, horizon_months=2, queries_per_month=MILLION,
                        reembeddings_per_month=Decimal(1), embedding_model="openai:text-embedding-3-small")  # fmt: skip
    bare = Workload(MILLION, growth_vectors_per_month=10 * MILLION, horizon_months=2, queries_per_month=MILLION,
                    reembeddings_per_month=Decimal(1))  # fmt: skip
    both = [bill_by_month(index(), one, BOOK, target="weaviate") for one in (workload, bare)]
    embedding = [with_model.usd_per_month - without.usd_per_month for with_model, without in zip(*both, strict=True)]
    assert embedding == [Decimal("2.56") + Decimal("51.20") + Decimal("5.12") + Decimal("0.40"),
                         Decimal("2.56") + Decimal("51.20") + Decimal("56.32") + Decimal("0.40")]  # fmt: skip


def test_a_target_that_stops_is_named_from_its_month_on():
    """Vectorize sells 10 M vectors: 9 M and 0.6 M more each month end in the third month, at 10.2 M."""
    workload = Workload(9 * MILLION, growth_vectors_per_month=600_000, horizon_months=4)
    months = bill_by_month(index(), workload, BOOK, target="vectorize")
    assert [month.usd_per_month is None for month in months] == [False, False, True, True]
    assert "10,200,000 vectors" in months[2].reason
    assert mean_usd_per_month(months) is None
    assert step_note(Decimal(100), months).startswith("From month 3 on, at 10,200,000 vectors, it is not sold: ")


def test_steps_are_told_where_they_matter():
    """Months of 10, 10, 30 and 30 cost 20 on average, an average month 10: told; 20.3 is within 2 %: not told."""
    months = tuple(MonthBill(n, n, Decimal(usd)) for n, usd in enumerate(("10", "10", "30", "30"), start=1))
    assert mean_usd_per_month(months) == 20
    assert step_note(Decimal("10.00"), months).startswith("Its months cost USD 20.00 on average, from 10 in the first")
    assert step_note(Decimal("20.30"), months) == ""
