"""An HTTP service around a served index.

Start it with: RAGOPT_INDEX=index uvicorn --app-dir docs fastapi_example:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse

import ragopt
from ragopt.errors import InputError
from ragopt.serve.batcher import QueryBatcher


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the index once, every file compared with its checksum, and the model with it."""
    with ragopt.open(os.environ["RAGOPT_INDEX"], verify="full") as index, QueryBatcher(index) as batcher:
        index.embed_queries(["warm up"])
        app.state.index, app.state.batcher = index, batcher
        yield


# No pages, for those of FastAPI load their scripts from elsewhere; /openapi.json describes the service.
app = FastAPI(title="ragopt", lifespan=lifespan, docs_url=None, redoc_url=None)


@app.exception_handler(ragopt.RagoptError)
def refused(_: Request, error: ragopt.RagoptError) -> JSONResponse:
    """Answer 400 where the question was wrong, 503 where the index cannot answer now."""
    parts = {"failed": error.failed, "allowed": error.allowed, "next_step": error.next_step}
    return JSONResponse(parts, status_code=400 if isinstance(error, InputError) else 503)


@app.get("/search")
def search(q: str, k: Annotated[int, Query(ge=1, le=100)] = 5, where: str | None = None) -> dict[str, Any]:
    """Find chunks; texts are JSON strings, so a page that shows them has to escape them as HTML itself.

    Each request waits in a thread of its own; the batcher answers those that wait at the same time by one search.
    """
    batcher: QueryBatcher = app.state.batcher
    return {"hits": [asdict(hit) for hit in batcher.search(q, k=k, where=where)]}


@app.get("/healthz")
def healthz() -> dict[str, int]:
    """Say which version is served; a server that is still opening its index does not answer yet."""
    index: ragopt.Index = app.state.index
    counts = app.state.batcher.counts()
    return {"version": index.version, "n_chunks": index.n_chunks, "n_questions": counts.n_questions,
            "n_searches": counts.n_calls}  # fmt: skip
