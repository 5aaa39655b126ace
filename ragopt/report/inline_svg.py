"""A drawn chart as a part of a page."""

from __future__ import annotations

import re

from markupsafe import Markup

TAG = "trial-"
"""Start of the text that `frontier_chart(tags=...)` gives a mark: its trial's row follows."""


def inline_svg(svg: str, name: str) -> Markup:
    """Fit a rendered SVG into a page: no declared size, ids of its own, short numbers, no role, trials as `data-t`.

    Args:
        svg: what vl-convert rendered, which escapes its text.
        name: prefix that keeps ids apart from other charts on the page.
    """
    head, mark, body = svg.partition(">")
    box = re.search(r'viewBox="[-0-9. ]+"', head)
    width = re.search(r'width="([0-9.]+)"', head)
    if box is None or width is None:
        raise ValueError("vl-convert rendered an SVG without a viewBox")
    # Only tags are rewritten: text between them may hold names that look like attributes.
    parts = re.split(r"(<[^>]*>)", body)
    for position in range(1, len(parts), 2):
        tag = re.sub(rf'aria-label="{TAG}([0-9]+)"', r'data-t="\g<1>"', parts[position])
        tag = re.sub(r' (?:aria-[a-z]+|role|pointer-events)="[^"]*"', "", tag)
        tag = re.sub(r'(id="|url\(#)', rf"\g<1>{name}-", tag)
        parts[position] = re.sub(r"(\d+\.\d{2})\d+", r"\1", tag)
    start = f'<svg {box[0]} style="max-width:{float(width[1]):.0f}px" aria-hidden="true" focusable="false"{mark}'
    return Markup(start + "".join(parts))  # noqa: S704 - rendered from escaped text by vl-convert
