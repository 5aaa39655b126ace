"""A condition is read whole or refused: nothing behind its first part is dropped, no caller's parenthesis leaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ragopt
from ragopt.errors import InputError
from ragopt.serve.conditions import whole
from tests.served import swept


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The same documents served by FAISS and by LanceDB."""
    top = tmp_path_factory.mktemp("conditions")
    run = swept(top, ["Flat"], n=300, confirm_queries=100)
    ragopt.build(run, out=top / "faiss", cache_dir=top / "cache")
    ragopt.build(run, out=top / "lancedb", target="lancedb", lance_index="IVF_FLAT", min_recall=0.3,
                 cache_dir=top / "cache")  # fmt: skip
    return {name: ragopt.open(top / name) for name in ("faiss", "lancedb")}


@pytest.mark.parametrize("engine", ["faiss", "lancedb"])
@pytest.mark.parametrize("where", [
    "section = 'billing' year >= 2010",
    "section = 'billing', year >= 2010",
    "section = 'billing' ORDER BY year",
    "section = 'billing' LIMIT 1",
    "1 = 1; DROP TABLE chunks",
    "1 = 1) AND year >= 2010",
    "(1 = 1)) AND (section = 'billing')",
    "((1 = 1)",
    "section = 'billing",
    "",
    " ",
    "year >= 2010 /* and",
    "year >= 2010 -- since the move",
    "1 = 1 /* ( */ ) year",
])  # fmt: skip
def test_what_is_not_one_condition_is_refused(folders, engine, where):
    """LanceDB would take the first expression of these and drop the rest; every one is an InputError instead."""
    with pytest.raises(InputError, match="cannot be used"):
        folders[engine].search("bator celin", k=3, where=where)


@pytest.mark.parametrize("engine", ["faiss", "lancedb"])
def test_parentheses_inside_quotes_are_no_matter(folders, engine):
    """What stands in a string, doubled quotes included, is left as it is."""
    index = folders[engine]
    everything = [hit.id for hit in index.search("bator", k=300)]
    assert [hit.id for hit in index.search("bator", k=300, where="title <> 'a '' ) -- ('")] == everything
    nested = [hit.id for hit in index.search("bator", k=300, where="((year >= 2010) AND (NOT (draft)))")]
    assert nested == [hit.id for hit in index.search("bator", k=300, where="year >= 2010 AND NOT draft")]


@given(st.text(alphabet="()'\"`a= \n-", max_size=30))
def test_parentheses_outside_quotes_are_balanced_or_refused(where):
    """Whatever is let through opens and closes as often, never below zero: the outer pair is the caller's own cage."""
    try:
        caged = whole(where)
    except ValueError:
        return
    depth, quote = 0, ""
    for place, character in enumerate(caged):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        else:
            depth += {"(": 1, ")": -1}.get(character, 0)
            assert depth > 0 or place == len(caged) - 1
    assert depth == 0
    assert not quote


def test_a_condition_is_read_once_for_a_version(folders, monkeypatch):
    """The same condition again reads no table; after a change it is read anew."""
    index = folders["faiss"]
    reads = []
    real = ragopt.serve.filters.lines_where
    monkeypatch.setattr("ragopt.serve.filters.lines_where", lambda *given: reads.append(1) or real(*given))
    first = [hit.id for hit in index.search("dimas fover", k=5, where="year = 2012")]
    assert [hit.id for hit in index.search("dimas fover", k=5, where="year = 2012")] == first
    assert len(reads) == 1
    index.add([ragopt.Document("late", "", "dimas fover dimas fover", {"year": 2012})])
    assert "late" in [hit.id for hit in index.search("dimas fover", k=5, where="year = 2012")]
    assert len(reads) == 2
    index.delete(["late"])
    assert "late" not in [hit.id for hit in index.search("dimas fover", k=5, where="year = 2012")]


def test_known_filters_forget_the_oldest(monkeypatch):
    """Two masks of 100 bytes fit into 250 bytes, the third pushes the first out; what is kept cannot be changed."""
    import numpy as np  # noqa: PLC0415 - beside its use

    from ragopt.serve.filters import KnownFilters  # noqa: PLC0415 - beside its use

    monkeypatch.setattr("ragopt.serve.filters.KEPT_BYTES", 250)
    known = KnownFilters()
    for where in ("a", "b", "c"):
        known.keep(where, (np.ones(100, bool), np.empty(0, np.uint64)))
    assert known.get("a") is None
    assert known.get("b") is not None
    with pytest.raises(ValueError, match="read-only"):
        known.get("c")[0][0] = False
