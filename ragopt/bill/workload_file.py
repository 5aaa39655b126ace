"""The workload file: write a commented one, read one back, read single `NAME=VALUE` settings."""

from __future__ import annotations

import difflib
import textwrap
import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

from ragopt.bill.counts import ALLOWED, MOST, read_number
from ragopt.bill.workload_fields import FIELDS, REQUIRED, Field, Value, check_value
from ragopt.errors import InputError

SECTIONS = tuple(dict.fromkeys(field.section for field in FIELDS.values()))
LINE_LENGTH = 100
YES_NO = ("yes", "no")

HEADER = """# A workload: what `ragopt bill --workload FILE` and `ragopt sweep --workload FILE` bill.
# Uncomment what you know. Counts may be written like "10M" (k, M, B, T).
"""


def workload_text(values: Mapping[str, Value] | None = None) -> str:
    """Write a workload file: every field with its unit, bounds, default and the reason for it.

    Args:
        values: figures to fill in, by field name; a field without one stands as a comment that shows its default.

    Raises:
        InputError: a value outside its field's bounds.
    """
    given = dict(values or {})
    text = HEADER
    for section in SECTIONS:
        fields = [field for field in FIELDS.values() if field.section == section]
        text += f"\n[{section}]\n" + "".join(_field_text(field, given) for field in fields)
    return text


def _field_text(field: Field, given: Mapping[str, Value]) -> str:
    told = [field.unit]
    if field.choices:
        told.append("one of " + ", ".join(field.choices))
    if field.low is not None and field.high is not None:
        told.append(f"{field.low:,} to {field.high:,}")
    comment = textwrap.fill(f"{'; '.join(told)}. Default: {_shown(field.default)} ({field.reason}).", LINE_LENGTH,
                            initial_indent="# ", subsequent_indent="#   ")  # fmt: skip
    if field.name in given and given[field.name] is not None:
        value = given[field.name]
        check_value(field, value)
        return f"{comment}\n{field.name} = {_toml(value)}\n"
    example = field.example if field.default in (None, REQUIRED) else field.default
    return f"{comment}\n# {field.name} = {_toml(example)}\n"


def _shown(default: Value) -> str:
    if default in (None, REQUIRED):
        return "none"
    if isinstance(default, int):
        return f"{default:,}"
    return str(default) or '""'


def _toml(value: Value) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{value:_}" if isinstance(value, int) else format(value or Decimal(0), "f")


def read_workload_file(path: Path) -> dict[str, Value]:
    """Read the fields that a workload file gives, by name; those that it does not give are left out.

    Raises:
        InputError: a file that cannot be read, an unknown section or key, a value of the wrong kind or out of bounds;
            the message names the file, the key and what is allowed.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise InputError(f"Cannot read the workload {path}: {error.strerror}",
                         next_step="Write one with: ragopt workload init") from error  # fmt: skip
    except ValueError as error:  # TOML, UTF-8, or a whole number of thousands of digits
        raise InputError(f"{path} is not valid TOML: {error}", next_step=f"Correct {path}") from error
    found: dict[str, Value] = {}
    for section, table in content.items():
        if section not in SECTIONS or not isinstance(table, dict):
            raise InputError(f"{path} has an unknown section [{section}]", allowed=", ".join(SECTIONS),
                             next_step=_meant(section, SECTIONS))  # fmt: skip
        for key, value in table.items():
            field = FIELDS.get(key)
            if field is None or field.section != section:
                raise _unknown_key(path, section, key)
            found[key] = _converted(field, value, f"{section}.{key} in {path}")
    return found


def read_settings(texts: Iterable[str]) -> dict[str, Value]:
    """Read `NAME=VALUE` texts, as `--set` takes them. Raises InputError as `read_workload_file` does."""
    found: dict[str, Value] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        key = name.strip().rpartition(".")[2]
        if not equals and key in FIELDS:
            raise InputError(
                f"--set {text!r} gives no value", allowed="NAME=VALUE", next_step=f"Write --set {key}=VALUE"
            )
        if not equals or key not in FIELDS or name.strip() not in (key, f"{FIELDS[key].section}.{key}"):
            raise InputError(f"--set {text!r} names no field of a workload", allowed="NAME=VALUE",
                             next_step=_meant(key, list(FIELDS)))  # fmt: skip
        found[key] = _converted(FIELDS[key], value.strip(), f"--set {key}")
    return found


def _converted(field: Field, value: object, label: str) -> Value:
    """Turn counts written like 10M and numbers written as text into the field's kind, and check it."""
    if field.low is not None and isinstance(value, str):
        value = _number(value, label)
    if field.choices == YES_NO and isinstance(value, bool):
        value = YES_NO[0] if value else YES_NO[1]
    if isinstance(field.low, Decimal) and isinstance(value, float):
        value = Decimal(str(value))  # as it is written, 2.5 and not its binary neighbour
    if isinstance(field.low, int) and isinstance(value, Decimal) and _is_whole(value):
        value = int(value)
    check_value(field, value, label)
    return value  # type: ignore[return-value]  # check_value has just made sure


def _is_whole(value: Decimal) -> bool:
    """Whether a number is a whole one that a field may hold; larger ones are left for the bounds to refuse."""
    return value.is_finite() and abs(value) < MOST and value == value.to_integral_value()


def read_values(values: Mapping[str, object]) -> dict[str, Value]:
    """Check fields given by name, as a program gives them: counts may be text like 10M, decimals may be floats.

    Raises:
        InputError: an unknown name, or a value of the wrong kind or out of bounds.
    """
    found: dict[str, Value] = {}
    for name, value in values.items():
        if name not in FIELDS:
            raise InputError(f"A workload has no field {name!r}", allowed=", ".join(FIELDS),
                             next_step=_meant(name, FIELDS))  # fmt: skip
        found[name] = _converted(FIELDS[name], value, f"workload[{name!r}]")
    return found


def _number(text: str, label: str) -> Decimal:
    number = read_number(text)
    if number is None:
        raise InputError(f"{label} is {text[:40]!r}", allowed=ALLOWED, next_step=f"Correct {label}")
    return number


def _unknown_key(path: Path, section: str, key: str) -> InputError:
    elsewhere = FIELDS.get(key)
    if elsewhere is not None:
        return InputError(f"{path} has {key} in [{section}]", allowed=f"{key} in [{elsewhere.section}]",
                          next_step=f"Move it to [{elsewhere.section}]")  # fmt: skip
    names = [field.name for field in FIELDS.values() if field.section == section]
    return InputError(f"{path} has an unknown key {key} in [{section}]", allowed=", ".join(names),
                      next_step=_meant(key, [*names, *FIELDS]))  # fmt: skip


def _meant(word: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(names), n=1)
    return f"Did you mean {close[0]}?" if close else "See: ragopt workload init"
