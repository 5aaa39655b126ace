"""Nested lines are read as YAML reads them."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from ragopt.bill.refresh.nested_lines import leaves
from tests.price_server import PAGES

names = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True)
values = st.decimals(min_value=0, max_value=10_000, places=6).map(str) | names
trees = st.recursive(values, lambda inner: st.dictionaries(names, inner, min_size=1, max_size=4), max_leaves=25)


def as_text(text):
    """Parse YAML with every scalar as text."""
    return yaml.load(text, yaml.BaseLoader)  # noqa: S506 - knows text, lists and mappings only


def flat(tree, path=()):
    """The oracle: every leaf of a parsed tree with its path."""
    if isinstance(tree, dict):
        return [leaf for name, inner in tree.items() for leaf in flat(inner, (*path, str(name)))]
    return [(path, tree)]


def test_the_recorded_page_reads_as_by_yaml():
    """Against PyYAML with every scalar as text; the licence's text block is passed over."""
    text = (PAGES / "gcosts_pricing.yml").read_text(encoding="utf-8")
    expected = [leaf for leaf in flat(as_text(text)) if leaf[0] != ("about", "copyright")]
    assert list(leaves(text)) == expected


@given(st.dictionaries(names, trees, min_size=1, max_size=4))
def test_any_nested_mapping_reads_as_by_yaml(tree):
    """What PyYAML writes in block style reads back, leaf by leaf, in order."""
    text = yaml.dump(tree, default_flow_style=False, sort_keys=False)
    assert list(leaves(text)) == flat(as_text(text))


def test_lists_and_comments_are_passed_over():
    """They hold no price; what follows them is read at its own depth."""
    text = "# prices: 1\nregion:\n  list:\n  - a: 1\n  - b\nvm:\n  hour: 2 \n"
    assert list(leaves(text)) == [(("vm", "hour"), "2")]
