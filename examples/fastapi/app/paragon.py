"""Reading from Paragon's Sync API."""

import asyncio
import time
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import BaseModel, Field, ValidationError

PAGE_SIZE = 100
TOKEN_LIFETIME = 300


class Unavailable(Exception):
    """It did not work now. It may later, and is not to be tried before `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float = 0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(Exception):
    """There is no such sync, or not for this user, or the cursor is not taken."""

    def __init__(self, status: int) -> None:
        super().__init__(f"refused with {status}")
        self.status = status


class Paging(BaseModel):
    cursor: str | None = None
    remaining: int = Field(alias="remainingRecords")


class Page(BaseModel):
    records: list[dict[str, Any]] = Field(alias="data")
    paging: Paging


class UserTokens:
    """Signs a token for each call: it is never too old, and never another user's."""

    def __init__(self, signing_key: str, project_id: str) -> None:
        # Once: reading a key checks it, which takes much longer than signing with it.
        key = load_pem_private_key(signing_key.encode(), password=None)
        if not isinstance(key, RSAPrivateKey):
            raise TypeError("expected an RSA key")
        self._key = key
        self._audience = f"useparagon.com/{project_id}"

    def mint(self, user_id: str) -> str:
        now = int(time.time())
        claims = {
            "sub": user_id,
            "aud": self._audience,
            "iat": now,
            "exp": now + TOKEN_LIFETIME,
        }
        return jwt.encode(claims, self._key, algorithm="RS256")


class SyncApi:
    def __init__(self, http: httpx.AsyncClient, tokens: UserTokens) -> None:
        self._http = http
        self._tokens = tokens

    async def page(self, sync_id: str, user_id: str, cursor: str | None, timeout: float) -> Page:
        """The records that changed after a cursor; without one, from the start."""
        params: dict[str, str | int] = {"pageSize": PAGE_SIZE} | ({"cursor": cursor} if cursor else {})
        headers = {"Authorization": f"Bearer {self._tokens.mint(user_id)}"}
        path = f"/api/syncs/{quote(sync_id, safe='')}/records"
        try:
            # One time-out for all of it. httpx's own begins anew with each part of the answer that comes.
            async with asyncio.timeout(timeout):
                response = await self._http.get(path, params=params, headers=headers, timeout=None)
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unavailable(f"{path}: {error!r}") from error
        if response.status_code in (400, 403, 404, 410):
            raise Refused(response.status_code)
        if response.status_code != 200:
            raise Unavailable(f"{path}: {response.status_code}", retry_after(response))
        try:
            return Page.model_validate_json(response.content)
        except ValidationError as error:
            raise Unavailable(f"{path}: not a page: {error.errors(include_url=False)[0]['msg']}") from error


def retry_after(response: httpx.Response) -> float:
    """Seconds; the header has them, or a date."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return 0
