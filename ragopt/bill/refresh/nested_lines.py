"""Reading a long machine-written file of nested `name: value` lines, one leaf at a time.

This is the part of YAML (https://yaml.org/spec/1.2.2) that such files use: mappings in block style with plain scalars.
Text blocks and lists are passed over; figures stay text, so that no binary float comes between.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE = re.compile(r"(?P<indent> *)(?P<name>[^\s:#'\"\-\[\]{}][^:]*|'[^']*'|\"[^\"]*\"):(?: +(?P<value>.*))?")


def leaves(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    r"""Yield the path and the text of each value, in the file's order.

    >>> list(leaves("a:\n  b: 1\n  c:\n    d: 0.50\ne: x"))
    [(('a', 'b'), '1'), (('a', 'c', 'd'), '0.50'), (('e',), 'x')]
    """
    open_names: list[tuple[int, str]] = []
    block_indent: int | None = None
    for line in text.splitlines():
        if block_indent is not None and (not line.strip() or len(line) - len(line.lstrip(" ")) > block_indent):
            continue
        block_indent = None
        found = LINE.fullmatch(line.rstrip())
        if found is None:
            continue
        indent, value = len(found["indent"]), (found["value"] or "").strip()
        while open_names and open_names[-1][0] >= indent:
            open_names.pop()
        open_names.append((indent, found["name"].strip("'\"")))
        if value.startswith(("|", ">")):
            block_indent = indent
        elif value:
            yield tuple(name for _, name in open_names), value.strip("'\"")
