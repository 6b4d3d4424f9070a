import asyncio
from pathlib import Path

import pytest

from app.store import Store


def test_a_page_that_fails_half_way_leaves_neither_records_nor_cursor(tmp_path: Path) -> None:
    async def take_a_bad_page() -> None:
        async with Store.open(str(tmp_path / "receiver.db")) as store:
            await store.enqueue("sync", "user_ada")
            pull = await store.claim()
            assert pull
            with pytest.raises(KeyError):
                await store.take_page(pull, [{"id": "1", "name": "good"}, {"name": "has no id"}], "cursor")
            assert await store.records() == []
            await store.postpone(pull, again_in=-1)
            again = await store.claim()
            assert again and again.cursor is None

    asyncio.run(take_a_bad_page())
