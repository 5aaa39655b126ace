import inspect
import pickle

import pytest

from ragopt import errors
from ragopt.errors import InputError, MissingExtra, NothingFits, RagoptError, StorageError

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, RagoptError)]


def test_message_joins_what_failed_what_is_allowed_and_the_next_step():
    """The message is three sentences, each closed by one full stop, and the parts stay readable apart."""
    error = InputError("--k 0 is too small", allowed="1 or more", next_step="Correct --k")
    assert str(error) == "--k 0 is too small. Allowed: 1 or more. Correct --k."
    assert (error.failed, error.allowed, error.next_step) == ("--k 0 is too small", "1 or more", "Correct --k")


def test_message_without_allowed_values():
    """Nothing is said of allowed values where that says nothing, and a final stop or question mark is kept."""
    assert str(InputError("It failed", next_step="Try again.")) == "It failed. Try again."
    assert str(InputError("It failed", next_step="Is the disk full?")) == "It failed. Is the disk full?"


@pytest.mark.parametrize("kind", KINDS)
def test_errors_survive_pickling(kind):
    """An error raised in a worker process arrives with its type and its parts."""
    error = kind("a", allowed="b", next_step="c")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is kind
    assert (str(again), again.failed, again.allowed, again.next_step) == ("a. Allowed: b. c.", "a", "b", "c")


def test_every_kind_is_in_the_tree_at_the_top_of_the_file():
    """The drawing at the top of errors.py names every error, with the built-in that it also is."""
    drawing = errors.__doc__ or ""
    for kind in KINDS:
        builtin = [base.__name__ for base in kind.__bases__ if not issubclass(base, RagoptError)]
        named = f"{kind.__name__} ({builtin[0]})" if builtin and builtin != ["Exception"] else kind.__name__
        assert named in drawing


def test_exit_codes():
    """Nothing that fits is exit code 3, every other error 1."""
    assert {kind: kind.exit_code for kind in KINDS if kind.exit_code != 1} == {NothingFits: 3}


def test_missing_extra_prints_the_pip_line():
    """A missing extra says what needs it and how to install it, and is an ImportError."""
    error = MissingExtra.for_extra("PDF reading", "pdf")
    assert "PDF reading needs packages" in str(error)
    assert "pip install 'ragopt[pdf]'" in str(error)
    assert isinstance(error, ImportError)


def test_storage_error_is_an_os_error():
    """A full disk can be caught as OSError by callers that know nothing of ragopt."""
    with pytest.raises(OSError, match="Free some space"):
        raise StorageError("Cannot write x", next_step="Free some space")
