"""Gives a changed run folder new checksums, for tests of what reading it says beyond that it was changed."""

import json
from pathlib import Path

from ragopt.sweep.run_folder import RUN_FILE, pretty_json
from ragopt.sweep.run_seal import FILES, sealed_info


def reseal(folder: Path, **keys: object) -> None:
    """Write run.json anew, with other keys and with checksums of the files there are; `...` removes a key."""
    info = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    files = {name: (folder / name).read_bytes() for name in info[FILES] if (folder / name).exists()}
    info = {name: value for name, value in {**info, **keys}.items() if value is not ...}
    (folder / RUN_FILE).write_text(pretty_json(sealed_info(info, files)), encoding="utf-8")
