"""The workload file: what is written reads back, and a slip is named with file, key and what is allowed."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.bill.counts import read_number
from ragopt.bill.workload import Workload
from ragopt.bill.workload_fields import FIELDS, REQUIRED
from ragopt.bill.workload_file import read_settings, read_values, read_workload_file, workload_text
from ragopt.errors import InputError


def written(folder, text):
    path = folder / "w.toml"
    path.write_text(text)
    return path


def test_every_field_of_a_workload_is_described_with_its_own_default():
    """The table of fields and the record name the same fields with the same defaults."""
    record = {name: field.default for name, field in Workload.__dataclass_fields__.items()}
    assert set(record) == set(FIELDS)
    for name, field in FIELDS.items():
        assert field.default == (REQUIRED if name == "n_vectors" else record[name]), name
        assert field.unit, name
        assert field.reason, name


def test_the_written_file_gives_nothing_until_it_is_uncommented(tmp_path):
    """Everything in a fresh file is a comment, so that it changes no default."""
    assert read_workload_file(written(tmp_path, workload_text())) == {}


def test_uncommenting_every_line_gives_the_defaults(tmp_path):
    """Each commented example is valid; those of fields with a default are that default."""
    lines = [line.removeprefix("# ") if " = " in line and line.startswith("# ") and "Default" not in line else line
             for line in workload_text().splitlines()]  # fmt: skip
    found = read_workload_file(written(tmp_path, "\n".join(lines)))
    assert set(found) == set(FIELDS)
    assert {name: found[name] for name in FIELDS if FIELDS[name].default not in (None, REQUIRED)} == {
        name: field.default for name, field in FIELDS.items() if field.default not in (None, REQUIRED)
    }


@given(
    n_vectors=st.integers(1, 10**12),
    share=st.decimals(0, 1, places=6),
    peak=st.decimals(Decimal("0.001"), 10**6, places=4),
    region=st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True),
    model=st.text(max_size=20).map(str.strip),
)
def test_what_is_written_reads_back(tmp_path_factory, n_vectors, share, peak, region, model):
    """Any values within the bounds survive the file, decimals exactly, text with any quotes."""
    values = {"n_vectors": n_vectors, "filterable_share": share, "peak_qps": peak, "region": region}
    if all(char.isprintable() for char in model):
        values["reranker"] = model
    assert read_workload_file(written(tmp_path_factory.mktemp("w"), workload_text(values))) == values


def test_counts_may_carry_a_letter(tmp_path):
    """10M is ten million, in a file and on the command line."""
    text = '[corpus]\nn_vectors = "10M"\n[queries]\npeak_qps = "2.5"\n'
    assert read_workload_file(written(tmp_path, text)) == {"n_vectors": 10_000_000, "peak_qps": Decimal("2.5")}
    assert read_settings(["corpus.n_vectors=10M", "peak_qps=2.5", "region=eu-west-1"]) == {
        "n_vectors": 10_000_000, "peak_qps": Decimal("2.5"), "region": "eu-west-1"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[corpus]\nn_vectorz = 3\n", r"unknown key n_vectorz in \[corpus\].*Did you mean n_vectors\?"),
        ("[corpsu]\nn_vectors = 3\n", r"unknown section \[corpsu\].*Did you mean corpus\?"),
        ("[queries]\nn_vectors = 3\n", r"n_vectors in \[queries\]\. Allowed: n_vectors in \[corpus\]"),
        ("[corpus]\nn_vectors = -3\n", r"corpus\.n_vectors in .*w\.toml is -3\. Allowed: a whole number from 1 to"),
        ("[corpus]\nn_vectors = 3.5\n", r"corpus\.n_vectors in .*w\.toml is 3\.5\. Allowed: a whole number"),
        ('[corpus]\nn_vectors = "many"\n', r"corpus\.n_vectors in .*w\.toml is 'many'\. Allowed: a number"),
        ("[corpus]\nn_vectors = true\n", r"corpus\.n_vectors in .*w\.toml is True\. Allowed: a whole number"),
        ("[queries]\npeak_qps = inf\n", r"queries\.peak_qps in .*w\.toml is .*Allowed: a decimal number"),
        ('[service]\ncommitment = "3-year"\n', r"commitment in .*w\.toml is '3-year'\. Allowed: on-demand, 1-year"),
        ("[corpus]\ngrowth_vectors_per_month = inf\n", r"growth_vectors_per_month in .*w\.toml is Infinity\. Allowed"),
        ("[corpus]\ngrowth_vectors_per_month = 1e5000\n", r"growth_vectors_per_month in .*w\.toml is 1E\+5000\."),
        ("[corpus]\nn_vectors = " + "9" * 5000 + "\n", r"w\.toml is not valid TOML"),
        ("[corpus]\nn_vectors = " + "9" * 100 + "\n", r"is a whole number of more than 60 digits\. Allowed"),
        ("[corpus\n", "is not valid TOML"),
        ('currency = "EUR"\n', r"unknown section \[currency\]"),
    ],
)
def test_a_slip_in_the_file_is_named(tmp_path, text, said):
    """Unknown keys and sections, wrong kinds and bounds: the file, the key, the value and what is allowed."""
    with pytest.raises(InputError, match=said) as caught:
        read_workload_file(written(tmp_path, text))
    assert "w.toml" in str(caught.value)


def test_a_missing_file_says_how_to_write_one(tmp_path):
    """No file: the next step is the command that writes one."""
    with pytest.raises(InputError, match=r"Cannot read the workload .*none\.toml.*ragopt workload init"):
        read_workload_file(tmp_path / "none.toml")


@pytest.mark.parametrize("text", ["n_vectorz=3", "queries.n_vectors=3", "=3"])
def test_a_setting_without_a_field_is_refused(text):
    """`--set` names a field, in its own section when it names one."""
    with pytest.raises(InputError, match=r"--set .* names no field"):
        read_settings([text])


def test_a_workload_survives_json():
    """What `run.json` keeps of a workload reads back equal, decimals exactly."""
    one = Workload(10, peak_qps=Decimal("12.50"), p99_limit_ms=Decimal(40), reindexes_per_month=Decimal("0.25"))
    assert Workload.from_json(one.as_json()) == one
    assert one.as_json()["peak_qps"] == "12.50"


def test_a_whole_number_for_a_decimal_field_is_the_same_decimal():
    """`peak_qps = 1` in a file is 1.0 query a second, and quotients of it stay exact."""
    assert isinstance(Workload(10, queries_per_month=0, peak_qps=1).peak_qps, Decimal)


def test_an_average_month_has_half_of_the_growth():
    """100 vectors and 10 more each month: 100, 110, 120, 130 over four months are 115 on average."""
    growing = Workload(100, growth_vectors_per_month=10, horizon_months=4)
    assert growing.n_vectors_average == 115
    assert growing.at_average().n_vectors == 115
    assert Workload(100, growth_vectors_per_month=3, horizon_months=2).at_average().n_vectors == 102


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"n_zones": 2}, "no more zones than replicas"),
        ({"embedding_model": "self"}, "--embedding-model is self, but embedding_vm is ''"),
        (
            {"generator": "self", "generator_vm": "g", "generator_tokens_per_second": 9, "cached_prompt_share": 1},
            "cached_prompt_share is 1 with generator = self",
        ),
        ({"generator": "self", "generator_vm": "g6.xlarge"}, "generator_tokens_per_second is None"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(fields, said):
    """Zones without replicas, a self-hosted model without a machine or a measured speed."""
    with pytest.raises(InputError, match=said):
        Workload(10, **fields)


def test_a_program_may_give_counts_as_text_and_decimals_as_floats():
    """10M is ten million, 2.5 is two and a half exactly, TOML's and Python's true is yes; a typo is named."""
    given = {"n_vectors": "10M", "peak_qps": 2.5, "keep_raw_vectors": True}
    assert read_values(given) == {"n_vectors": 10_000_000, "peak_qps": Decimal("2.5"), "keep_raw_vectors": "yes"}
    with pytest.raises(InputError, match=r"no field 'nvectors'.*Did you mean n_vectors\?"):
        read_values({"nvectors": 3})


def test_a_setting_without_a_value_says_how_to_give_one():
    """`--set k` is told the missing part, not another name."""
    with pytest.raises(InputError, match=r"--set 'k' gives no value\. Allowed: NAME=VALUE\. Write --set k=VALUE"):
        read_settings(["k"])


@given(st.text(max_size=12))
def test_any_text_is_a_number_or_refused(text):
    """No text ends in anything but a bounded number or a refusal."""
    number = read_number(text)
    assert number is None or (number.is_finite() and abs(number) < Decimal(10) ** 32)
