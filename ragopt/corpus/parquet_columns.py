"""Which columns of a Parquet file are metadata, and their moments in Python's terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ragopt.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

ISO_MICROSECONDS = 26
"""Characters of a moment up to its microseconds: `2020-01-01T00:00:00.000000`, before the offset of its zone."""


def metadata_paths(schema: pa.Schema, taken: Sequence[str], place: str) -> list[str]:
    """Choose the columns to read as metadata: those that are not `taken` and hold neither vectors nor bytes.

    Left out are binary columns, lists of numbers of any length and depth, and lists and maps of structs with such a
    part. Of a struct the other parts are read.

    Args:
        schema: of the file.
        taken: names of the columns with id, title and text.
        place: the file, for errors.

    Returns:
        Names as `ParquetFile.iter_batches` takes them: a column, or `struct.child` for a part of one.

    Raises:
        InputError: one name is that of two columns.
    """
    twice = [name for name, count in Counter(schema.names).items() if count > 1 and name not in taken]
    if twice:
        raise InputError(
            f"{place}: {twice[0]!r} is the name of two columns",
            allowed="one column of each name",
            next_step="Rename or remove one of the two",
        )
    return [path for field in schema if field.name not in taken for path in _light_paths(field, field.name)]


def _light_paths(field: pa.Field, path: str) -> Iterator[str]:
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used

    if pa.types.is_struct(field.type):
        for child in field.type:
            yield from _light_paths(child, f"{path}.{child.name}")
    elif not _is_heavy(field.type):
        yield path


def _is_heavy(kind: pa.DataType) -> bool:
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used

    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        # A UUID is 16 bytes that have a text; a tensor is a list of numbers.
        return not isinstance(kind, pa.UuidType) and _is_heavy(kind.storage_type)
    if types.is_dictionary(kind):
        return _is_heavy(kind.value_type)
    if types.is_map(kind):
        return _is_heavy(kind.item_type)
    if types.is_struct(kind):
        return any(_is_heavy(child.type) for child in kind)
    if hasattr(kind, "value_type"):  # every kind of list: of fixed size or not, large, or a view
        inner = kind.value_type
        return types.is_integer(inner) or types.is_floating(inner) or _is_heavy(inner)
    return any(
        is_bytes(kind)
        for is_bytes in (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view)
    )


def nanoseconds_as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Replace timestamps in nanoseconds, which Python's datetime cannot hold, by their ISO 8601 text.

    >>> import pyarrow as pa
    >>> moments = pa.array([1_577_836_800_000_000_000, 1_577_836_800_000_000_001], pa.timestamp("ns"))
    >>> nanoseconds_as_text(pa.record_batch({"at": moments})).to_pylist()
    [{'at': '2020-01-01T00:00:00'}, {'at': '2020-01-01T00:00:00.000000001'}]
    """
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used

    for number, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            texts = _texts_of_moments(batch.column(number), field.type.tz)
            batch = batch.set_column(number, field.name, pa.array(texts, pa.string()))
    return batch


def _texts_of_moments(moments: pa.Array, zone: str | None) -> list[str | None]:
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used

    ns = moments.cast(pa.int64()).to_pylist()
    us = pa.array([None if one is None else one // 1000 for one in ns], pa.timestamp("us", zone)).to_pylist()
    texts: list[str | None] = []
    for moment, one in zip(us, ns, strict=True):
        if moment is None or one % 1000 == 0:
            texts.append(None if moment is None else moment.isoformat())
        else:
            whole = moment.isoformat(timespec="microseconds")
            texts.append(f"{whole[:ISO_MICROSECONDS]}{one % 1000:03}{whole[ISO_MICROSECONDS:]}")
    return texts
