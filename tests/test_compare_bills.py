"""What is said of bills between two runs, how a rise is judged, and what else fails or changes."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ragopt
from ragopt.compare.bills import thing_of
from ragopt.compare.comparing import compare_runs
from ragopt.compare.max_increase import MaxIncrease
from ragopt.errors import ArtifactError, InputError
from ragopt.records import Quality
from tests.compared import RECALL, asked, bill_of_lines, line, plain_bill, write_run

SAME = {RECALL: [1.0] * 3}


def pair(tmp_path, bill_a, bill_b, limit=None, **more):
    """Two runs of the same quality with these bills."""
    runs = [write_run(tmp_path / name, SAME, asked(3), bill=bill, **more.get(name, {}))
            for name, bill in (("a", bill_a), ("b", bill_b))]  # fmt: skip
    return compare_runs(*runs, max_increase=None if limit is None else MaxIncrease.parse(limit))


@pytest.mark.parametrize(
    ("before", "after", "limit", "allowed", "fails"),
    [
        ("50.00", "55.00", "10%", "5", False),  # as much as is allowed is allowed
        ("50.00", "55.01", "10%", "5", True),
        ("50.00", "45.00", "0%", "0", False),
        ("50.00", "50.01", "0", "0", True),
        ("50.00", "75.00", "25", "25", False),
        ("50.00", "75.01", "25", "25", True),
        ("33.33", "34.16", "2.5%", "0.83325", False),
        ("33.33", "34.17", "2.5%", "0.83325", True),
        ("0.00", "0.01", "50%", "0", True),  # half more than nothing is nothing
        ("50.00", "5000.00", None, None, False),  # told, not judged
    ],
)
def test_a_rise_is_judged_to_the_cent(tmp_path, before, after, limit, allowed, fails):
    """The bill may rise by the limit and not by a cent more; without a limit it fails nothing."""
    found = pair(tmp_path, plain_bill(before), plain_bill(after), limit)
    assert found.bill.allowed == (None if allowed is None else Decimal(allowed))
    assert found.bill.increase == Decimal(after) - Decimal(before)
    assert (found.bill.rose, found.exit_code) == (fails, 4 if fails else 0)
    assert found.failures == (("bill",) if fails else ())


@pytest.mark.parametrize(
    "text",
    ["", "%", "ten", "10 %", " 10", "-5", "+5", "10%%", "1e3", "1E9", "nan", "inf", "$25", "25USD", "1,000", "1_000",
     ".5", "5.", "1.1234567", "1234567890123", "\u0661\u0660", "10\n", "0x10", "10\uff05"],
)  # fmt: skip
def test_what_is_no_limit_is_refused(text):
    """Signs, currencies, exponents, separators and other digits are refused: none is read otherwise than meant."""
    with pytest.raises(InputError, match="--max-increase") as error:
        MaxIncrease.parse(text)
    assert "10%" in error.value.allowed


@settings(deadline=None)
@given(st.decimals(0, 10**9, places=3, allow_nan=False), st.booleans())
def test_a_limit_prints_as_it_is_read(amount, is_percent):
    """Any limit reads back from its printed form."""
    limit = MaxIncrease(amount, is_percent)
    assert MaxIncrease.parse(str(limit)) == limit


def test_parts_lines_and_prices_by_hand(tmp_path):
    """730 hours at 0.04 become 1,460 at 0.05; storage goes, a minimum comes; the sums are those of the bills."""
    a = bill_of_lines(
        line("compute", "VMs: 1 x c7g.medium for 1 replica; each needs 0.01 of 0.85 GiB", "730", "0.04"),
        line("storage", "Disk: 9 GB", "9", "0.08"),
    )
    b = bill_of_lines(
        line("compute", "VMs: 2 x c7g.medium for 2 replicas; each needs 0.70 of 0.85 GiB", "1460", "0.05",
             as_of="2026-11-01"),
        line("minimum", "Minimum of the plan", "1", "3"),
    )  # fmt: skip
    bill = pair(tmp_path, a, b).bill
    assert (bill.a, bill.b, bill.increase) == (Decimal("29.92"), Decimal("76.00"), Decimal("46.08"))
    assert [(one.part, str(one.a), str(one.b)) for one in bill.parts] == [
        ("compute", "29.20", "73.00"), ("storage", "0.72", "0.00"), ("minimum", "0.00", "3.00"),
    ]  # fmt: skip
    assert [(one.item, one.a and str(one.a.usd), one.b and str(one.b.usd)) for one in bill.lines] == [
        ("VMs", "29.20", "73.00"), ("Disk", "0.72", None), ("Minimum of the plan", None, "3.00"),
    ]  # fmt: skip
    [price] = bill.prices
    assert (price.item, price.target) == ("VMs", "faiss-ram")
    assert [(str(one.usd_per_unit), one.as_of) for one in (price.a, price.b)] == [
        ("0.04", "2026-07-20"), ("0.05", "2026-11-01"),
    ]  # fmt: skip
    assert (bill.saving_a, bill.saving_b) == (Decimal("70.08"), Decimal("24.00"))


def test_another_machine_is_no_other_price(tmp_path):
    """c7g.large costs more than c7g.medium: that is another thing, not a price that rose."""
    bill = pair(tmp_path, bill_of_lines(line("compute", "VMs: 1 x c7g.medium", "730", "0.04")),
                bill_of_lines(line("compute", "VMs: 1 x c7g.large", "730", "0.08"))).bill  # fmt: skip
    assert bill.prices == ()
    assert len(bill.lines) == 1


def test_two_lines_of_one_name_keep_their_order(tmp_path):
    """The first VM goes with the first, the second stands alone."""
    vms = [line("compute", f"VMs: 1 x {name}", "1", price) for name, price in (("small", "5"), ("large", "9"))]
    bill = pair(tmp_path, bill_of_lines(*vms), bill_of_lines(vms[0])).bill
    assert [(one.a.item, one.b and one.b.item) for one in bill.lines] == [
        ("VMs: 1 x small", "VMs: 1 x small"), ("VMs: 1 x large", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("item", "thing"),
    [
        ("Storage of 10,491 vectors, 1.5 GB", "Storage of # vectors, # GB"),
        ("text-embedding-3-small: 40 tokens", "text-embedding-3-small: # tokens"),
        ("gp3-storage x2 at 99.9 %", "gp3-storage x2 at # %"),
    ],
)
def test_figures_that_belong_to_a_name_stay(item, thing):
    """Only figures that stand alone are taken out of a line's words."""
    assert thing_of(item) == thing


def test_workload_and_inputs_that_changed(tmp_path):
    """Every field that differs is told with both values; what is equal, and what is a result, is not."""
    found = pair(tmp_path, plain_bill("1.00"), plain_bill("1.00"), a={
        "n_vectors": 1000, "info": {"billed_on": ...},
    }, b={
        "n_vectors": 2000,
        "info": {"machine": {"cpu": "Other CPU"}, "versions": {"numpy": None, "faiss": "2"}, "ragopt_version": "0.2.0",
                 "arguments": {"seed": 8}, "corpus": {"n_chunks": 9001}, "billed_on": "2026-11-26"},
    })  # fmt: skip
    assert [(one.name, one.a, one.b) for one in found.bill.workload] == [("n_vectors", "1000", "2000")]
    assert {one.name: (one.a, one.b) for one in found.inputs} == {
        "ragopt_version": ("0.1.0", "0.2.0"),
        "corpus.n_chunks": ("9000", "9001"),
        "arguments.seed": ("7", "8"),
        "versions.numpy": ("2.4.6", None),
        "versions.faiss": ("1.15.1", "2"),
        "machine.cpu": ("Example CPU", "Other CPU"),
        "billed_on": (None, "2026-11-26"),
    }
    assert (found.a.cpu, found.b.cpu) == ("Example CPU", "Other CPU")


def test_what_is_shared_by_every_target_is_told_beside(tmp_path):
    """The sum of what costs the same everywhere is kept apart; a run that does not say has none."""
    everywhere = {"targets": [], "shared_usd_per_month": "4.04", "not_billed": []}
    more = {"a": {"info": {"everywhere": ...}}, "b": {"info": {"everywhere": everywhere}}}
    bill = pair(tmp_path, plain_bill("1.00"), plain_bill("1.00"), **more).bill
    assert (bill.shared_a, bill.shared_b) == (None, Decimal("4.04"))


@pytest.mark.parametrize(
    ("statuses", "failures"),
    [
        (("ok", "nothing_fits"), ("nothing_fits",)),
        (("nothing_fits", "ok"), ()),
        (("nothing_fits", "nothing_fits"), ()),
    ],
)
def test_losing_what_fitted_fails(tmp_path, statuses, failures):
    """A run without a fitting trial after one that had it fails, whatever it scores; not the other way."""
    more = {name: {"status": status} for name, status in zip("ab", statuses, strict=True)}
    assert pair(tmp_path, plain_bill("1.00"), plain_bill("1.00"), **more).failures == failures


def test_all_failures_are_told(tmp_path):
    """One comparison may fail for several reasons, the heaviest first."""
    lost = {"b": {"status": "nothing_fits", "figures": {RECALL: Quality(0.2, 0.1, 0.3, 3)}}}
    a = write_run(tmp_path / "a", {}, None, bill=plain_bill("1.00"), figures={RECALL: Quality(0.9, 0.8, 1.0, 3)})
    b = write_run(tmp_path / "b", {}, None, bill=plain_bill("2.00"), **lost["b"])
    found = compare_runs(a, b, max_increase=MaxIncrease.parse("50%"))
    assert (found.failures, found.exit_code) == (("nothing_fits", "quality", "bill"), 4)


def test_what_changed_in_the_recommendation(tmp_path):
    """Space, factory, search and target are told where they differ."""
    found = pair(tmp_path, plain_bill("1.00"), bill_of_lines(line("compute", "VMs", "1", "1"), target="faiss-ram-nvme"),
                 b={"model": "other"})  # fmt: skip
    assert [(one.name, one.a, one.b) for one in found.recommendation] == [
        ("space", "wordllama@256:none", "other@256:none"), ("target", "faiss-ram", "faiss-ram-nvme"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"machine": None}, "run.json has machine null. Allowed: a table"),
        ({"arguments": []}, "run.json has arguments"),
        ({"models": ["x"]}, "run.json has models"),
        ({"workload": 5}, "run.json has workload 5"),
        ({"everywhere": {"shared_usd_per_month": "free"}}, "run.json has everywhere"),
    ],
)
def test_a_changed_run_json_is_one_clear_error(tmp_path, keys, said):
    """Whatever of run.json is no longer what a run writes, the error names it."""
    a = write_run(tmp_path / "a", SAME, asked(3))
    with pytest.raises(ArtifactError) as error:
        compare_runs(a, write_run(tmp_path / "b", SAME, asked(3), info=keys))
    assert said in str(error.value)


def test_the_verb_takes_folders_and_runs(tmp_path):
    """ragopt.compare gives the very records of the command, of folders as text or path and of runs; a limit is text."""
    a = write_run(tmp_path / "a", SAME, asked(3), bill=plain_bill("10.00"))
    b = write_run(tmp_path / "b", SAME, asked(3), bill=plain_bill("11.50"))
    wanted = compare_runs(a, b, max_increase=MaxIncrease.parse("10%"))
    for pair in ((a, b), (str(tmp_path / "a"), tmp_path / "b"), (ragopt.Run.of(a), tmp_path / "b")):
        found = ragopt.compare(*pair, max_increase="10%")
        assert isinstance(found, ragopt.Comparison)
        assert (found.bill, found.quality, found.inputs) == (wanted.bill, wanted.quality, wanted.inputs)
        assert (found.failures, found.exit_code) == (("bill",), 4)
    assert ragopt.compare(a, b).failures == ()
    with pytest.raises(InputError, match="is no limit"):
        ragopt.compare(a, b, "10 %")
    with pytest.raises(InputError, match=r"max_increase 0\.1 is no text"):
        ragopt.compare(a, b, 0.1)
    with pytest.raises(InputError, match="holds no finished run"):
        ragopt.compare(tmp_path / "none", b)
