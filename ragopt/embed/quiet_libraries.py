"""What sentence-transformers prints and leaves behind while it works, held back and put right."""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

NOISY_LOGGERS = ("sentence_transformers", "transformers", "huggingface_hub")


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Hold back notices and progress bars of the libraries while a model loads, and restore them afterwards."""
    # By name, because its functions carry no types.
    transformers_logging: Any = importlib.import_module("transformers.utils.logging")
    loggers = [logging.getLogger(name) for name in NOISY_LOGGERS]
    levels = [logger.level for logger in loggers]
    bar_was_on = transformers_logging.is_progress_bar_enabled()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bar_was_on:
            transformers_logging.enable_progress_bar()
        forget_empty_datasets()


def forget_empty_datasets() -> None:
    """Undo the import of a mere folder named ``datasets``.

    sentence-transformers tries `import datasets`. Where that package is absent and the working folder, being on the
    path, holds a folder of that name, the import gives an empty module, and lancedb (0.40) fails when it sees it.
    """
    module = sys.modules.get("datasets")
    if module is not None and getattr(module, "__file__", None) is None:
        del sys.modules["datasets"]
