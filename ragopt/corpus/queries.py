"""Queries and their judgements, from the files of a BEIR folder or from those that the user names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragopt.corpus.documents import is_beir_folder
from ragopt.corpus.qrels import read_qrels
from ragopt.corpus.tables import ID_NAMES, open_parquet, read_rows
from ragopt.corpus.text_files import clean, read_json_lines, read_lines
from ragopt.errors import InputError

BEIR_QUERIES = "queries.jsonl"

SPLITS = ("test", "dev", "train")
"""BEIR's splits, in the order of preference: published figures are those of `test`."""

SHOWN = 3
"""Unknown ids that an error names."""


@dataclass(frozen=True, slots=True)
class Queries:
    """The queries that everything is measured on.

    Attributes:
        ids: unique.
        texts: one per id.
        qrels: query id to document id to score; None when there are no judgements.
        synthetic: True when they were made from the corpus.
        source: where they come from, in words for the report.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    qrels: Mapping[str, Mapping[str, int]] | None
    synthetic: bool
    source: str


def read_queries(queries: str | None, qrels: str | None, *, corpus_source: str) -> Queries | None:
    """Read the queries that the user names, else those that the corpus brings.

    A BEIR folder's own queries are restricted to those judged in its `qrels/test.tsv` (else dev, else train), or in
    `qrels` when that is given.

    Args:
        queries: `.jsonl` in BEIR form (`_id`, `text`), `.parquet` with the same columns, or `.txt` with one query per
            line, whose ids are the line numbers; None to use the corpus's own.
        qrels: BEIR `.tsv` or TREC qrels; None to use the corpus's own, if its own queries are used.
        corpus_source: what `read_documents` was given.

    Returns:
        None when no queries are named and the corpus brings none.

    Raises:
        InputError: a file that is missing or malformed; judgements without queries; no query judged.
    """
    if queries is not None:
        path = _existing(queries, "--queries")
        found = _read_file(path)
        judged = read_qrels(_existing(qrels, "--qrels")) if qrels is not None else None
        return Queries(tuple(found), tuple(found.values()), judged, synthetic=False, source=_named(path, qrels))
    folder = Path(corpus_source)
    if is_beir_folder(folder) and (folder / BEIR_QUERIES).is_file():
        return _read_beir(folder, qrels)
    if qrels is not None:
        raise InputError(
            f"--qrels {qrels} judges queries, but {corpus_source} brings none", next_step="Name them with --queries"
        )
    return None


def _named(path: Path, qrels: str | None) -> str:
    return f"{path.name} with {Path(qrels).name}" if qrels else path.name


def _read_beir(folder: Path, qrels: str | None) -> Queries:
    found = _read_file(folder / BEIR_QUERIES)
    path = _existing(qrels, "--qrels") if qrels is not None else _own_qrels(folder)
    if path is None:
        return Queries(tuple(found), tuple(found.values()), None, synthetic=False, source=BEIR_QUERIES)
    judged = read_qrels(path)
    kept = {name: text for name, text in found.items() if name in judged}
    if not kept:
        raise InputError(
            f"None of the {len(found):,} queries in {folder / BEIR_QUERIES} is judged in {path}",
            next_step="Name the judgements of these queries with --qrels, or other queries with --queries",
        )
    label = path.name if qrels is not None else f"qrels/{path.name}"
    return Queries(
        tuple(kept), tuple(kept.values()), judged, synthetic=False, source=f"{BEIR_QUERIES} judged in {label}"
    )


def _own_qrels(folder: Path) -> Path | None:
    paths = (folder / "qrels" / f"{split}.tsv" for split in SPLITS)
    return next((path for path in paths if path.is_file()), None)


def _existing(name: str, option: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise InputError(f"There is no file {name!r}", next_step=f"Name an existing file with {option}")
    return path


def _read_file(path: Path) -> dict[str, str]:
    """Read query ids and texts, in file order."""
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        pairs: Iterator[tuple[str, str, str]] = _from_rows(
            (f"{path}, line {number}", row) for number, row in read_json_lines(path)
        )
    elif suffix == ".txt":
        pairs = ((f"{path}, line {number}", str(number), line.strip()) for number, line in read_lines(path))
    elif suffix == ".parquet":
        pairs = _from_parquet(path)
    else:
        raise InputError(
            f"Cannot read queries from {path}: unknown suffix {path.suffix!r}",
            allowed=".jsonl, .txt or .parquet",
            next_step="Convert the file, then name it with --queries",
        )
    found: dict[str, str] = {}
    for place, query_id, text in pairs:
        if query_id in found:
            raise InputError(
                f"{place}: the query id {query_id!r} comes twice", next_step="Rename or remove one of the two"
            )
        found[query_id] = text
    if not found:
        raise InputError(f"{path} holds no queries", next_step="Name another file with --queries")
    return found


def _from_parquet(path: Path) -> Iterator[tuple[str, str, str]]:
    with open_parquet(path) as file:
        names = [name for name in (*ID_NAMES, "text") if name in file.schema_arrow.names]
        if "text" not in names or len(names) == 1:
            raise _missing_columns(str(path), file.schema_arrow.names)
        yield from _from_rows((f"{path}, row {number}", row) for number, row in read_rows(file, names, path))


def _from_rows(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[tuple[str, str, str]]:
    for place, row in rows:
        id_column = next((name for name in ID_NAMES if name in row), None)
        if id_column is None or "text" not in row:
            raise _missing_columns(place, list(row))
        query_id, text = row[id_column], row["text"]
        is_id = (isinstance(query_id, str) and query_id.strip()) or (
            isinstance(query_id, int) and not isinstance(query_id, bool)
        )
        if not is_id or not isinstance(text, str) or not text.strip():
            raise InputError(
                f"{place}: the id {query_id!r} with the text {text!r} is no query",
                allowed="an id and a text that are not empty",
                next_step="Correct or remove it, or name another file with --queries",
            )
        yield place, clean(str(query_id), id_column, place), clean(text, "text", place)


def _missing_columns(place: str, found: Iterable[str]) -> InputError:
    return InputError(
        f"{place}: queries need the columns _id (or id) and text",
        allowed=f"these next to the columns found: {', '.join(found) or 'none'}",
        next_step="Rename the columns, or name another file with --queries",
    )


def check_qrels(queries: Queries, document_ids: Collection[str]) -> None:
    """Make sure that the judgements speak of queries and documents that exist.

    Args:
        queries: with or without judgements.
        document_ids: of every document read, also of empty ones and duplicates (`Chunks.all_document_ids`).

    Raises:
        InputError: unknown ids; names up to three of them and how many there are.
    """
    if queries.qrels is None:
        return
    known = document_ids if isinstance(document_ids, AbstractSet) else set(document_ids)
    judged = dict.fromkeys(name for scores in queries.qrels.values() for name in scores)
    _refuse_unknown([name for name in judged if name not in known], "documents", "the corpus", len(known))
    asked = set(queries.ids)
    _refuse_unknown([name for name in queries.qrels if name not in asked], "queries", "the queries file", len(asked))


def _refuse_unknown(unknown: list[str], what: str, where: str, n_known: int) -> None:
    if not unknown:
        return
    shown = ", ".join(repr(name) for name in unknown[:SHOWN])
    more = f" and {len(unknown) - SHOWN:,} more" if len(unknown) > SHOWN else ""
    raise InputError(
        f"The qrels judge {len(unknown):,} {what} that are not in {where}: {shown}{more}",
        allowed=f"the ids of the {n_known:,} {what} read",
        next_step="Name the qrels of this corpus with --qrels, or its queries with --queries",
    )
