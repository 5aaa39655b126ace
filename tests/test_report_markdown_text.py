from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ragopt.report.markdown_text import code, fenced, prose
from ragopt.report.words import shown
from tests.rendered_markdown import Rendered

TEXTS = st.text(
    st.one_of(st.sampled_from("`|\\*_~[]()<>&@#:$!-+=.'\" \n\t\x1b\u202eaB1/"), st.characters()), max_size=40
)
PINGS = re.compile(r"@\w|#\d|GH-\d|https?:|ftp:|www\.|\b[0-9a-f]{7,40}\b|:[a-z0-9_+-]+:|\$.*\$|\w@\w", re.IGNORECASE)
"""What GitHub turns into a link, a mention, an emoji or a formula where it stands outside code."""


def spaced(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


@given(TEXTS)
@example("`")
@example("a\\|b")
@example(" `a ")
@example("``|\\")
def test_a_code_span_shows_the_text_letter_by_letter(text):
    """In a paragraph and in a table cell a name reads back as it is shown, whatever it holds; nothing else appears."""
    told = shown(text)
    page = Rendered(f"x {code(text)} y\n\n| a | b |\n|---|---|\n| {code(text, in_table=True)} | end |\n")
    assert {tag for tag, _ in page.tags} <= {"p", "code", "table", "thead", "tbody", "tr", "th", "td"}
    assert page.tables[0][1][1] == "end"
    if told.strip(" "):
        assert page.code == [told, told]
        assert page.tables[0][1][0] == told
    else:
        assert page.tables[0][1][0] == "(empty)"


@given(TEXTS)
@example("see [a](http://x) and ![b](c)")
@example("1. one")
@example("--- x")
@example("**b** _i_ ~~s~~ <b>x</b> &amp; :tada: $x$")
@example("@jane #12 GH-3 a@b.example www.a.example http://a.example 0123abcd")
@example("`ragopt prices refresh` renews")
def test_prose_keeps_its_words_and_makes_nothing_else(text):
    """A sentence reads back word by word as a list point and as a cell, with code spans as the only tags."""
    told = spaced(shown(text))
    page = Rendered(f"- {prose(text)}\n\n| a | b |\n|---|---|\n| {prose(text, in_table=True)} | end |\n")
    assert {tag for tag, _ in page.tags} <= {
        "ul", "li", "code", "table", "thead", "tbody", "tr", "th", "td",
    }  # fmt: skip
    assert page.tables[0][1][1] == "end"
    assert PINGS.search(page.prose) is None
    for found in (page.points[0], page.tables[0][1][0]):
        # A pair of backticks in a sentence marks code there too, and goes with the marking.
        assert re.sub(r"[`\s]", "", found.replace("(empty)", "")) == re.sub(r"[`\s]", "", told.replace("(empty)", ""))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("It costs USD 3.50 (50 %) less.", "It costs USD 3.50 (50 %) less."),
        ("ndcg@10 is 0.5 [0.4, 0.6], n = 300", "`ndcg@10` is 0.5 [0.4, 0.6], n = 300"),
        ("m@8:none | PQ4,Refine(SQ8) | nprobe=4 won.", "`m@8:none | PQ4,Refine(SQ8) | nprobe=4` won."),
        ("m@8:none | SQ8, again", "`m@8:none | SQ8`, again"),
        ("Run: `ragopt sweep`.", "Run: `ragopt sweep`."),
        ("(see a_b, or f(x))", "(see `a_b`, or f(x))"),
        ("@a @b", "`@a @b`"),
        ("- 5", "`-` 5"),
        ("2. two", "`2.` two"),
        ("[note] x", "\\[note\\] x"),
    ],
)
def test_prose_is_readable_before_it_is_rendered(text, written):
    """Plain words stay plain, neighbouring names share a span, brackets and punctuation stay outside of it."""
    assert prose(text) == written


def test_a_bar_in_a_cell_is_escaped_inside_code_too():
    """GitHub splits cells before it reads code, so that a bar is escaped there as well."""
    assert code("a | b", in_table=True) == "`a \\| b`"
    assert code("a\\|b", in_table=True) == "<code>a&#92;&#124;b</code>"


def test_a_fence_is_longer_than_any_in_the_text():
    """Lines to copy end where they end, whatever fence they hold; control characters are spelt out."""
    page = Rendered(fenced("a ```` b\x1b\n~~~\n```", "sh"))
    assert page.code == ["a ```` b\\x1b\n~~~\n```\n"]
