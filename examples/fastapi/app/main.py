"""The webhook. An event is written down, then answered; the worker does the rest.

PARAGON_PROJECT_ID=… PARAGON_SIGNING_KEY="$(cat key.pem)" uvicorn app.main:app
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, Field, ValidationError

from app.paragon import SyncApi, UserTokens
from app.settings import Settings
from app.store import Store
from app.worker import Worker


class ConnectedUser(BaseModel):
    id: str


class Event(BaseModel):
    """What is read of an event. All else is let through, so that new members and new events do no harm."""

    event: str
    # The probe `webhook_verification` has neither.
    sync_id: str | None = Field(None, alias="syncInstanceId")
    user: ConnectedUser | None = None


async def parsed(request: Request) -> Event:
    """Reads the raw body: nothing is promised about its content type. What is no event is answered 4xx."""
    try:
        return Event.model_validate_json(await request.body())
    except ValidationError as error:
        raise HTTPException(422, error.errors(include_url=False, include_input=False, include_context=False)) from error


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = Settings()  # type: ignore[call-arg]  # from the environment
    tokens = UserTokens(settings.paragon_signing_key, settings.paragon_project_id)
    async with Store.open(settings.database) as store, httpx.AsyncClient(base_url=settings.paragon_api_url) as http:
        app.state.store = store
        app.state.worker = Worker(store, SyncApi(http, tokens))
        app.state.expose_state = settings.expose_state
        working = asyncio.create_task(app.state.worker.run())
        yield
        working.cancel()
        await asyncio.wait([working])


app = FastAPI(lifespan=lifespan)


@app.post("/webhook")
async def receive(event: Annotated[Event, Depends(parsed)], request: Request) -> dict[str, str]:
    # Every event of a sync means the same: pull it. What happened is told by the pages, not by the event: webhooks are
    # not signed, come twice, late, and in any order.
    if event.event.startswith(("sync_", "record_")) and event.sync_id and event.user:
        worker: Worker = request.app.state.worker
        await worker.enqueue(event.sync_id, event.user.id)
    return {"status": "received"}


@app.get("/state")
async def state(request: Request) -> dict[str, Any]:
    """What is held, in the form of the state probe of paragon-testkit. Not there unless EXPOSE_STATE is set."""
    if not request.app.state.expose_state:
        raise HTTPException(404)
    store: Store = request.app.state.store
    held = await store.records()
    return {"records": [{"syncInstanceId": sync, "recordId": id, "record": record} for sync, id, record in held]}
