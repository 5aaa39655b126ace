"""The embedded default corpus: the documentation in the running Python, read at run time and never imported."""

from __future__ import annotations

import ast
import builtins
import functools
import hashlib
import inspect
import itertools
import os
import re
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path, PurePath

from ragopt.corpus.records import Document
from ragopt.corpus.text_files import drop_surrogates
from ragopt.errors import InputError

PYTHON_DOCS = "python-docs"

MIN_WORDS = 30
"""A shorter docstring says too little to be found by anything but its own words."""

MAX_DOCUMENTS = 3_000
"""Some thousands of chunks: keeps the default sweep at minutes on two cores. A whole installation has about 8,000."""

SKIPPED_FOLDERS = frozenset({
    "test", "tests", "testing", "_testing", "site-packages", "dist-packages", "_vendor", "vendor", "vendored",
    "_vendored", "externals", "examples", "benchmarks", "distutils", "idlelib", "lib2to3", "turtledemo", "ensurepip",
    "pydoc_data", "__pycache__", "..",
})  # fmt: skip
"""Tests, copies of other packages, demonstrations and what the language has dropped: nobody searches them."""

DEPENDENCIES = (
    "altair", "beautifulsoup4", "click", "docutils", "genai-prices", "httpx", "jinja2", "lancedb", "markdown-it-py",
    "numpy", "platformdirs", "pyarrow", "pytrec-eval-terrier",
    "rich", "scipy", "semantic-text-splitter", "tokenizers", "vl-convert-python",
    "wordllama",
)  # fmt: skip
"""The base dependencies of pyproject.toml, for a source tree that is not installed."""

REQUIREMENT_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")

UNDERLINE = re.compile(r"^[*=\-~^]{3,}$\n?", re.MULTILINE)

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@functools.lru_cache(maxsize=1)
def read_python_docs() -> tuple[Document, ...]:
    """Collect the topics of `help()`, the built-ins' documentation, and docstrings of installed Python source.

    The source is the standard library's and that of ragopt's dependencies; it is parsed, never imported. Private
    names, tests and docstrings under `MIN_WORDS` words are left out. Modules are visited in the order of the hash of
    their name until `MAX_DOCUMENTS` are found, so that one installation always gives the same corpus. Titles are empty:
    a name such as `json.decoder.JSONDecoder` would give its docstring away.

    Returns:
        Documents sorted by id.

    Raises:
        InputError: this Python has no `pydoc_data`, as some stripped system packages.
    """
    texts: dict[str, str] = {}
    for document_id, text in itertools.chain(_topics(), _builtins(), _docstrings()):
        if len(text.split()) >= MIN_WORDS:
            texts.setdefault(document_id, text)
            if len(texts) == MAX_DOCUMENTS:
                break
    return tuple(Document(name, "", texts[name]) for name in sorted(texts))


def _topics() -> Iterator[tuple[str, str]]:
    try:
        from pydoc_data.topics import topics  # noqa: PLC0415 - loaded when first used
    except ModuleNotFoundError as error:
        raise InputError(
            "This Python has no pydoc_data, which holds its documentation",
            next_step="Use a complete Python (on Debian: apt install libpython3-stdlib), or name a folder of your own",
        ) from error
    for name, text in sorted(topics.items()):
        yield f"topics.{name}", UNDERLINE.sub("", text).strip()


def _builtins() -> Iterator[tuple[str, str]]:
    for name, value in sorted(vars(builtins).items()):
        if name.startswith("_") or not callable(value):
            continue
        yield f"builtins.{name}", inspect.getdoc(value) or ""
        if isinstance(value, type):
            for member, attribute in sorted(vars(value).items()):
                doc = getattr(attribute, "__doc__", None)
                if not member.startswith("_") and isinstance(doc, str):
                    yield f"builtins.{name}.{member}", inspect.cleandoc(doc)


def _dependencies() -> list[str]:
    try:
        requires = metadata.requires("ragopt")
    except metadata.PackageNotFoundError:
        return list(DEPENDENCIES)
    # Extras are left out: the default corpus must not change with what else is installed.
    base = [line for line in requires or [] if "extra ==" not in line]
    return sorted(match[0] for line in base if (match := REQUIREMENT_NAME.match(line)))


def _docstrings() -> Iterator[tuple[str, str]]:
    modules = dict(_standard_library())
    for name in _dependencies():
        modules.update(_modules_of(name))
    for module in sorted(modules, key=lambda name: hashlib.sha256(name.encode()).digest()):
        yield from _docs_of_source(module, modules[module].read_bytes())


def _standard_library() -> Iterator[tuple[str, Path]]:
    root = Path(sysconfig.get_path("stdlib"))
    for place, folders, names in os.walk(root):
        # Pruned while walking: site-packages may hold a hundred times as many files.
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
        for name in names:
            path = Path(place, name)
            # _pydecimal, _pyio and _pydatetime repeat what decimal, io and datetime say.
            if path.suffix == ".py" and not name.startswith("_py"):
                yield _module_name(path.relative_to(root)), path


def _modules_of(distribution_name: str) -> Iterator[tuple[str, Path]]:
    try:
        distribution = metadata.distribution(distribution_name)
    except metadata.PackageNotFoundError:
        return
    for file in distribution.files or []:
        path = Path(str(distribution.locate_file(file)))
        if file.suffix == ".py" and SKIPPED_FOLDERS.isdisjoint(file.parts) and path.is_file():
            yield _module_name(file), path


def _module_name(path: PurePath) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _docs_of_source(module: str, source: bytes) -> Iterator[tuple[str, str]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in other people's source
            tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return  # a template or a file for another Python: no documentation of this one
    yield module, drop_surrogates(ast.get_docstring(tree) or "")
    for name, node in _definitions(tree.body):
        yield f"{module}.{name}", drop_surrogates(ast.get_docstring(node) or "")


def _definitions(body: Iterable[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Yield public classes, functions and methods with their dotted names, also those under `if` and `try`."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from _definitions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.If | ast.Try):
            yield from _definitions([*node.body, *node.orelse], prefix)
