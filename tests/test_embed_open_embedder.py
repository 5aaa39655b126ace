import subprocess
import sys

import pytest

from ragopt.embed.open_embedder import open_embedder
from ragopt.errors import InputError

CHOICES = "Allowed: wordllama, openai:MODEL, a sentence-transformers name"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("wordlama", "did you mean wordllama"),
        ("WordLlama", "did you mean wordllama"),
        ("./nowhere", "no such folder"),
        ("/no/such/folder", "no such folder"),
        ("~/nowhere", "no such folder"),
        ("a/b/c", "no such folder"),
        ("openai:", "only openai:MODEL has a colon"),
        ("cohere:embed", "only openai:MODEL has a colon"),
    ],
)
def test_unknown_models_list_the_known_ones(model, reason):
    """A name that cannot be anything says why and what there is."""
    with pytest.raises(InputError, match=reason) as caught:
        open_embedder(model)
    assert CHOICES in str(caught.value)


@pytest.mark.parametrize("model", ["", " ", "a|b", "openai:a | b", " wordllama", "a\nb", "a\0b"])
def test_names_must_print_and_parse(model):
    """A name that a trial could not print and read back is refused."""
    with pytest.raises(InputError, match="cannot be printed in a trial"):
        open_embedder(model)


def test_a_name_without_end_is_refused():
    """A name that no file system takes is an error of ours, in one short line."""
    with pytest.raises(InputError, match="a part of more than 255 characters") as caught:
        open_embedder("x" * 5000)
    assert len(str(caught.value)) < 200


def test_folder_names_must_print_and_parse(tmp_path):
    """The last part of a folder is what is printed, so that is what is checked."""
    (tmp_path / "a|b").mkdir()
    with pytest.raises(InputError, match=r"'a\|b' cannot be printed"):
        open_embedder(str(tmp_path / "a|b"))


def test_a_missing_extra_says_how_to_get_it():
    """Without sentence-transformers the error is the pip line, and nothing heavy was imported to find out."""
    code = (
        "import sys, importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'sentence_transformers' else find(name, *a)\n"
        "from ragopt.embed.open_embedder import open_embedder\n"
        "from ragopt.errors import MissingExtra\n"
        "try: open_embedder('all-MiniLM-L6-v2')\n"
        "except MissingExtra as error: print(error)\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "all-MiniLM-L6-v2" in done.stdout
    assert "pip install 'ragopt[models]'" in done.stdout
