"""`ragopt check` as CI runs it: the four words with their exit codes, JSON that reads back, and errors."""

import json
from dataclasses import replace

import pytest

import ragopt as package
from ragopt.serve.check_json import check_json, checked_of
from ragopt.serve.manifest import make_current
from ragopt.serve.manifest_reading import read_manifest
from tests.checked import built_folders, copied, other_texts
from tests.cli import ragopt


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A built folder, never changed."""
    return built_folders(tmp_path_factory.mktemp("built"))["PQ16x4fs"]


def lines(path, texts):
    """A file of texts in BEIR form."""
    path.write_text(
        "".join(json.dumps({"_id": f"n{number}", "text": text}) + "\n" for number, text in enumerate(texts))
    )
    return path


def test_keep(folder):
    """A folder as it was built: exit code 0, and the word begins the last line."""
    done = ragopt("check", folder, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "keep: Go on as it is."


def test_broken_by_a_byte(folder, tmp_path):
    """One changed byte of the codes: exit code 1, the file is named, JSON stays JSON."""
    index = copied(folder, tmp_path)
    path = index / "gen-000001" / "index.faiss"
    blob = bytearray(path.read_bytes())
    blob[-1] ^= 1
    path.write_bytes(blob)
    done = ragopt("check", index, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    found = json.loads(done.stdout)
    assert (found["word"], found["exit_code"]) == ("broken", 1)
    assert "index.faiss was changed: its SHA-256 is another" in found["reasons"][0]["text"]


def test_broken_by_another_model(folder, tmp_path):
    """A model whose weights are not those of the build: exit code 1, and what differs."""
    index = copied(folder, tmp_path)
    manifest = read_manifest(index)
    make_current(index, replace(manifest, model={**manifest.model, "weights_sha256": "0" * 64}))
    done = ragopt("check", index, "--quiet")
    assert done.returncode == 1
    assert "weights_sha256 differ" in done.stdout.replace("\n", " ")
    assert done.stdout.splitlines()[-2].startswith("broken: ")


def test_retrain(folder, tmp_path):
    """Documents of other words were added: exit code 5; JSON reads back to the record of the API."""
    index = copied(folder, tmp_path)
    with package.open(index) as opened:
        opened.add([package.Document(f"x{number}", "", text) for number, text in enumerate(other_texts(160))])
    done = ragopt("check", index, "--documents", lines(tmp_path / "new.jsonl", other_texts(130, seed=4)), "--json")
    assert (done.returncode, done.stderr) == (5, "")
    found = json.loads(done.stdout)
    assert check_json(checked_of(found)) == found
    assert (found["word"], found["added"]["n"], found["documents"]["n"]) == ("re-train", 160, 130)
    assert found["added"]["ratio"]["low"] > 1.15


def test_retune(folder, tmp_path):
    """Queries of other words find too few of their exact neighbours: exit code 4."""
    queries = lines(tmp_path / "new.jsonl", other_texts())
    done = ragopt("check", folder, "--queries", queries, "--embed-again", "--quiet")
    assert (done.returncode, done.stderr) == (4, "")
    assert done.stdout.startswith(f"{folder}"[:60])
    assert "re-tune: Search parameters" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "nowhere is no served index"),
        (("DIR", "--queries", "nowhere.jsonl"), "There is no file 'nowhere.jsonl'"),
        (("DIR", "--documents", "nowhere.jsonl"), "nowhere.jsonl"),
        (("DIR", "--prices", "nowhere.toml"), "nowhere.toml"),
        (("DIR", "--model", "nowhere/model"), "nowhere/model"),
        (("DIR", "--embed-again"), "--embed-again finds exact neighbours of queries"),
        (("DIR", "--queries", "asked.txt"), "queries of asked.txt cannot be measured: the folder keeps codes only"),
    ],
)
def test_what_cannot_be_checked_is_one_clear_error(folder, tmp_path, arguments, message):
    """No folder, no file, no model: exit code 1, one message, nothing on standard output."""
    (tmp_path / "asked.txt").write_text("who?\nwhy?\n")
    given = [folder if one == "DIR" else one for one in arguments]
    done = ragopt("check", *given, "--json", cwd=tmp_path, HF_HUB_OFFLINE="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("ragopt: ")
    assert message in done.stderr
