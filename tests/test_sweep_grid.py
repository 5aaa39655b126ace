from pathlib import Path

import pytest

from ragopt.choose import is_exact
from ragopt.errors import InputError, SpecError
from ragopt.index.factory import parse_factory
from ragopt.records import Trial
from ragopt.sweep.grid import IVF_MIN_VECTORS, default_codecs, default_grid, read_grid, rescored_codecs
from ragopt.sweep.groups import search_value
from tests.helpers import ROOT

RECIPES = sorted((ROOT / "indexes" / "recipes").glob("*.toml"))
DIMS = (256, 384, 768, 1024, 100, 48)


def spaces_of(trials):
    return {trial.space for trial in trials}


@pytest.mark.parametrize("dim", DIMS)
def test_default_grid_is_large_and_its_baseline_comes_first(dim):
    """Every model gets at least 100 distinct trials, the float32 baseline first and only once."""
    trials = default_grid("m", dim, 1000)
    assert len(trials) >= 100
    assert len(set(trials)) == len(trials)
    assert str(trials[0]) == f"m@{dim}:none | Flat"
    assert [trial for trial in trials if is_exact(trial)] == [trials[0]]


@pytest.mark.parametrize("dim", [256, 384, 768, 1024])
def test_default_grid_counts_of_usual_models(dim):
    """Usual dimensions give nine spaces: the full one and four dimensions by truncation and by PCA."""
    trials = default_grid("m", dim, 1000)
    assert len(spaces_of(trials)) == 9
    # Flat; 12 codecs in 9 spaces, 10 where cut; 9 rescored at full dimension, 8 in each of 4, by 2 tiers at 5 depths.
    assert len(trials) == 1 + 12 * 5 + 10 * 4 + 2 * 5 * (9 + 8 * 4) == 511


@pytest.mark.parametrize("dim", [*DIMS, 1, 7, 8, 64, 1536])
@pytest.mark.parametrize("n_vectors", [1000, 1_000_000])
def test_every_default_factory_can_be_built_for_its_space(dim, n_vectors):
    """Every factory parses for its space's dimension, and every search string asks for what its factory has."""
    for trial in default_grid("m", dim, n_vectors):
        factory = parse_factory(trial.factory, trial.space.dim)
        assert ("k_factor_rf" in trial.search) == (factory.refine is not None)
        assert ("nprobe" in trial.search) == (factory.nlist > 0)
        assert search_value(trial.search, "k_factor_rf") >= 1
        assert Trial.parse(str(trial)) == trial


@pytest.mark.parametrize("dim", DIMS)
def test_rescored_trials_use_full_dimension(dim):
    """A rescored trial keeps the full space and reduces inside its factory: a reduced space could not find it again."""
    rescored = [trial for trial in default_grid("m", dim, 1000) if "Refine" in trial.factory]
    assert spaces_of(rescored) == {Trial.parse(f"m@{dim}:none | Flat").space}
    assert any(trial.factory.startswith("PCAR") for trial in rescored)


def test_inverted_lists_only_above_50_000_vectors():
    """IVF trials are added, and nothing else changes, as soon as the corpus has more than 50,000 vectors."""
    small, large = default_grid("m", 256, IVF_MIN_VECTORS), default_grid("m", 256, IVF_MIN_VECTORS + 1)
    assert not any("IVF" in trial.factory for trial in small)
    assert large[: len(small)] == small
    added = large[len(small) :]
    assert len(added) == 27
    assert all(trial.factory.startswith("IVF256,") for trial in added)


def test_default_codecs_by_hand():
    """For 100 dimensions the numbers of parts are the largest divisors below 1/4, 1/8, 1/16 and 1/2."""
    assert default_codecs(100) == (
        "SQ8", "SQ6", "SQ4", "PQ25np", "PQ10np", "PQ5np", "PQ50x4fs", "PQ25x4fs", "PQ10x4fs", "RaBitQ4",
        "RaBitQ2", "RaBitQ",
    )  # fmt: skip


def test_codes_under_a_rescoring_tier_are_short():
    """Under a tier codes go down to a part per 32 dimensions; multi-bit RaBitQ, whose search is not shared, is out."""
    assert rescored_codecs(128) == (
        "PQ32np", "PQ16np", "PQ8np", "PQ4np", "PQ64x4fs", "PQ32x4fs", "PQ16x4fs", "RaBitQ",
    )  # fmt: skip


@pytest.mark.parametrize("dim", [256, 384])
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_worked_recipes_can_be_read(path, dim):
    """Every recipe that is shipped says what it is for, and its factories suit models of 256 and 384 dimensions."""
    trials = read_grid(path, "m", dim)
    assert len(trials) > 10
    assert is_exact(trials[0])
    assert path.read_text(encoding="utf-8").startswith('about = """\n')


def test_worked_recipes_are_those_that_are_named():
    """The three recipes that the documentation names are there."""
    assert {"small-codes", "no-rescoring", "ivf"} <= {path.stem for path in RECIPES}


def recipe(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "grid.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recipe_is_crossed_table_by_table(tmp_path):
    """Each table is spaces by factories by searches, in that order; the baseline is added and nothing comes twice."""
    path = recipe(
        tmp_path,
        """
        about = "a small one"
        [[grid]]
        spaces = ["full", "4:pca"]
        factories = ["SQ8", "PQ2np"]
        [[grid]]
        factories = ["SQ4,Refine(SQ8)"]
        search = ["k_factor_rf=2", "k_factor_rf=4"]
        [[grid]]
        factories = ["SQ8", "Flat"]
        """,
    )
    assert [str(trial) for trial in read_grid(path, "m", 8)] == [
        "m@8:none | Flat",
        "m@8:none | SQ8",
        "m@8:none | PQ2np",
        "m@4:pca | SQ8",
        "m@4:pca | PQ2np",
        "m@8:none | SQ4,Refine(SQ8) | k_factor_rf=2",
        "m@8:none | SQ4,Refine(SQ8) | k_factor_rf=4",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[grid]\n", "is not TOML"),
        ("", r"has the keys \(none\).*about, \[\[grid\]\]"),
        ("grid = []\n", "has the keys grid"),
        ("grid = [1, 2]\n", "has the keys grid"),
        ('grid = ["SQ8"]\n', "has the keys grid"),
        ('[grid]\nfactories = ["SQ8"]\n', "has the keys grid"),
        ('grids = 1\n[[grid]]\nfactories = ["SQ8"]\n', "has the keys grids, grid"),
        ('[[grid]]\nfactory = ["SQ8"]\n', "unknown key 'factory'.*spaces, factories, search"),
        ('[[grid]]\nfactories = "SQ8"\n', "factories is 'SQ8'.*a list of at least one text"),
        ("[[grid]]\nfactories = [8]\n", r"factories is \[8\]"),
        ("[[grid]]\nfactories = []\n", r"factories is \[\]"),
        ('[[grid]]\nspaces = ["full"]\n', "factories is None"),
        ('[[grid]]\nspaces = ["16:pca"]\nfactories = ["SQ8"]\n', "m@16:pca does not fit a model of 8 dimensions"),
        ('[[grid]]\nspaces = ["4:none"]\nfactories = ["SQ8"]\n', "m@4:none does not fit"),
    ],
)
def test_a_wrong_recipe_is_an_input_error(tmp_path, text, message):
    """Each way to write a recipe wrongly is told apart, with the file's name and what would be read."""
    path = recipe(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        read_grid(path, "m", 8)
    assert str(path) in str(caught.value)


def test_a_factory_that_does_not_divide_says_which_do(tmp_path):
    """PQ3 of eight dimensions is refused with the numbers of parts that are possible."""
    path = recipe(tmp_path, '[[grid]]\nfactories = ["PQ3np"]\n')
    with pytest.raises(SpecError, match=r"8 dimensions do not split into 3 equal parts.*1, 2, 4, 8"):
        read_grid(path, "m", 8)


def test_an_unreadable_space_says_how_to_write_it(tmp_path):
    """A space that cannot be parsed is refused with its form."""
    path = recipe(tmp_path, '[[grid]]\nspaces = ["four:pca"]\nfactories = ["SQ8"]\n')
    with pytest.raises(SpecError, match="Cannot read the space 'm@four:pca'"):
        read_grid(path, "m", 8)


def test_missing_and_unreadable_files(tmp_path):
    """A file that is missing, a folder, and bytes that are no text each get their own message."""
    with pytest.raises(InputError, match=r"none.toml does not exist.*indexes/recipes"):
        read_grid(tmp_path / "none.toml", "m", 8)
    with pytest.raises(InputError, match=r"Cannot read --grid .*Is a directory"):
        read_grid(tmp_path, "m", 8)
    path = tmp_path / "grid.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not TOML"):
        read_grid(path, "m", 8)


def test_search_that_a_factory_cannot_take_is_refused(tmp_path):
    """A search string is checked against every factory that it is crossed with, before anything is built."""
    recipe = tmp_path / "grid.toml"
    recipe.write_text('[[grid]]\nfactories = ["SQ8", "SQ8,Refine(Flat)"]\nsearch = ["", "k_factor_rf=4"]\n')
    with pytest.raises(SpecError, match="SQ8 has no k_factor_rf"):
        read_grid(recipe, "m", 32)


def test_rescoring_inside_a_reduced_space_is_refused(tmp_path):
    """Refine in a reduced space is an error that says how to write it with the reduction inside the factory."""
    path = recipe(
        tmp_path, '[[grid]]\nspaces = ["16:pca"]\nfactories = ["PQ8np,Refine(SQ8)"]\nsearch = ["k_factor_rf=2"]\n'
    )
    with pytest.raises(SpecError, match="PCAR16,PQ8np,Refine"):
        read_grid(path, "m", 32)
