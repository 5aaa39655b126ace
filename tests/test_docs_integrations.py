"""docs/integrations.md and docs/fastapi_example.py do what they say."""

import re
import shlex
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

import ragopt
from tests.cli import environment
from tests.cli import ragopt as run_ragopt
from tests.helpers import ROOT

PAGE = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which the page's commands have been run."""
    made = tmp_path_factory.mktemp("integrations")
    (made / "datasets").symlink_to(ROOT / "datasets")
    (commands,) = re.findall(r"<!-- tested -->\n```sh\n(.*?)```", PAGE, flags=re.DOTALL)
    for line in commands.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "ragopt"
        done = run_ragopt(*arguments, "--cache-dir", made / "cache", cwd=made, PYTHONPATH=str(ROOT))
        assert done.returncode == 0, (line, done.stderr)
    return made


def test_programs_print_what_the_page_shows(folder):
    """The Python blocks, run one after the other as one program, print the blocks that follow them."""
    pairs = re.findall(r"<!-- tested -->\n```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(pairs) == PAGE.count("```python") == 3
    end = "=== end of block ==="
    program = f"\nprint({end!r})\n".join(code for code, _ in pairs)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=folder,
                          env=environment(PYTHONPATH=str(ROOT)), timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(f"{end}\n") == [printed for _, printed in pairs]


QUESTIONS = (
    "How often do I have to feed a sourdough starter?", "What may go on a compost heap?", "oil for a bicycle chain",
    "Why does bread go stale?", "white fur under tomato leaves", "a starter that is hungry", "wipe the chain", "mould",
)  # fmt: skip


@pytest.fixture(scope="module")
def served(folder):
    """The example under uvicorn, as a process of its own: a client, what searches find, and the folder's version."""
    place = shutil.copytree(folder / "index", folder / "served")
    with ragopt.open(place) as index:
        document = ragopt.Document("unsafe", "", "<script>alert('tea')</script> brewing tea", {"section": "tea"})
        version = index.add([document], split=False).version
        expected = {question: index.search(question, 3) for question in QUESTIONS}
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(ROOT / "docs"), "--port", "0", "--no-access-log",
               "fastapi_example:app"]  # fmt: skip
    env = environment(PYTHONPATH=str(ROOT), RAGOPT_INDEX=str(place))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder, env=env) as server:
        try:
            said = ""
            while not (address := re.search(r"running on (http://\S+)", said)):
                line = server.stderr.readline()
                assert line, said
                said += line
            with httpx.Client(base_url=address[1], timeout=60) as client:
                yield client, expected, version
        finally:
            server.send_signal(signal.SIGTERM)
            rest = server.communicate(timeout=60)[1]
    assert "Application shutdown complete" in rest, rest


def test_a_served_question_gets_what_a_search_finds(served):
    """Ids, titles and scores are those of the index, opened here."""
    client, expected, _ = served
    answer = client.get("/search", params={"q": QUESTIONS[0], "k": 3})
    assert answer.status_code == 200
    hits = answer.json()["hits"]
    assert [(hit["id"], hit["title"], hit["text"]) for hit in hits] == [
        (hit.id, hit.title, hit.text) for hit in expected[QUESTIONS[0]]
    ]
    assert [hit["score"] for hit in hits] == pytest.approx([hit.score for hit in expected[QUESTIONS[0]]], abs=1e-6)


def test_texts_leave_as_json(served):
    """A text with markup in it is a JSON string of an answer that no browser takes for a page; there are no pages."""
    client, _, _ = served
    answer = client.get("/search", params={"q": "tea", "where": "section = 'tea'"})
    assert answer.headers["content-type"] == "application/json"
    assert [hit["text"] for hit in answer.json()["hits"]] == ["<script>alert('tea')</script> brewing tea"]
    assert [client.get(page).status_code for page in ("/docs", "/redoc", "/")] == [404, 404, 404]


def test_wrong_questions_are_refused_with_the_reason(served):
    """A bad filter and a question without words are 400 with the error's three parts; a bad number is 422."""
    client, _, _ = served
    answer = client.get("/search", params={"q": "tea", "where": "nosuch = 1"})
    assert answer.status_code == 400
    assert answer.json()["failed"].startswith("The filter 'nosuch = 1' cannot be used:")
    assert "section string" in answer.json()["allowed"]
    assert answer.json()["next_step"] == "Write it like: section = 'billing' AND year >= 2024"
    assert client.get("/search", params={"q": ""}).status_code == 400
    assert client.get("/search", params={"q": "tea", "k": 0}).status_code == 422
    assert client.get("/search").status_code == 422


def test_concurrent_callers_each_get_their_own_answer(served):
    """Eight questions at once, one of them with a bad filter, are each answered as if asked alone."""
    client, expected, version = served
    before = client.get("/healthz").json()

    def asked(question):
        return client.get("/search", params={"q": question, "k": 3})

    with ThreadPoolExecutor(len(QUESTIONS) + 1) as callers:
        bad = callers.submit(client.get, "/search", params={"q": "tea", "k": 3, "where": "nosuch = 1"})
        answers = dict(zip(QUESTIONS, callers.map(asked, QUESTIONS), strict=True))
        assert bad.result().status_code == 400
    for question, answer in answers.items():
        assert [hit["id"] for hit in answer.json()["hits"]] == [hit.id for hit in expected[question]]
    after = client.get("/healthz").json()
    assert after["n_questions"] - before["n_questions"] == len(QUESTIONS) + 1
    assert after["version"] == version
