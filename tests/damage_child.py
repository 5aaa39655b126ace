"""Opens a served folder that was damaged, case after case, and tells of each on one line of standard output.

Standard input: one line of JSON with `folder`, `verify`, `small_bytes` (what `quick` hashes; null keeps it) and
`cases`, each a list of changes [kind, file, argument], made to a fresh copy of the folder. An answer is `refused ERROR`
for an error of ragopt, `same` or `other` for what searches then found, `escaped ERROR` for any other exception.
"""

import base64
import contextlib
import json
import os
import random
import resource
import shutil
import sys
from pathlib import Path

from ragopt.errors import RagoptError
from ragopt.serve import file_checks
from tests.small_served import opened

QUESTIONS = ["text of a3", "text of a0", "base 7", "base 0", "anything"]


def answers(folder: Path, verify: str) -> object:
    """What an opened folder finds, with and without a filter."""
    index = opened(folder, verify)
    hits = [index.search(QUESTIONS, 4), index.search(QUESTIONS, 4, where="length > 3")]
    return index.version, index.n_chunks, [[[(hit.id, hit.text, hit.score) for hit in one] for one in some]
                                           for some in hits]  # fmt: skip


def damage(root: Path, kind: str, name: str, argument: object) -> None:
    """Do one change to a file."""
    path = root / name
    old = path.read_bytes() if path.is_file() else b""
    rng = random.Random(f"{kind} {argument}")  # not the name: Lance draws those of its files
    if kind == "flip":
        place = rng.randrange(len(old))
        path.write_bytes(old[:place] + bytes([old[place] ^ 1 << rng.randrange(8)]) + old[place + 1 :])
    elif kind == "truncate":
        path.write_bytes(old[: rng.randrange(len(old))])
    elif kind == "block":
        first = rng.randrange(len(old))
        random_bytes = rng.randbytes(min(64, len(old) - first))
        path.write_bytes(old[:first] + random_bytes + old[first + len(random_bytes) :])
    elif kind == "append":
        path.write_bytes(old + rng.randbytes(rng.randint(1, 64)))
    elif kind == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(str(argument)))
    elif kind == "copy":
        path.write_bytes(Path(str(argument)).read_bytes())
    else:
        SPECIAL[kind](root, path, argument)


def _directory(_: Path, path: Path, __: object) -> None:
    path.unlink()
    path.mkdir()


def _fifo(_: Path, path: Path, __: object) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(root: Path, path: Path, _: object) -> None:
    """Move it out of the folder and link to it: the content is the same."""
    outside = root.parent / f"outside-{path.name}"
    path.rename(outside)
    path.symlink_to(outside)


SPECIAL = {"directory": _directory, "fifo": _fifo, "link": _link,
           "longer": lambda _, path, size: os.truncate(path, size),
           "remove": lambda _, path, __: path.unlink()}  # fmt: skip


def outcome(folder: Path, verify: str, expected: object) -> str:
    """What opening and searching comes to."""
    try:
        return "same" if answers(folder, verify) == expected else "other"
    except RagoptError as error:
        return f"refused {type(error).__name__}: {error}"
    except BaseException as error:  # noqa: BLE001 - that is what is looked for
        return f"escaped {type(error).__name__}: {error}"


def main() -> None:
    """Go through the cases of one task."""
    task = json.loads(sys.stdin.readline())
    if task["small_bytes"] is not None:
        file_checks.SMALL_BYTES = task["small_bytes"]
    whole = Path(task["folder"])
    place = whole.parent / f"damaged-{os.getpid()}"
    expected = answers(whole, "full")
    for case in task["cases"]:
        shutil.copytree(whole, place / "index")
        for change in case:
            damage(place / "index", *change)
        answer = outcome(place / "index", task["verify"], expected)
        sys.stdout.write(answer.replace("\n", " ") + "\n")
        sys.stdout.flush()
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(place)
    sys.stdout.write(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}\n")


if __name__ == "__main__":
    main()
