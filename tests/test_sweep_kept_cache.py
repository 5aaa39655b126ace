"""A cache advice kept in a finished run."""

from dataclasses import replace

import pytest

from ragopt.api import recommend, with_recommendation
from ragopt.errors import StorageError
from ragopt.sweep import kept_cache
from ragopt.sweep.kept_cache import cache_of, write_cache
from ragopt.sweep.run_folder import read_run, write_decision
from tests.cache_example import ADVICE, with_example_cache
from tests.report_example import example_run


@pytest.fixture
def kept(tmp_path):
    """A finished run in a folder, without a cache."""
    run = example_run()
    write_decision(tmp_path, run)
    return read_run(tmp_path)
