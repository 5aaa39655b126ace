"""Relevance judgements from files, in BEIR's or TREC's form."""

from __future__ import annotations

from pathlib import Path

from ragopt.corpus.text_files import read_lines
from ragopt.errors import InputError

FORMS = "query-id, corpus-id, score (BEIR, separated by tabs, with a header) or query-id, 0, document-id, score (TREC)"


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Read judgements: query id to document id to score (0: judged and not relevant).

    Args:
        path: a BEIR `.tsv` (three columns separated by tabs, header optional) or TREC qrels (four columns).

    Raises:
        InputError: a line of another form, a score that is no whole number, or one pair judged twice differently;
            names the file and the line.
    """
    qrels: dict[str, dict[str, int]] = {}
    for number, (line_number, line) in enumerate(read_lines(path)):
        fields = [field.strip() for field in line.split("\t")] if "\t" in line else line.split()
        if number == 0 and len(fields) == 3 and not _is_score(fields[2]):
            continue
        if len(fields) not in (3, 4) or not all(fields) or not _is_score(fields[-1]):
            raise InputError(
                f"{path}, line {line_number}: {line[:80]!r} is no judgement",
                allowed=FORMS,
                next_step="Correct that line, or name another file with --qrels",
            )
        query_id, document_id, score = fields[0], fields[-2], int(fields[-1])
        first = qrels.setdefault(query_id, {}).setdefault(document_id, score)
        if first != score:
            raise InputError(
                f"{path}, line {line_number}: query {query_id!r} and document {document_id!r} have the score {score},"
                f" and {first} on an earlier line",
                next_step="Keep one of the two lines",
            )
    if not qrels:
        raise InputError(f"{path} holds no judgements", allowed=FORMS, next_step="Name another file with --qrels")
    return qrels


def _is_score(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
