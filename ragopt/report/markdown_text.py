r"""Text in GitHub's markdown that stays the text it is: no tag, link, mention, reference or emoji comes out of a name.

Prose is kept where every character of a word is plain; any other word becomes a code span. GitHub makes links,
mentions and emoji after it has rendered the page, from text outside code only (GitHub Docs, "Autolinked references
and URLs" and "Basic writing and formatting syntax", read 2026-11), so that a backslash before `@` would not hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ragopt.report.words import shown

PLAIN = re.compile(r"(?:[A-Za-z0-9.,;'\"!?()\[\]%/+=-]|[^\x00-\x7f])*")
LINKED = re.compile(r"(?i)\bwww\.|\bgh-\d|\b[0-9a-f]{7,40}\b")
"""Plain words that GitHub links all the same: addresses, issues, commits."""

MARKER = re.compile(r"[-+=].*|\d{1,9}[.)]")
"""What starts a list or underlines a heading where it begins a line (CommonMark 0.31, 4.3 and 5.2)."""

UNIT = re.compile(
    r"(?<!\S)(?P<before>[(\"']*)(?:`(?P<code>[^`]+)`(?P<after>[.,;:'\"!?)]*)(?!\S)"
    r"|(?P<trial>\S+@\d+:(?:none|trunc|pca|joint) \| \S+(?: \| \S+)?))"
)
"""Words that belong into one span: what a sentence of ragopt sets as code itself, and a printed trial."""

END_OF_INTERVAL = re.compile(r"\[-?[\d.,]+,|-?[\d.,]+\][,;]?")
"""`[0.95,` and `0.97]`: brackets that make no link, and that read better without a backslash."""

ENDS = ".,;:'\"!?"
LONG = 100_000
"""Characters of lines to copy, which must not be cut."""


def code(text: str, *, in_table: bool = False, limit: int | None = None) -> str:
    r"""A code span that shows a text as it is; control characters are spelt out.

    >>> code("a`b"), code("a | b", in_table=True)
    ('``a`b``', '`a \\| b`')
    """
    told = shown(text) if limit is None else shown(text, limit)
    if not told.strip(" "):
        return "(empty)"
    if in_table and "\\|" in told:
        # A backslash before the bar would be read as part of the escape: only entities say both.
        return f"<code>{''.join(one if one.isalnum() else f'&#{ord(one)};' for one in told)}</code>"
    longest = max((len(run) for run in re.findall("`+", told)), default=0)
    # One space at both ends is taken off again, so that a backtick or a space of the text's own can stand there.
    pad = " " * (told[0] in "` " or told[-1] in "` ")
    fence = "`" * (longest + 1)
    span = f"{fence}{pad}{told}{pad}{fence}"
    return span.replace("|", "\\|") if in_table else span


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of prose with the punctuation around it."""

    before: str
    core: str
    after: str
    is_code: bool


def prose(text: str, *, in_table: bool = False, limit: int | None = None) -> str:
    """A sentence, its plain words as they are and the others as code spans.

    >>> prose("Ask @jane (or a_b) for 3 GB.")
    'Ask `@jane` (or `a_b`) for 3 GB.'
    """
    told = (shown(text) if limit is None else shown(text, limit)).strip(" ")
    words: list[_Word] = []
    end = 0
    for unit in UNIT.finditer(told):
        words += [_word(word) for word in told[end : unit.start()].split(" ") if word]
        core, after = (unit["code"], unit["after"]) if unit["code"] else _split_end(unit["trial"])
        words.append(_Word(unit["before"], core, after, is_code=True))
        end = unit.end()
    words += [_word(word) for word in told[end:].split(" ") if word]
    if words and not in_table and MARKER.fullmatch(words[0].before + words[0].core + words[0].after):
        first = words[0]
        words[0] = _Word("", first.before + first.core + first.after, "", is_code=True)
    return " ".join(_written(word, in_table=in_table) for word in _joined(words))


def _word(word: str) -> _Word:
    core = word.lstrip("(\"'")
    before = word[: len(word) - len(core)]
    core, after = _split_end(core)
    plain = PLAIN.fullmatch(core) is not None and LINKED.search(core) is None
    return _Word(before, core, after, is_code=bool(core) and not plain)


def _split_end(text: str) -> tuple[str, str]:
    """Part a word from the punctuation after it, and from brackets that it did not open."""
    end = len(text)
    while end and (text[end - 1] in ENDS or _closes_more(text[:end])):
        end -= 1
    return text[:end], text[end:]


def _closes_more(text: str) -> bool:
    """Whether the text ends in a bracket that it did not open."""
    return text.endswith(")") and text.count(")") > text.count("(")


def _joined(words: list[_Word]) -> list[_Word]:
    """Put neighbouring code words into one span."""
    found: list[_Word] = []
    for word in words:
        last = found[-1] if found else None
        if last is not None and last.is_code and word.is_code and not last.after and not word.before:
            found[-1] = replace(last, core=f"{last.core} {word.core}", after=word.after)
        else:
            found.append(word)
    return found


def _written(word: _Word, *, in_table: bool) -> str:
    if word.is_code:
        return f"{word.before}{code(word.core, in_table=in_table, limit=LONG)}{word.after}"
    plain = f"{word.before}{word.core}{word.after}"
    return plain if END_OF_INTERVAL.fullmatch(plain) else re.sub(r"([\[\]])", r"\\\1", plain)


def fenced(text: str, language: str) -> str:
    """A block of lines to copy, in a fence that is longer than any run of backticks in it."""
    lines = "\n".join(shown(line, LONG) for line in text.splitlines())
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", lines)), default=0))
    return f"{fence}{language}\n{lines}\n{fence}"
