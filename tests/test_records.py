import dataclasses
from decimal import Decimal
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragopt.errors import SpecError
from ragopt.records import Bill, Quality, Reduction, Space, Trial
from tests.helpers import a_result

MODELS = st.from_regex(r'[A-Za-z0-9][A-Za-z0-9@:/.|<" _-]{0,30}', fullmatch=True)
SPACES = st.builds(Space, MODELS, st.integers(1, 10**6), st.sampled_from(get_args(Reduction)))
FACTORIES = st.sampled_from(["Flat", "IVF1024,PQ64x4fs,Refine(SQ8)", "PCAR128,PQ16np,Refine(SQfp16)", "RaBitQ4"])
SEARCHES = st.sampled_from(["", "nprobe=16", "nprobe=16,k_factor_rf=10"])


@given(SPACES)
def test_a_space_prints_what_it_parses(space):
    """Reading a printed space gives it back, whatever the model is called."""
    assert Space.parse(str(space)) == space


@given(st.builds(Trial, SPACES, FACTORIES, SEARCHES))
def test_a_trial_prints_what_it_parses(trial):
    """Reading a printed trial gives it back, with or without search parameters."""
    assert Trial.parse(str(trial)) == trial


def test_printed_forms():
    """Spaces and trials have one printed form; model names may hold an @ or a folder."""
    assert str(Space("openai:text@3", 64, "trunc")) == "openai:text@3@64:trunc"
    space = Space("models/mini", 384, "none")
    assert str(Trial(space, "SQ8")) == "models/mini@384:none | SQ8"
    assert str(Trial(space, "SQ8", "nprobe=4")) == "models/mini@384:none | SQ8 | nprobe=4"


@pytest.mark.parametrize(
    "text",
    ["", "wordllama", "wordllama@64", "wordllama@64:", "wordllama@:pca", "@64:pca", "m@0:pca", "m@-1:pca", "m@6.5:pca",
     "m@64:opq", "m@64:pca:none"],
)  # fmt: skip
def test_other_texts_are_no_space(text):
    """Anything else is refused with the form that would have been read."""
    with pytest.raises(SpecError, match=r"Cannot read the space.*model@dim:reduction.*wordllama@64:trunc"):
        Space.parse(text)


@pytest.mark.parametrize("text", ["m@8:none", "m@8:none |", "m@8:none | SQ8 |", "m@8:none | SQ8 | a | b", " | SQ8"])
def test_other_texts_are_no_trial(text):
    """Missing, empty and additional parts are refused with the form that would have been read."""
    with pytest.raises(SpecError, match=r"Cannot read the trial.*space \| factory"):
        Trial.parse(text)


def test_records_are_frozen():
    """What was measured cannot be changed afterwards."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Quality(0.9, 0.8, 1.0, 100).value = 1.0  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        Bill("x", Decimal(1), Decimal(1), Decimal(1), ()).low = Decimal(0)  # type: ignore[misc]


def test_results_compare_without_their_arrays():
    """Two results with equal figures are equal: arrays of scores have no truth value and are left out."""
    one, other = (a_result("SQ8", ndcg=np.array([0.5, 0.5])) for _ in range(2))
    assert one == other
    assert "array(" not in repr(one)
