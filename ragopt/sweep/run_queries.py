"""``queries.parquet``: which query each per-query score of a run is of, so that two runs pair where theirs coincide."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ragopt.artifacts import canonical_json
from ragopt.errors import ArtifactError
from ragopt.sweep.run_folder import DAMAGE, QUERIES_FILE, RUN_FILE
from ragopt.sweep.run_seal import NEXT_STEP, check_seal, kept_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ragopt.records import Run
    from ragopt.sweep.material import Material

SHOWN_CHARACTERS = 400
"""Of a query's text in the file: as much of a name as the report shows; the key is of the whole text."""

KEY_DIGITS = 16
"""Hexadecimal digits of a key, 64 bits: a million queries share one with a chance of 3 in 10^8."""


@dataclass(frozen=True, slots=True)
class RunQuery:
    """One query that a run measured on.

    Attributes:
        select: its place in the racing order, which selection scores and those of unbuilt trials are in; a trial that
            left the race has scores of the first so many. None when it selected nothing.
        confirm: its place among the confirmation queries, which the scores of built trials are in. None when it
            confirmed nothing.
        id: as the queries' file names it.
        text: its first 400 characters; None for ready vectors, which come without text.
        key: first 16 hexadecimal digits of the SHA-256 of its whole text in UTF-8; of its id where there is no text.
        judgements: the same of what it is judged by, documents and grades; None when it is not judged. Judged qualities
            have scores of judged queries only, in the same order.
    """

    select: int | None
    confirm: int | None
    id: str
    text: str | None
    key: str
    judgements: str | None

    @property
    def judged(self) -> bool:
        """Whether judged qualities have a score of it."""
        return self.judgements is not None


def key_of_text(text: str) -> str:
    """The key that a text, or an id where there is no text, is told apart by."""
    return hashlib.sha256(_utf8(text)).hexdigest()[:KEY_DIGITS]


def qrels_fingerprint(qrels: Mapping[str, Mapping[str, int]] | None) -> str | None:
    """Fingerprint of all judgements of a run; None without any."""
    return None if qrels is None else key_of_text(canonical_json({name: dict(one) for name, one in qrels.items()}))


def run_queries(material: Material, select_rows: Sequence[int]) -> tuple[RunQuery, ...]:
    """Tell the queries of a sweep: those that selected in racing order, then the others that confirmed.

    Queries that only a rotation was fitted on have no scores and are left out.

    Args:
        material: what was measured on.
        select_rows: row numbers of the selection queries in racing order.
    """
    confirm_rows = material.split.confirm.tolist()
    select, confirm = ({row: place for place, row in enumerate(rows)} for rows in (select_rows, confirm_rows))
    found = []
    for row in dict.fromkeys([*select_rows, *confirm_rows]):
        name = material.query_ids[row]
        text = None if material.query_texts is None else material.query_texts[row]
        grades = (material.qrels or {}).get(name)
        found.append(
            RunQuery(
                select.get(row),
                confirm.get(row),
                _utf8(name).decode(),
                None if text is None else text[:SHOWN_CHARACTERS],
                key_of_text(name if text is None else text),
                key_of_text(canonical_json(dict(grades))) if grades else None,
            )
        )
    return tuple(found)


def queries_parquet(queries: Sequence[RunQuery]) -> bytes:
    """Give the bytes of ``queries.parquet``, one row per query, pages with checksums."""
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used
    import pyarrow.parquet as pq  # noqa: PLC0415 - loaded when first used

    kinds = {"select": pa.int64(), "confirm": pa.int64()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in RunQuery.__slots__])
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([asdict(one) for one in queries], schema), buffer, write_page_checksum=True)
    return buffer.getvalue()


def read_queries_of(run: Run) -> tuple[RunQuery, ...]:
    """Read the queries of a finished run from its folder.

    Returns:
        Them in the order of the file; none where the run was written before they were kept, or was never in a folder.

    Raises:
        ArtifactError: the file is damaged, missing, or is of other queries than the run.
    """
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used
    import pyarrow.parquet as pq  # noqa: PLC0415 - loaded when first used

    path = run.path / QUERIES_FILE
    try:
        blob = _sealed_bytes(run)
        if blob is None:
            return ()
        rows = pq.read_table(pa.BufferReader(blob), page_checksum_verification=True, use_threads=False).to_pylist()
        found = tuple(RunQuery(**{name: row[name] for name in RunQuery.__slots__}) for row in rows)
        n_select, n_confirm = (int(run.info["queries"][name]) for name in ("n_select", "n_confirm"))
    except DAMAGE as error:
        why = " ".join(str(error).split())
        raise ArtifactError(f"{path} is damaged: {why}", next_step="Sweep again") from error
    for stage, n in (("select", n_select), ("confirm", n_confirm)):
        places = [place for one in found if (place := getattr(one, stage)) is not None]
        if sorted(places) != list(range(n)):
            raise ArtifactError(f"{path} has {len(places):,} {stage} queries", allowed=f"places 0 to {n - 1:,}",
                                next_step="Sweep again")  # fmt: skip
    return found


def _sealed_bytes(run: Run) -> bytes | None:
    """The file as ``run.json`` seals it; None where it names none, or where there is no run folder at all."""
    if not (run.path / RUN_FILE).is_file():
        if run.path.exists():
            raise ArtifactError(f"The run in {run.path} is damaged: {RUN_FILE} is missing", next_step=NEXT_STEP)
        return None
    info = json.loads((run.path / RUN_FILE).read_text(encoding="utf-8"))
    return kept_bytes(run.path, QUERIES_FILE, check_seal(run.path, RUN_FILE, info))


def _utf8(text: str) -> bytes:
    """Encode a text; what UTF-8 has no form for, half of a surrogate pair in an id, is spelt out."""
    return text.encode("utf-8", "backslashreplace")
