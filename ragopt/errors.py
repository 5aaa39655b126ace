"""The error tree: every failure a user can meet, each with its next step.

RagoptError
├── InputError (ValueError)          a file, option or value that the user gave
│   └── DeviceFull                   an accelerator with too little memory
├── SpecError (ValueError)           a space, factory, search or trial string
├── PriceError (LookupError)         a price that is missing or disagrees with itself
├── ArtifactError                    a stored result that is damaged or from another version
├── IndexFormatError                 a saved index that does not match its manifest
├── IndexBusy                        a served index that another process is writing
├── StorageError (OSError)           a disk that is full or cannot be written
├── EmbeddingServiceError            an embedding endpoint that refuses or misbehaves
├── ServiceBusy                      more questions wait than a service may hold
├── ServiceClosed                    a question to a service that was closed
├── WorkerError                      a process of ours that ended or failed while it embedded
├── MissingExtra (ImportError)       a part that needs ``pip install 'ragopt[...]'``
└── NothingFits                      no trial meets the limits (exit code 3)

The command line turns a RagoptError into one message on standard error; see ``ragopt/cli``.
"""


def visible(text: str) -> str:
    r"""Spell out control and direction characters but line ends: a name in a message must not steer a terminal or log.

    >>> visible("the id a\x1b[31m")
    'the id a\\x1b[31m'
    """
    return "".join(
        one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode("ascii") for one in text
    )


class RagoptError(Exception):
    """A failure with what failed, what was allowed and what to do next.

    Args:
        failed: what failed, with the offending value in it; no final full stop.
        allowed: what would have been accepted; empty when that says nothing.
        next_step: what the user can do now; never empty.
    """

    exit_code = 1

    def __init__(self, failed: str, *, next_step: str, allowed: str = "") -> None:
        """Join the three parts into one message and keep them apart as attributes."""
        self.failed = failed
        self.allowed = allowed
        self.next_step = next_step
        parts = [f"{failed}."]
        if allowed:
            parts.append(f"Allowed: {allowed}.")
        parts.append(next_step if next_step.endswith((".", "?")) else f"{next_step}.")
        super().__init__(visible(" ".join(parts)))

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling: workers in other processes raise these too."""
        return (_rebuild, (type(self), self.failed, self.next_step, self.allowed))


def _rebuild(kind: type[RagoptError], failed: str, next_step: str, allowed: str) -> RagoptError:
    return kind(failed, next_step=next_step, allowed=allowed)


class InputError(RagoptError, ValueError):
    """A file, option or value that the user gave cannot be used."""


class DeviceFull(InputError):
    """An accelerator has too little memory for what cannot be cut: no trial of it can be measured or left out."""


class SpecError(RagoptError, ValueError):
    """A space, factory, search or trial string cannot be parsed or built."""


class PriceError(RagoptError, LookupError):
    """A price is missing from the book or disagrees with itself."""


class ArtifactError(RagoptError):
    """A stored result is damaged or comes from another version."""


class IndexFormatError(RagoptError):
    """A saved index does not match its manifest."""


class IndexBusy(RagoptError):
    """A served index is being written by another process."""


class StorageError(RagoptError, OSError):
    """A file cannot be written: the disk is full or the folder is read-only."""


class EmbeddingServiceError(RagoptError):
    """An embedding endpoint refused or answered nonsense after every retry."""


class ServiceBusy(RagoptError):
    """More questions wait for an answer than a service may hold."""


class ServiceClosed(RagoptError):
    """A question came to a service after it was closed."""


class WorkerError(RagoptError):
    """A worker process ended, or failed for another reason than the user's input."""


class MissingExtra(RagoptError, ImportError):
    """A part of ragopt needs packages that are not installed."""

    @classmethod
    def for_extra(cls, what: str, extra: str) -> "MissingExtra":
        """Say which pip line brings the packages that `what` needs."""
        return cls(f"{what} needs packages that are not installed", next_step=f"Run: pip install 'ragopt[{extra}]'")


class NothingFits(RagoptError):
    """No trial meets the limits."""

    exit_code = 3
