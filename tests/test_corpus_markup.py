"""Markup to plain text: what stays, what goes, and nothing printed."""

import io
import logging

import pytest

from ragopt.corpus.markup import html_to_text, markdown_to_text
from ragopt.corpus.pdf import pdf_to_text
from ragopt.corpus.restructured import rst_to_text
from ragopt.errors import InputError


def test_html_keeps_paragraphs_and_drops_scripts():
    """Inline tags do not break a line, blocks do, scripts and styles leave nothing."""
    html = """<html><head><title> My
      page </title><style>p {}</style></head><body><h1>Head</h1><script>alert(1)</script>
      <p>One <b>bold</b>face
      word.</p><p>Two<br>lines</p><ul><li>a</li><li>b</li></ul><!-- no --></body></html>"""
    assert html_to_text(html) == ("My page", "Head\n\nOne boldface word.\n\nTwo\nlines\n\na\nb")


def test_html_without_a_title_takes_its_first_heading():
    """The heading becomes the title and is not said twice."""
    assert html_to_text("<h1>Head</h1><p>a &amp; b</p>") == ("Head", "a & b")


def test_preformatted_text_keeps_its_lines_and_indents():
    """Code stays readable."""
    assert html_to_text("<p>x</p><pre>if a:\n    b = 1\n</pre>") == ("", "x\n\nif a:\n    b = 1")


def test_table_cells_are_kept_apart():
    """Neighbouring cells do not grow into one word."""
    assert html_to_text("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>") == ("", "a b\nc")


def test_deeply_nested_html_is_read():
    """Ten thousand open elements do not exhaust the stack."""
    assert html_to_text("<div>" * 10_000 + "deep") == ("", "deep")


def test_markdown_title_is_its_first_heading():
    """Links, emphasis and code come out as their text; the heading leaves it."""
    markdown = "# The *title*\n\nSee [the page](http://x.y) and `code`.\n\n```\na\n b\n```\n\n- one\n- two\n"
    assert markdown_to_text(markdown) == ("The title", "See the page and code.\n\na\n b\n\none\ntwo")


def test_front_matter_is_dropped_but_for_its_title():
    """YAML at the top is not text."""
    assert markdown_to_text('---\ntitle: "Notes"\ntags: [a]\n---\n# Head\n\nbody\n') == ("Notes", "Head\n\nbody")


def test_rst_sections_literals_and_comments():
    """The lone top heading is the title; comments go; literal blocks keep their lines."""
    rst = "=====\nTitle\n=====\n\nSome *text*.\n\n.. a comment\n\nPart\n----\n\nCode::\n\n    x = 1\n    y = 2\n"
    assert rst_to_text(rst) == ("Title", "Some text.\n\nPart\n\nCode:\n\nx = 1\ny = 2")


def test_sphinx_directives_and_roles_are_read_as_their_text():
    """What only Sphinx knows is neither lost nor reported."""
    rst = (
        "Title\n=====\n\n.. function:: open(file)\n   :module: io\n\n   Opens a :class:`file <io.File>`.\n\n"
        ".. toctree::\n   :maxdepth: 2\n\n   other\n\n.. note:: See :ref:`here`.\n"
    )
    assert rst_to_text(rst) == ("Title", "open(file)\n\nOpens a file.\n\nSee here.")


def test_rst_reads_no_other_file_and_prints_nothing(tmp_path, capfd):
    """Includes and raw blocks are disabled, and broken markup is silent."""
    secret = tmp_path / "secret.txt"
    secret.write_text("hidden words", encoding="utf-8")
    rst = f"Broken *text\n\n.. include:: {secret}\n\n.. raw:: html\n\n   <b>no</b>\n\nTitle\n==\n\n|missing| end\n"
    _, text = rst_to_text(rst)
    assert "hidden" not in text
    assert "end" in text
    assert capfd.readouterr() == ("", "")


def test_rst_leaves_docutils_as_it_was():
    """Names learnt for one file are unknown to the next user of docutils."""
    from docutils.parsers.rst import directives, roles  # noqa: PLC0415 - loaded when first used

    before = dict(directives._directives), dict(roles._roles)
    rst_to_text(".. deprecated:: 3.2\n   gone\n\n:func:`x`\n")
    known = set(directives._directives) - set(before[0]), set(roles._roles) - set(before[1])
    assert "deprecated" not in known[0]
    assert "func" not in known[1]


def pdf_bytes(text, password=""):
    """Write a one-page PDF by hand: the text in one standard font."""
    pypdf = pytest.importorskip("pypdf")
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject  # noqa: PLC0415 - optional

    writer = pypdf.PdfWriter()
    page = writer.add_blank_page(300, 100)
    stream = DecodedStreamObject()
    stream.set_data(f"BT /F1 12 Tf 10 50 Td ({text}) Tj ET".encode())
    names = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    font = DictionaryObject({NameObject(key): NameObject(value) for key, value in names.items()})
    page[NameObject("/Contents")] = writer._add_object(stream)
    page[NameObject("/Resources")] = DictionaryObject(
        {NameObject("/Font"): DictionaryObject({NameObject("/F1"): writer._add_object(font)})}
    )
    writer.add_metadata({"/Title": "A title"})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def test_pdf_text_and_title(tmp_path):
    """The page's words and the metadata's title are read."""
    assert pdf_to_text(pdf_bytes("Hello page"), tmp_path / "a.pdf") == ("A title", "Hello page")


@pytest.mark.parametrize("data", [b"", b"no pdf at all", b"%PDF-1.4\n1 0 obj\n<<"])
def test_a_damaged_pdf_is_refused_by_name(tmp_path, data, capfd):
    """The error names the file; nothing else is printed, and pypdf's logger is left as it was."""
    pytest.importorskip("pypdf")
    level = logging.getLogger("pypdf").level
    with pytest.raises(InputError, match=r"Cannot read the PDF .*a\.pdf"):
        pdf_to_text(data, tmp_path / "a.pdf")
    assert logging.getLogger("pypdf").level == level
    assert capfd.readouterr() == ("", "")


def test_an_encrypted_pdf_is_refused(tmp_path):
    """A password is asked for in words."""
    with pytest.raises(InputError, match="without a password"):
        pdf_to_text(pdf_bytes("secret", "pw"), tmp_path / "a.pdf")
