"""How the parts hang together: what may import what, what loads when, and what a file may look like."""

import ast
import json
from itertools import pairwise
from pathlib import Path

import pytest

import ragopt
from tests.helpers import ROOT, run_python

PACKAGE = ROOT / "ragopt"

FLOORS = (
    ("errors", "units"),
    ("devices", "records"),
    ("artifacts",),
    ("corpus",),
    ("embed",),
    ("index",),
    ("measure",),
    ("bill",),
    ("cache",),
    ("choose",),
    ("sweep",),
    ("compare",),
    ("serve",),
    ("report",),
    ("finished_run",),
    ("api",),
    ("cache_verb",),
    ("cli",),
)
"""Rooms from the ground up; a room may import those below it and itself."""

FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

HEAVY = (
    "altair", "bs4", "docutils", "faiss", "jinja2", "lancedb", "numpy", "pyarrow", "scipy", "sentence_transformers",
    "torch", "vl_convert", "wordllama",
)  # fmt: skip

MOST_LINES = 400


def sources(folder=PACKAGE):
    return sorted(folder.rglob("*.py"))


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def room_of(path):
    """The first part of a module's name below ragopt; empty for ragopt itself."""
    inside = path.relative_to(PACKAGE).with_suffix("")
    return "" if inside.parts[0] in ("__init__", "__main__") else inside.parts[0]


def imported_rooms(path):
    """Every room that a file imports, wherever in the file, with the line."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "ragopt" and len(parts) > 1 and parts[1] in FLOOR:
                yield parts[1], node.lineno


def named(path):
    return str(path.relative_to(ROOT))


def test_every_room_has_a_floor():
    """A new room takes its place in the table of floors, and no floor is listed twice."""
    rooms = {room_of(path) for path in sources()} - {""}
    assert rooms <= set(FLOOR)
    assert len(FLOOR) == sum(map(len, FLOORS))


@pytest.mark.parametrize("path", sources(), ids=named)
def test_imports_point_down(path):
    """A module imports its own room and lower floors only, also inside functions and for types."""
    room = room_of(path)
    if not room:
        return
    upward = [
        f"{named(path)}:{line} imports {other}"
        for other, line in imported_rooms(path)
        if other != room and FLOOR[other] >= FLOOR[room]
    ]
    assert upward == []


def test_the_ground_floor_stands_alone():
    """errors.py and units.py import nothing of ragopt, so that every file may import them."""
    for room in FLOORS[0]:
        assert list(imported_rooms(PACKAGE / f"{room}.py")) == []


def test_no_relative_imports():
    """Every import names its module in full."""
    found = [
        f"{named(path)}:{node.lineno}"
        for path in [*sources(), *sources(ROOT / "tests"), *sources(ROOT / "eval")]
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert found == []


def test_files_are_short():
    """No file of the package has more than 400 lines."""
    lengths = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_file_is_called_utils():
    """A file is named after its one idea."""
    vague = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py"}
    assert [named(path) for path in sources() if path.name in vague] == []


@pytest.mark.parametrize("room", ["indexes", "datasets"])
def test_data_rooms_hold_no_code(room):
    """indexes/ and datasets/ hold data and descriptions, and can be read without running anything."""
    assert [named(path) for path in sources(ROOT / room)] == []


def test_every_test_states_its_promise():
    """Each test function begins with a docstring."""
    silent = [
        f"{named(path)}::{node.name}"
        for path in sources(ROOT / "tests")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert silent == []


def modules_after(code):
    """Top-level modules that a fresh Python has loaded after some code."""
    answer = run_python(
        f"import sys\n{code}\nimport json\n"
        "print('\\n' + json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    assert answer.returncode == 0, answer.stderr
    return set(json.loads(answer.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import ragopt",
        "import ragopt.errors, ragopt.records, ragopt.units, ragopt.artifacts",
        "from ragopt.cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass",
        "from ragopt.cli.main import main\ntry:\n    main(['--version'])\nexcept SystemExit:\n    pass",
        "from ragopt import Bill, Quality, RagoptError, Recommendation, Run, Space, Trial, TrialResult",
    ],
    ids=["import", "ground floor", "--help", "--version", "records"],
)
def test_heavy_libraries_load_when_first_used(code):
    """Importing ragopt, its records, and asking for help load no numerical, chart, storage or model library."""
    assert modules_after(code) & set(HEAVY) == set()


@pytest.mark.parametrize("command", ["sweep", "recommend", "report"])
def test_help_of_a_command_loads_no_model_and_no_index_library(command):
    """The help of one command loads neither faiss nor torch nor any chart or storage library."""
    loaded = modules_after(
        f"from ragopt.cli.main import main\ntry:\n    main(['{command}', '--help'])\nexcept SystemExit:\n    pass"
    )
    assert loaded & (set(HEAVY) - {"numpy"}) == set()


def test_public_names():
    """The names that users may rely on; a change here is a change of the API."""
    assert sorted(ragopt.__all__) == [
        "Bill", "CacheSettings", "Comparison", "Document", "Hit", "Index", "LogFields", "Quality", "RagoptError",
        "Recommendation", "Run", "Space", "Trial", "TrialResult", "WholeBill", "Workload", "bill", "build", "cache",
        "check", "compare", "open", "recommend", "sweep",
    ]  # fmt: skip
    assert isinstance(ragopt.__version__, str)


@pytest.mark.parametrize(
    "before",
    [
        "",
        "import ragopt.sweep.settings",
        "from ragopt.api import sweep",
        "import ragopt.bill.lines",
        "import ragopt.compare.bills",
    ],
)
def test_public_names_stay_what_they_are(before):
    """ragopt.sweep is the verb, at the first use and at the second, also when the room of that name was imported."""
    answer = run_python(f"""
        import ragopt
        {before}
        for _ in range(2):
            for name in ragopt.__all__:
                print(getattr(ragopt, name).__name__)
    """)
    assert answer.returncode == 0, answer.stderr
    # `ragopt.open` is `open_index` at home, where `open` is Python's own.
    assert answer.stdout.split() == [{"open": "open_index"}.get(name, name) for name in ragopt.__all__] * 2


def test_an_unknown_name_is_an_attribute_error():
    """A misspelt public name fails like that of any other module."""
    with pytest.raises(AttributeError, match="module 'ragopt' has no attribute 'swep'"):
        _ = ragopt.swep


def test_floors_go_up():
    """The table reads from the ground up: the command line is on top, errors at the bottom."""
    order = ["errors", "records", "corpus", "embed", "index", "measure", "bill", "choose", "sweep", "report", "cli"]
    assert all(FLOOR[lower] < FLOOR[upper] for lower, upper in pairwise(order))
    assert Path(ragopt.__file__).parent == PACKAGE
