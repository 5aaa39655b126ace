"""Markdown as GitHub renders it, taken apart: tables as rows of text, every tag, and the text outside code."""

from __future__ import annotations

from html.parser import HTMLParser

from markdown_it import MarkdownIt


class Rendered(HTMLParser):
    """What a page of markdown holds.

    Attributes:
        tables: rows of cells of text, the head first.
        tags: every tag with its attributes.
        prose: text outside code, where GitHub looks for mentions, references, addresses and emoji.
        code: the text of every code span and block.
        points: the text of every list point.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.tags: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.prose = ""
        self.code: list[str] = []
        self.points: list[str] = []
        self._open: list[str] = []
        # "commonmark" reads raw HTML, as GitHub does: what was not escaped shows up as a tag.
        self.feed(MarkdownIt("commonmark").enable("table").render(text))
        self.close()

    def handle_starttag(self, tag, attributes):
        """Keep a tag, and open the cell, point or code that it begins."""
        self.tags.append((tag, tuple(attributes)))
        if tag in ("img", "br"):
            return
        self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "li":
            self.points.append("")
        elif tag == "code":
            self.code.append("")

    def handle_endtag(self, tag):
        """Close the tag that was opened last."""
        if tag in ("img", "br"):
            return
        assert self._open.pop() == tag

    def handle_data(self, data):
        """Keep text where it stands."""
        if "code" in self._open:
            self.code[-1] += data
        else:
            self.prose += data
        if self._open and {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += data
        elif "li" in self._open:
            self.points[-1] += data
