"""Pulls what is due, until it works."""

import asyncio
import logging
import random
import time
from contextlib import suppress

from app.paragon import Refused, SyncApi, Unavailable
from app.store import Pull, Store

# All in seconds. After an event the Sync API may still show what was before it, so it is looked at again.
LOOKS = [0.5, 2, 5, 15, 60]
# Events can be lost for good, or the webhook be disabled, so each sync is pulled now and then without one.
IDLE = 300
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 60
FIRST_TIMEOUT, LONGEST_TIMEOUT = 3, 60
# So often a sync was not served to this user: the event was forged, or the sync is deleted. A new event begins anew.
GIVE_UP_AFTER = 20
AT_ONCE = 10

log = logging.getLogger("uvicorn.error")


class Worker:
    def __init__(self, store: Store, api: SyncApi) -> None:
        self._store = store
        self._api = api
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._woken = asyncio.Event()

    async def enqueue(self, sync_id: str, user_id: str) -> None:
        """Returns when it is safe."""
        await self._store.enqueue(sync_id, user_id)
        self._woken.set()

    async def run(self) -> None:
        while True:
            try:
                await self._store.recover()
                await self._dispatch()
            except Exception:
                log.exception("the worker failed, and begins again")
                await asyncio.sleep(FIRST_TIMEOUT)

    async def _dispatch(self) -> None:
        async with asyncio.TaskGroup() as pulls:
            while True:
                # Before the queue is looked at: what comes later wakes us.
                self._woken.clear()
                await self._slots.acquire()
                if pull := await self._store.claim():
                    pulls.create_task(self._work(pull))
                else:
                    self._slots.release()
                    await self._until_due()

    async def _until_due(self) -> None:
        due = await self._store.next_due()
        with suppress(TimeoutError):
            async with asyncio.timeout(None if due is None else max(0, due - time.time())):
                await self._woken.wait()

    async def _work(self, pull: Pull) -> None:
        try:
            await self._pull(pull)
            await self._store.finish(pull, again_in=jitter(LOOKS[pull.looks] if pull.looks < len(LOOKS) else IDLE))
        except Refused as refusal:
            await self._refused(pull, refusal)
        except Unavailable as error:
            log.warning("%s", error)
            await self._store.postpone(pull, again_in=max(back_off(pull), error.retry_after))
        except Exception:
            log.exception("cannot pull %s", pull.sync_id)
            await self._store.postpone(pull, again_in=back_off(pull))
        finally:
            self._slots.release()
            self._woken.set()

    async def _pull(self, pull: Pull) -> None:
        """Pulls page after page, from where the last pull ended until nothing is left."""
        # A slow answer is waited for longer each time, but not from the start.
        timeout = min(FIRST_TIMEOUT * 2 ** min(pull.failures, 10), LONGEST_TIMEOUT)
        cursor = pull.cursor
        while True:
            page = await self._api.page(pull.sync_id, pull.user_id, cursor, timeout)
            if not page.records:
                return
            # The last page may come without a cursor: what was pulled stays pulled.
            before, cursor = cursor, page.paging.cursor or cursor
            await self._store.take_page(pull, page.records, cursor)
            if page.paging.remaining <= 0 or cursor == before:
                return

    async def _refused(self, pull: Pull, refusal: Refused) -> None:
        """Nothing that is held is dropped for it: the event may have named a wrong user."""
        log.warning("sync %s of user %s: %s", pull.sync_id, pull.user_id, refusal)
        if pull.failures >= GIVE_UP_AFTER:
            await self._store.forget(pull)
        else:
            # Cursors are stable, but nobody promises for how long.
            await self._store.postpone(pull, again_in=back_off(pull), start_over=refusal.status == 400)


def back_off(pull: Pull) -> float:
    return jitter(min(FIRST_PAUSE * 2 ** min(pull.failures, 20), LONGEST_PAUSE))


def jitter(seconds: float) -> float:
    """What failed together is not tried again together."""
    return seconds * random.uniform(0.8, 1.2)
