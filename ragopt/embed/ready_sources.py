"""Vectors that a team has already: ``.npy``, a column of Parquet, Arrow or Lance, read block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.embed.mapped_pages import advise_dont_need
from ragopt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

READ_ROWS = 4096  # 16 MB of 1,024 float32 dimensions
PARQUET_BUFFER_BYTES = 1 << 20  # 400,000 x 384 in one row group then take 80 MB instead of 660 (pyarrow 26)
ALLOWED_TYPES = ("float16", "float32", "float64", "int8")
ALLOWED_FILES = "a .npy, .parquet or .arrow file or a .lance folder"


@dataclass(frozen=True)
class ReadySource:
    """Vectors as a team stored them.

    Attributes:
        path: file or folder.
        column: column name; empty for .npy.
        n: number of vectors, at least 1.
        dim: dimension, at least 1.
        blocks: yields all rows in order as (any, dim) blocks of one of the allowed types.
        held_bytes: in memory while they are read, beside a few blocks.
    """

    path: Path
    column: str
    n: int
    dim: int
    blocks: Callable[[], Iterator[NDArray[Any]]]
    held_bytes: int = 0


def open_source(path: Path, column: str | None) -> ReadySource:
    """Open a source by its file name.

    Raises:
        InputError: it is missing, of another kind, damaged, or not a matrix of numbers.
    """
    suffix = path.suffix.lower()
    try:
        exists = path.exists()
    except OSError as error:  # a folder on the way that may not be entered, or a name that is too long
        raise InputError(f"Cannot read {path}: {error.strerror}", next_step="Check the path and its rights") from error
    if not exists:
        raise InputError(f"There is no file {path}", allowed=ALLOWED_FILES, next_step="Check the path")
    if suffix == ".npy" and path.is_file():
        if column is not None:
            raise InputError(
                f"{path} has no columns, but the column {column!r} was named", next_step="Leave the column out"
            )
        return _npy_source(path)
    if suffix in {".parquet", ".pq"} and path.is_file():
        return _parquet_source(path, column)
    if suffix in {".arrow", ".feather", ".ipc"} and path.is_file():
        return _arrow_source(path, column)
    if suffix == ".lance" and path.is_dir():
        return _lance_source(path, column)
    raise InputError(f"Cannot read vectors from {path}", allowed=ALLOWED_FILES, next_step="Convert the vectors")


def _npy_source(path: Path) -> ReadySource:
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise InputError(
            f"Cannot read {path}: {error}",
            allowed=f"a whole .npy file of {', '.join(ALLOWED_TYPES)}",
            next_step="Save it again with numpy.save(path, vectors.astype('float32'))",
        ) from error
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(
            f"{path} holds an array of shape {matrix.shape}",
            allowed="two dimensions, (vectors, components), neither of them 0",
            next_step="Save it as one row per vector",
        )
    if matrix.dtype.name not in ALLOWED_TYPES:
        raise InputError(
            f"{path} holds {matrix.dtype} values",
            allowed=", ".join(ALLOWED_TYPES),
            next_step="Save it again with numpy.save(path, vectors.astype('float32'))",
        )

    n, dim = matrix.shape
    of_file = (path, int(matrix.offset), matrix.dtype)
    if not matrix.flags.c_contiguous:
        # Column by column (order="F").
        return ReadySource(path, "", n, dim, lambda: _npy_columns(*of_file, n, dim))
    return ReadySource(path, "", n, dim, lambda: _npy_rows(*of_file, n, dim))


def starts(n: int) -> range:
    """First rows of the blocks that `n` rows are read in."""
    return range(0, n, READ_ROWS)


def _npy_columns(path: Path, offset: int, dtype: np.dtype[Any], n: int, dim: int) -> Iterator[NDArray[Any]]:
    """Read the part of every column that a block of rows has, with plain reads."""
    with path.open("rb", buffering=0) as handle:
        for first in starts(n):
            rows = min(READ_ROWS, n - first)
            block = np.empty((dim, rows), dtype)
            for number in range(dim):
                handle.seek(offset + (number * n + first) * dtype.itemsize)
                if handle.readinto(block[number].data) != block[number].nbytes:
                    raise _too_short(path, first, n)
            yield block.T


def _npy_rows(path: Path, offset: int, dtype: np.dtype[Any], n: int, dim: int) -> Iterator[NDArray[Any]]:
    """Read rows in order with plain reads: mapped pages would count as this process's resident memory."""
    with path.open("rb", buffering=0) as handle:
        handle.seek(offset)
        for first in starts(n):
            rows = min(READ_ROWS, n - first)
            block = np.fromfile(handle, dtype, rows * dim)
            if len(block) < rows * dim:
                raise _too_short(path, first + len(block) // dim, n)
            yield block.reshape(rows, dim)


def _too_short(path: Path, row: int, n: int) -> InputError:
    return InputError(f"{path} ends in row {row} of {n}", next_step="It changed while it was read: run again")


def _parquet_source(path: Path, column: str | None) -> ReadySource:
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used
    import pyarrow.parquet as pq  # noqa: PLC0415 - loaded when first used

    try:
        with pq.ParquetFile(path) as file:
            n, schema = file.metadata.num_rows, file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise _broken(path, error) from error
    name = _vector_column(path, schema, column)

    def blocks(rows: int = READ_ROWS) -> Iterator[NDArray[Any]]:
        first, dim = 0, 0
        try:
            # Page by page: by default the columns of a whole row group are read, which may be the whole file.
            with pq.ParquetFile(path, pre_buffer=False, buffer_size=PARQUET_BUFFER_BYTES) as file:
                for batch in file.iter_batches(batch_size=rows, columns=[name]):
                    block = _rows_of_lists(path, batch.column(0), first, dim)
                    first, dim = first + len(block), block.shape[1]
                    yield block
        except (pa.ArrowException, OSError) as error:
            raise _broken(path, error) from error

    return ReadySource(path, name, n, _dim_of_first(path, n, blocks(1)), blocks)


def _arrow_source(path: Path, column: str | None) -> ReadySource:
    """An Arrow IPC file, Feather version 2 among them: mapped, its pages given back block by block.

    A record batch may be as large as the file, and reading one would copy all of it. A compressed one cannot be read in
    parts: it is in memory whole.
    """
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used

    try:
        with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
            schema = reader.schema
        # Without columns, so that nothing is decompressed to count rows.
        no_columns = pa.ipc.IpcReadOptions(included_fields=[])
        with pa.memory_map(str(path)) as file, pa.ipc.open_file(file, options=no_columns) as reader:
            sizes = [reader.get_batch(number).num_rows for number in range(reader.num_record_batches)]
    except (pa.ArrowException, OSError) as error:
        raise _broken(path, error) from error
    n, name = sum(sizes), _vector_column(path, schema, column)
    value_bytes = schema.field(name).type.value_type.bit_width // 8

    def blocks(rows: int = READ_ROWS) -> Iterator[NDArray[Any]]:
        first, dim = 0, 0
        try:
            with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
                whole = file.read_buffer(file.size())  # a view, not a copy
                mapping = (whole.address, whole.address + whole.size)
                for number in range(reader.num_record_batches):
                    lists = reader.get_batch(number).column(name)
                    for start in range(0, len(lists), rows):
                        block = _rows_of_lists(path, lists.slice(start, rows), first, dim)
                        first, dim = first + len(block), block.shape[1]
                        yield np.array(block)
                        advise_dont_need(*mapping)
        except (pa.ArrowException, OSError) as error:
            raise _broken(path, error) from error

    dim = _dim_of_first(path, n, blocks(1))
    row_bytes = dim * value_bytes
    # Of the largest batch, compressed and not: less than that in the file means compressed.
    held = 2 * max(sizes, default=0) * row_bytes if path.stat().st_size < n * row_bytes else 0
    return ReadySource(path, name, n, dim, blocks, held)


def _lance_source(path: Path, column: str | None) -> ReadySource:
    import lancedb  # noqa: PLC0415 - loaded when first used
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used

    try:
        table = lancedb.connect(path.absolute().parent).open_table(path.stem)
        n, schema = table.count_rows(), table.schema
    except (ValueError, OSError, RuntimeError, pa.ArrowException) as error:
        raise _broken(path, error) from error
    name = _vector_column(path, schema, column)

    def blocks(rows: int = READ_ROWS) -> Iterator[NDArray[Any]]:
        first, dim = 0, 0
        try:
            # A scan for each block: one scan of all reads ahead, 1.2 GB of 400,000 x 384 (lancedb 0.40, 2026-11-26).
            while first < n:
                found = table.search().select([name]).offset(first).limit(min(rows, n - first)).to_arrow()
                if not found.num_rows:
                    break  # fewer rows than were counted: whoever counts blocks sees it
                block = _rows_of_lists(path, found.column(0).combine_chunks(), first, dim)
                first, dim = first + len(block), block.shape[1]
                yield block
        except (ValueError, OSError, RuntimeError, pa.ArrowException) as error:
            if isinstance(error, InputError):
                raise
            raise _broken(path, error) from error

    return ReadySource(path, name, n, _dim_of_first(path, n, blocks(1)), blocks)


def _broken(path: Path, error: BaseException) -> InputError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return InputError(f"Cannot read {path}: {lines[0]}", allowed=ALLOWED_FILES, next_step="Write it again")


def _dim_of_first(path: Path, n: int, single_rows: Iterator[NDArray[Any]]) -> int:
    if n == 0:
        raise InputError(f"{path} holds no rows", next_step="Give at least one vector")
    dim = next(single_rows).shape[1]
    if dim == 0:
        raise InputError(f"Row 0 of {path} is an empty list", next_step="Give vectors of one or more components")
    return int(dim)


def _vector_column(path: Path, schema: Any, column: str | None) -> str:
    """Check the named column, or find the only one that can hold vectors."""
    vectors = [field.name for field in schema if _holds_vectors(field.type)]
    if column is None and len(vectors) == 1:
        return str(vectors[0])
    if column in vectors and column is not None:
        return column
    named = "several or no columns with vectors" if column is None else f"no column {column!r} with vectors"
    types = ", ".join(f"{field.name} ({field.type})" for field in schema)
    raise InputError(
        f"{path} has {named}; its columns are {types}",
        allowed=f"a column of lists of {', '.join(ALLOWED_TYPES)}",
        next_step=f"Name one of: {', '.join(vectors)}" if vectors else "Convert the vectors to a list column",
    )


def _holds_vectors(kind: Any) -> bool:
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used

    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return is_list and kind.value_type in {pa.float16(), pa.float32(), pa.float64(), pa.int8()}


def _rows_of_lists(path: Path, lists: Any, first_row: int, dim: int) -> NDArray[Any]:
    """Turn an Arrow list array into a matrix; `dim` 0 takes the first row's length."""
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used
    import pyarrow.compute as pc  # noqa: PLC0415 - loaded when first used

    if lists.null_count:
        row = first_row + pc.index(lists.is_null(), pa.scalar(value=True)).as_py()
        raise InputError(f"Row {row} of {path} has no vector (null)", next_step="Remove or fill that row")
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    expected = dim or int(lengths[0])
    wrong = lengths != expected
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"Row {first_row + row} of {path} has {lengths[row]} components, the rows before it {expected}",
            allowed="vectors of one length",
            next_step="Repair or remove that row",
        )
    values = lists.flatten()
    if values.null_count:
        row = first_row + pc.index(values.is_null(), pa.scalar(value=True)).as_py() // expected
        raise InputError(f"Row {row} of {path} has a null component", next_step="Repair or remove that row")
    matrix: NDArray[Any] = values.to_numpy(zero_copy_only=False).reshape(len(lists), expected)
    return matrix
