from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import App, Paragon, free_port


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def paragon(port: int) -> Iterator[Paragon]:
    paragon = Paragon(webhook=f"http://127.0.0.1:{port}/webhook")
    yield paragon
    paragon.close()


@pytest.fixture
def app(paragon: Paragon, port: int, tmp_path: Path) -> Iterator[App]:
    app = App(paragon, port, tmp_path / "receiver.db")
    try:
        app.start()
        yield app
    finally:
        app.http.close()
        app.kill()
