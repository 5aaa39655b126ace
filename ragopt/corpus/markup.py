"""HTML and Markdown to plain text: tags gone, paragraphs and code lines kept."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bs4 import BeautifulSoup
    from bs4.element import PageElement

NOT_TEXT = ("script", "style", "template", "noscript", "svg", "head")

PARAGRAPH_TAGS = (
    "address", "article", "aside", "blockquote", "div", "dl", "fieldset", "figure", "footer", "form", "h1", "h2", "h3",
    "h4", "h5", "h6", "header", "hr", "main", "nav", "ol", "p", "pre", "section", "table", "ul",
)  # fmt: skip
"""Elements that a browser sets apart (HTML standard, section 15.3, rendering of flow content)."""

LINE_TAGS = ("br", "caption", "dd", "dt", "figcaption", "li", "option", "tr")

CELL_TAGS = ("td", "th")

# Characters of the private use area stand for breaks until the source's own white space has been folded.
PARAGRAPH, LINE, SPACE = "\ue000", "\ue001", "\ue002"
MARKS = dict.fromkeys(PARAGRAPH_TAGS, PARAGRAPH) | dict.fromkeys(LINE_TAGS, LINE) | dict.fromkeys(CELL_TAGS, " ")
PRIVATE = str.maketrans("", "", PARAGRAPH + LINE + SPACE)

FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
FRONT_TITLE = re.compile(r"^title:[ \t]*(.+?)[ \t]*$", re.MULTILINE)


def html_to_text(html: str) -> tuple[str, str]:
    """Strip an HTML page.

    Returns:
        (title, text). The title is `<title>`, else the first `<h1>`, which then leaves the text; empty when there is
        neither.
    """
    soup = _parse(html)
    title = _words(soup.title.get_text()) if soup.title else ""
    for element in soup.find_all(NOT_TEXT):
        element.decompose()
    if not title:
        title = _take_heading(soup, ("h1",))
    return title, _text_of(soup)


def markdown_to_text(markdown: str) -> tuple[str, str]:
    """Strip a Markdown file (CommonMark with tables); YAML front matter is dropped but for its `title:`.

    Returns:
        (title, text). The title is the front matter's, else the first heading, which then leaves the text.
    """
    from markdown_it import MarkdownIt  # noqa: PLC0415 - loaded when first used

    front = FRONT_MATTER.match(markdown)
    named = FRONT_TITLE.search(front[1]) if front else None
    title = named[1].strip("\"'") if named else ""
    body = markdown[front.end() :] if front else markdown
    soup = _parse(MarkdownIt("commonmark").enable("table").render(body))
    for element in soup.find_all(NOT_TEXT):
        element.decompose()
    if not title:
        title = _take_heading(soup, ("h1", "h2", "h3", "h4", "h5", "h6"))
    return title, _text_of(soup)


def _parse(html: str) -> BeautifulSoup:
    from bs4 import BeautifulSoup  # noqa: PLC0415 - loaded when first used

    with warnings.catch_warnings():
        # A page that is one address or one file name, or XHTML with an XML declaration, is text all the same.
        warnings.simplefilter("ignore", UserWarning)
        return BeautifulSoup(html.translate(PRIVATE), "html.parser")


def _take_heading(soup: BeautifulSoup, names: tuple[str, ...]) -> str:
    for heading in soup.find_all(names):
        title = _words(heading.get_text())
        if title:
            heading.decompose()
            return title
    return ""


def _text_of(soup: BeautifulSoup) -> str:
    paragraphs = []
    for paragraph in "".join(_pieces(soup)).split(PARAGRAPH):
        lines = [_words(line).replace(SPACE, " ").rstrip() for line in paragraph.split(LINE)]
        paragraphs.append("\n".join(line for line in lines if line))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _pieces(soup: BeautifulSoup) -> Iterator[str]:
    """Yield the page's strings with a mark at either end of every element that breaks the line."""
    from bs4.element import CData, NavigableString, Tag  # noqa: PLC0415 - loaded when first used

    # A stack of our own: pages nest deeper than Python's, and changing the tree takes time quadratic in the depth.
    pending: list[tuple[PageElement | str, bool]] = [(soup, False)]
    while pending:
        node, verbatim = pending.pop()
        if isinstance(node, Tag):
            mark = MARKS.get(node.name, "")
            inside = verbatim or node.name == "pre"
            pending.append((mark, False))
            pending.extend((child, inside) for child in reversed(node.contents))
            pending.append((mark, False))
        elif type(node) in (NavigableString, CData):  # not comments and declarations, which are strings too
            text = str(node)
            yield text.expandtabs().replace("\n", LINE).replace(" ", SPACE) if verbatim else text
        elif type(node) is str:
            yield node


def _words(text: str) -> str:
    return " ".join(text.split())
