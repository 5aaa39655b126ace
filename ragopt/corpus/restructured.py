"""reStructuredText to plain text by docutils, with Sphinx's directives and roles read as the text in them."""

from __future__ import annotations

import contextlib
import re
from collections import UserDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from docutils import nodes

DIRECTIVE_NAME = re.compile(r"^[ \t]*\.\.[ \t]+([\w.:+-]+?)::", re.MULTILINE)
ROLE_NAME = re.compile(r":([\w.:+-]+?):`")

WITHOUT_TEXT = ("toctree", "index", "literalinclude", "currentmodule", "module", "highlight", "contents")
"""Sphinx directives whose content names files or entries rather than saying anything."""

ROLE_TARGET = re.compile(r"(?s)^(.*?)\s*<[^<>]*>$")

SETTINGS = {
    # An include could read any file that the user can read; raw nodes hold other formats.
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "report_level": 5,
    "halt_level": 5,
    "warning_stream": False,
    "input_encoding": "unicode",
    "_disable_config": True,
    "smart_quotes": False,
    "syntax_highlight": "none",
}
"""docutils.sourceforge.io/docs/user/config.html, read 2026-11."""


def rst_to_text(source: str) -> tuple[str, str]:
    """Strip a reStructuredText file; nothing is included from other files and nothing is printed.

    Returns:
        (title, text); the title is the document's lone top heading, else its first heading, and leaves the text.
    """
    from docutils import core, nodes  # noqa: PLC0415 - loaded when first used

    with _sphinx_names(source):
        tree = core.publish_doctree(source, settings_overrides=dict(SETTINGS))
    heading = next(iter(tree.findall(nodes.title)), None)
    blocks = [_words(node) for node in _blocks(tree) if node is not heading]
    return _words(heading) if heading is not None else "", "\n\n".join(block for block in blocks if block)


def _blocks(tree: nodes.document) -> Iterator[nodes.TextElement]:
    """Yield the outermost elements that hold text, in reading order."""
    from docutils import nodes  # noqa: PLC0415 - loaded when first used

    skipped = (nodes.Invisible, nodes.system_message, nodes.raw, nodes.docinfo)
    pending: list[nodes.Node] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, skipped):
            continue
        if isinstance(node, nodes.TextElement):
            yield node
        else:
            pending.extend(reversed(node.children))


def _words(node: nodes.Node) -> str:
    from docutils import nodes  # noqa: PLC0415 - loaded when first used

    text = cast("str", node.astext())
    return text.rstrip() if isinstance(node, nodes.FixedTextElement) else " ".join(text.split())


class _AnyOption(UserDict[str, Callable[[str], str]]):
    """Accepts every option of a directive that docutils does not know."""

    def __missing__(self, key: str) -> Callable[[str], str]:
        return str

    def __bool__(self) -> bool:
        return True


@contextlib.contextmanager
def _sphinx_names(source: str) -> Iterator[None]:
    """Teach docutils, for one file, the directives and roles in it that only Sphinx knows.

    docutils would drop an unknown directive with everything in it; for `.. function::` that is the documentation
    itself. Its registries are global, so what was added is taken out again.
    """
    from docutils.parsers.rst import directives, roles  # noqa: PLC0415 - loaded when first used
    from docutils.parsers.rst.languages import en  # noqa: PLC0415 - loaded when first used

    known_directives, known_roles = directives._directives, roles._roles  # noqa: SLF001 - no public way to unregister
    new_directives = set(DIRECTIVE_NAME.findall(source)) - set(en.directives) - set(known_directives)
    new_roles = set(ROLE_NAME.findall(source)) - set(en.roles) - set(known_roles)
    for name in new_directives:
        directives.register_directive(name.lower(), _passthrough())
    for name in new_roles:
        roles.register_local_role(name.lower(), _role_text)
    try:
        yield
    finally:
        for name in new_directives:
            known_directives.pop(name.lower(), None)
        for name in new_roles:
            known_roles.pop(name.lower(), None)


def _passthrough() -> type:
    from docutils import nodes  # noqa: PLC0415 - loaded when first used
    from docutils.parsers.rst import Directive  # noqa: PLC0415 - loaded when first used

    class Passthrough(Directive):  # type: ignore[misc]  # docutils ships without types
        """Gives its argument as a paragraph and its content parsed."""

        has_content = True
        optional_arguments = 1
        final_argument_whitespace = True
        option_spec = _AnyOption()

        def run(self) -> list[nodes.Node]:
            if self.name in WITHOUT_TEXT:
                return []
            container = nodes.Element()
            self.state.nested_parse(self.content, self.content_offset, container)
            argument = " ".join(self.arguments)
            return [*([nodes.paragraph(argument, argument)] if argument else []), *container.children]

    return Passthrough


def _role_text(  # noqa: PLR0913, PLR0917 - docutils calls it with these
    name: str,  # noqa: ARG001 - as above
    rawtext: str,
    text: str,
    lineno: int,  # noqa: ARG001 - as above
    inliner: Any,  # noqa: ARG001 - as above
    options: Any = None,  # noqa: ARG001 - as above
    content: Any = None,  # noqa: ARG001 - as above
) -> tuple[list[nodes.Node], list[nodes.Node]]:
    """Read an unknown role as its text: ``:ref:`the page <target>``` says `the page`."""
    from docutils import nodes  # noqa: PLC0415 - loaded when first used

    shown = ROLE_TARGET.sub(r"\1", text) or text
    return [nodes.inline(rawtext, shown)], []
