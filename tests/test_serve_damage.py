"""A served folder in which a byte was changed, a file replaced or lost is refused, and no process ends over it."""

import random

import pytest

from tests.damaged import HINT, LOCKS, SEALED, checked_files, files_of, outcomes, refused, two_folders
from tests.killed import copy_of
from tests.small_served import given_documents, opened

KINDS = ("flip", "flip", "flip", "truncate", "truncate", "block", "append")
ROUNDS = 3
"""Every kind that often on every file: with 26 files more than five hundred cases."""


@pytest.fixture(scope="module")
def folders(small, tmp_path_factory):
    """Two folders of one run, changed in different ways."""
    return two_folders(small, tmp_path_factory.mktemp("damaged"))


def test_every_damage_to_every_file_is_refused(folders):
    """Bits flipped, files cut short, overwritten or longer: over five hundred cases, each an IndexFormatError."""
    every = [(kind, name) for _ in range(ROUNDS) for name in checked_files(folders[0]) for kind in KINDS]
    cases = [[[kind, name, seed]] for seed, (kind, name) in enumerate(every)]
    assert len(cases) > 500
    refused(folders[0], cases)


@pytest.mark.parametrize("verify", ["full", "quick"])
def test_what_is_no_file_any_more_is_refused(verify, folders):
    """A file that is gone, a folder, a pipe, or a link to the same bytes: refused at once, by a quick check too."""
    cases = [[[kind, name, 0]] for name in checked_files(folders[0])
             for kind in ("remove", "directory", "fifo", "link")]  # fmt: skip
    refused(folders[0], cases, verify=verify)


def test_files_of_another_folder_or_place_are_refused(folders):
    """Every file swapped for that of another folder of the same run, or for another of its own folder."""
    first, second = folders
    others = set(files_of(second))
    cases = [[["copy", name, str(second / name)]] for name in checked_files(first)
             if name in others and (second / name).read_bytes() != (first / name).read_bytes()]  # fmt: skip
    assert len(cases) > 8
    # Manifest and acknowledgement together are those of the other folder: its files are not there.
    cases.append([["copy", name, str(second / name)] for name in SEALED])
    names = checked_files(first)
    rng = random.Random(3)
    for name in names:
        other = rng.choice([one for one in names if (first / one).read_bytes() != (first / name).read_bytes()])
        cases.append([["copy", name, str(first / other)]])
    refused(first, cases)


def test_what_no_checksum_covers_changes_nothing(folders):
    """Locks hold a process's id that only messages show; Lance rewrites its hint in place and opens without it."""
    cases = [[[kind, name, seed]] for name in (*LOCKS, HINT) for kind in ("append", "block", "flip", "truncate")
             for seed in range(4) if kind == "append" or (folders[0] / name).stat().st_size]  # fmt: skip
    cases += [[["remove", "writer.lock", 0]], [["remove", HINT, 0]]]
    # Files that no manifest names: what a writer that died leaves, half a version of the table among them.
    cases += [[["write", name, "Z2FyYmFnZQ=="]] for name in (
        ".manifest.json.1.tmp", "gen-000001/segment-000009.faiss", "gen-000001/chunks.lance/data/x.lance",
        "gen-000001/chunks.lance/_versions/18446744073709551600.manifest", "gen-000002/index.faiss",
    )]  # fmt: skip
    lines = outcomes(folders[0], cases)[0]
    assert [(case, line) for case, line in zip(cases, lines, strict=True) if line != "same"] == []


def test_a_generation_without_its_lock_is_refused(folders):
    """Readers hold the lock of a generation: where there is none, nothing keeps its files."""
    refused(folders[0], [[["remove", LOCKS[1], 0]], [["link", LOCKS[1], 0]]])


@pytest.mark.parametrize("content", [b"", b"garbage"])
def test_half_a_version_of_the_table_stops_neither_readers_nor_writers(content, folders, tmp_path):
    """A machine that loses its power may leave a manifest of Lance empty: who opens the index removes it."""
    torn = "gen-000001/chunks.lance/_versions/18446744073709551600.manifest"
    for read_first in (True, False):
        folder = copy_of(folders[0], tmp_path / "index")
        (folder / torn).write_bytes(content)
        with opened(folder, "quick") as index:
            if read_first:
                assert index.search("text of a3", 1)[0].text == "text of a3"
            index.add(given_documents({"new": "a new text"}), split=False)
            assert index.search("a new text", 1)[0].id == "new"
        assert not (folder / torn).exists()
        assert opened(folder, "full").n_chunks == index.n_chunks
