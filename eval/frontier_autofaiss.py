"""autofaiss rows: the index it chooses for a memory budget, in an environment of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from frontier_faiss import Faiss
from frontier_peer import Knob

REQUIREMENTS = ("autofaiss==2.18.0", "faiss-cpu==1.8.0.post1", "numpy==1.26.4", "pyarrow==19.0.1", "scipy==1.17.1")
"""autofaiss 2.18 calls OPQMatrix with a keyword that faiss 1.9 renamed; that faiss needs numpy 1, which pyarrow 20 and
later refuse. pip resolves to a faiss that fails at run time if the last is not named."""

MOST_NPROBE = 4096
MOST_EF = 4096
"""Both are beyond what any index of this size holds or needs; nprobe is cut at the number of lists."""


class Autofaiss(Faiss):
    """`build_index` with a budget; it picks the factory and tunes the search to 10 ms, its default limit.

    That tuning times searches here and now: a busy machine gets a smaller nprobe or efSearch.
    """

    modules = ("faiss",)
    distributions = ("autofaiss", "faiss-cpu")

    def __init__(self, name: str, budget: str | None, note: str = "") -> None:
        """Keep the budget; None leaves its default of 16G."""
        super().__init__(name, "", note=note)
        self.budget = budget
        self.label = f"autofaiss, max_index_memory_usage={budget or '16G (default)'}"
        self._tuned = ""

    def python(self, work: Path) -> str:
        """Make the environment once and reuse it."""
        venv = work / "autofaiss-venv"
        python = venv / "bin" / "python"
        if not (venv / "ready").exists():
            subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
            (venv / "ready").touch()
        return str(python)

    def build(self, corpus: Any, folder: Path) -> dict[str, Any]:
        """Let it choose, train, add and tune."""
        from autofaiss import build_index  # noqa: PLC0415 - only in its own environment

        budget = {"max_index_memory_usage": self.budget} if self.budget else {}
        _, infos = build_index(corpus, index_path=str(folder / "index.faiss"), metric_type="ip", verbose=30,
                               index_infos_path=str(folder / "infos.json"), **budget)  # fmt: skip
        return {key: infos[key] for key in ("index_key", "index_param", "size in bytes") if infos and key in infos}

    def open(self, folder: Path) -> None:
        """Load as its users do, with the parameters that it chose as the default of the knob."""
        import faiss  # noqa: PLC0415 - loaded when first used

        infos = json.loads((folder / "infos.json").read_text())
        self._index, self._tuned = faiss.read_index(str(folder / "index.faiss")), infos["index_param"]
        self.label += f": `{infos['index_key']}`"
        faiss.ParameterSpace().set_index_parameters(self._index, self._tuned)
        tuned = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", self._tuned)}
        if "nprobe" in tuned:
            most = min(MOST_NPROBE, faiss.extract_index_ivf(self._index).nlist)
            self.knobs = (Knob("nprobe", tuned["nprobe"], most),)
        elif "efSearch" in tuned:
            self.knobs = (Knob("efSearch", tuned["efSearch"], MOST_EF),)

    def sizes(self, folder: Path, n: int, dim: int) -> Any:
        """HNSW links grow with the corpus: there all of the file does."""
        import faiss  # noqa: PLC0415 - loaded when first used
        from frontier_graphs import all_in_ram  # noqa: PLC0415 - loaded when first used

        if isinstance(self._index, faiss.IndexHNSW):
            return all_in_ram(folder, n)
        return super().sizes(folder, n, dim)


def rows() -> list[Autofaiss]:
    """A free choice, and one under the memory that a strong compression needs."""
    return [Autofaiss("autofaiss-default", None), Autofaiss("autofaiss-4mb", "4MB")]
