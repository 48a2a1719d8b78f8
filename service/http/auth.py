"""Who may ask: tokens and their scopes, the path's ids, and how often.

The order of refusals is fixed: no such path or method (the router's), 401 for the token, 400 for an id in the path, 403
for a scope or organization that is not the token's, 429; only then is the body looked at. A token of one organization
gets the same 403 for any other, so that nobody learns which exist.

`reports` reads, `ingest` writes events. `admin` is for tools that manage an installation: no endpoint here asks for it
and it includes neither of the others, so that a token does what its list of scopes says and nothing else.
"""

import asyncio
import logging
from typing import NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler

from sidedata.clock import Clock
from sidedata.errors import SidedataError
from sidedata.events.decode import canonical_uuid
from sidedata.redis.client import Client, translated
from sidedata.redis.scripts import script
from sidedata.schema import tokens
from sidedata.schema.tokens import Scope, TokenRecord
from sidedata.service.http.endpoint import ENDPOINTS
from sidedata.service.http.problems import FieldFault, ProblemError
from sidedata.service.http.state import redis_time
from sidedata.settings import Settings

# A revoked token must stop within 5 seconds; on a stream this and the pause between two looks add up.
REMEMBERED_SECONDS = 2.0
_MOST_REMEMBERED = 10_000
_RATE_SECONDS = 2  # the counter outlives its second, so that clocks of several processes may differ a little

_RATE = script("rate")

_log = logging.getLogger("sidedata.service")


class _Found(NamedTuple):
    record: TokenRecord
    at: float


class Guard:
    """Knows tokens: found ones for two seconds, unknown ones not at all."""

    def __init__(self, client: Client, settings: Settings, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._limit = settings.rate_limit
        self._found: dict[str, _Found] = {}
        self._searches: dict[str, asyncio.Task[TokenRecord | None]] = {}
        self._noted: dict[str, float] = {}  # by the token's id: when its use was last told to Redis
        self._notes: set[asyncio.Task[None]] = set()

    async def find(self, token: str) -> TokenRecord | None:
        """The token's record; None if it is unknown, revoked or expired. Concurrent askers share one question.

        Raises:
            StoreUnavailableError: Redis is out of reach.
        """
        now = self._clock.now()
        remembered = self.remembered(token, now)
        if remembered is not None:
            return remembered
        search = self._searches.get(token)
        if search is None:
            search = asyncio.create_task(self._search(token, now))
            self._searches[token] = search
            search.add_done_callback(lambda done: self._searched(token, done))
        # Shielded: one asker that gives up must not take the answer from the others.
        return await asyncio.shield(search)

    def remembered(self, token: str, now: float) -> TokenRecord | None:
        """The record if it was found a moment ago and hasn't expired since; None says nothing."""
        found = self._found.get(token)
        if found is None or not 0 <= now - found.at < REMEMBERED_SECONDS or found.record.expired(now):
            return None
        return found.record

    async def _search(self, token: str, now: float) -> TokenRecord | None:
        record = await tokens.find(self._client, token, now)
        self._found.pop(token, None)
        if record is not None:
            if len(self._found) >= _MOST_REMEMBERED:
                del self._found[next(iter(self._found))]
            self._found[token] = _Found(record, now)
            self._note(record.id, now)
        return record

    def _note(self, token_id: str, now: float) -> None:
        """Have the token's use written down, if that wasn't done for a minute; nobody waits for it."""
        if 0 <= now - self._noted.get(token_id, float("-inf")) < tokens.USED_SECONDS:
            return
        if len(self._noted) >= _MOST_REMEMBERED:
            self._noted.clear()
        self._noted[token_id] = now
        note = asyncio.create_task(self._write_note(token_id, now))
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)

    async def _write_note(self, token_id: str, now: float) -> None:
        try:
            await tokens.note_use(self._client, token_id, now)
        except SidedataError as error:  # a service that may only read has no last uses, which is no trouble
            _log.debug("the use of token %s was not noted: %s", token_id, error)

    async def close(self) -> None:
        """End what was begun for requests that may be over."""
        begun = [*self._notes, *self._searches.values()]
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)

    def _searched(self, token: str, search: asyncio.Task[TokenRecord | None]) -> None:
        self._searches.pop(token, None)
        if not search.cancelled():
            search.exception()  # whoever still waits is told; if nobody does, it isn't worth a warning

    async def admit(self, request: web.Request, scope: Scope) -> None:
        """Let the request pass, its path ids put in lower case under `ORGANIZATION` and `WORKFLOW`.

        Raises:
            ProblemError: 401, 400, 403 or 429.
            StoreUnavailableError: Redis is out of reach.
        """
        token = bearer(request)
        record = self.remembered(token, self._clock.now()) if token else None
        if token and record is None:
            async with redis_time(request):
                record = await self.find(token)
        if token is None or record is None:
            detail = "no such token" if token else "a token is needed: Authorization: Token <key>"
            raise ProblemError(401, detail, headers={"WWW-Authenticate": "Token"})
        organization = _path_ids(request)
        if not record.concerns(organization):
            raise ProblemError(403, "the token is of another organization")
        if not record.allows(scope):
            raise ProblemError(403, f"the token lacks the scope {scope}")
        if self._limit:
            async with redis_time(request):
                await self._count(record)
        request[TOKEN] = token

    def admits_at_once(self, token: str, organization: str, scope: Scope) -> bool:
        """Whether `admit` would let the request pass without asking Redis; False says nothing."""
        if self._limit:
            return False
        record = self.remembered(token, self._clock.now())
        return record is not None and record.concerns(organization) and record.allows(scope)

    async def _count(self, record: TokenRecord) -> None:
        with translated():
            key = f"sd:rate:{record.id}:{int(self._clock.now())}"
            count = int(await _RATE(self._client, [key], [_RATE_SECONDS]))
        if count > self._limit:
            detail = f"more than {self._limit} requests of this token in a second"
            raise ProblemError(429, detail, headers={"Retry-After": "1"})


GUARD = web.AppKey("GUARD", Guard)
ORGANIZATION = web.RequestKey("ORGANIZATION", str)
WORKFLOW = web.RequestKey("WORKFLOW", str)
TOKEN = web.RequestKey("TOKEN", str)


def bearer(request: web.Request) -> str | None:
    """The key in `Authorization: Token <key>` or `Bearer <key>`; the scheme's case doesn't matter."""
    scheme, _, key = request.headers.get("Authorization", "").strip().partition(" ")
    return key.strip() or None if scheme.lower() in ("token", "bearer") else None


def _path_ids(request: web.Request) -> str:
    """Read the ids of the path; the organization is returned too, every guarded path has one."""
    faults: list[FieldFault] = []
    for name, key in (("organization_id", ORGANIZATION), ("workflow_id", WORKFLOW)):
        text = request.match_info.get(name)
        if text is None:
            continue
        canonical = canonical_uuid(text)
        if canonical is None:
            faults.append(FieldFault(f"/{name}", "not a UUID of 36 characters"))
        else:
            request[key] = canonical
    if faults:
        raise ProblemError(400, "the path names something that is no UUID", faults)
    return request[ORGANIZATION]


@web.middleware
async def authorize(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Ask the guard wherever the table of routes names a scope."""
    endpoint = request.app[ENDPOINTS].get(request.match_info.route)
    if endpoint is not None and endpoint.scope is not None:
        await request.app[GUARD].admit(request, endpoint.scope)
    return await handler(request)
