"""A caller's condition, made safe to hand on: LanceDB reads one expression and ignores what stands behind it."""

from __future__ import annotations

import re
from itertools import accumulate

QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
"""Strings, and names in either kind of quotes; a quote inside is doubled: two quoted parts side by side (SQL of
DataFusion, lancedb 0.40)."""

STEPS = {"(": 1, ")": -1}


def whole(where: str) -> str:
    """Put a condition into parentheses, so that LanceDB reads all of it or refuses it.

    LanceDB 0.40 stops at the end of the first expression without a word: ``section = 'a' year >= 2008`` would be
    ``section = 'a'``, and ``1 = 1) AND tenant = 'acme'`` would let every tenant through.

    Raises:
        ValueError: it is empty, a parenthesis closes that none opened, one or a quote stays open, or it holds a
            comment, which could hide a parenthesis.

    >>> whole("year > 2000 OR title = ')'")
    "(year > 2000 OR title = ')')"
    """
    if not where.strip():
        raise ValueError("it is empty")
    bare = QUOTED.sub(" ", where)
    if set(bare) & set("'\"`"):
        raise ValueError("a quote stays open")
    if "--" in bare or "/*" in bare:
        raise ValueError("it holds a comment")
    depths = list(accumulate(STEPS.get(character, 0) for character in bare))
    if min(depths) < 0:
        raise ValueError("a parenthesis closes that none opened")
    if depths[-1]:
        raise ValueError("a parenthesis stays open")
    return f"({where})"
