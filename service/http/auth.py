"""Authentication and authorization: tokens and scopes, the ids in the path, and the rate limit.

The order of refusals is fixed. The router refuses an unknown path or method. Then follow 401 for the token, 400 for an id in the
path, 403 for the token's scope or organization, and 429 for the rate limit. The body is read only after these. A token of one
organization gets the same 403 for every other organization, so it reveals no existing organizations.

`reports` reads, `ingest` writes events, `admin` manages the records of organizations and workflows. No scope includes
another: a token has exactly the rights in its list of scopes.
"""

from functools import lru_cache

from aiohttp import web
from aiohttp.typedefs import Handler

from sidedata.clock import Clock
from sidedata.conditions import ONLY_WRITES_FAIL
from sidedata.errors import StoreUnavailableError
from sidedata.events.decode import canonical_uuid
from sidedata.redis.gateway import Gateway
from sidedata.schema.tokens import Scope, TokenRecord
from sidedata.service.http.endpoint import ENDPOINTS, AnyToken
from sidedata.service.http.problems import FieldError, ProblemError
from sidedata.service.http.state import redis_timeout
from sidedata.service.http.token_cache import TokenCache
from sidedata.settings import Settings
from sidedata.writes.tokens import count_request


class Authenticator:
    """Authenticates tokens and authorizes requests."""

    def __init__(self, gateway: Gateway, settings: Settings, clock: Clock) -> None:
        self._gateway = gateway
        self._clock = clock
        self._limit = settings.rate_limit
        self.tokens = TokenCache(gateway, clock)

    async def authorize(self, request: web.Request, scope: Scope | AnyToken) -> None:
        """Authorize a request; its path ids are stored in lower case under `ORGANIZATION` and `WORKFLOW`.

        The token's record is stored under `RECORD`, even if the request is refused afterwards.

        Raises:
            ProblemError: 401, 400, 403 or 429.
            StoreUnavailableError: Redis is out of reach.
        """
        token = bearer(request)
        record = self.tokens.cached(token, self._clock.now()) if token else None
        if token and record is None:
            async with redis_timeout(request):
                record = await self.tokens.get(token)
        if token is None or record is None:
            detail = "no such token" if token else "a token is needed: Authorization: Token <key>"
            raise ProblemError(401, detail, headers={"WWW-Authenticate": "Token"})
        request[RECORD] = record
        organization = _path_ids(request)
        if organization is not None and not record.concerns(organization):
            raise ProblemError(403, "the token is of another organization")
        if scope != "any" and not record.allows(scope):
            raise ProblemError(403, f"the token lacks the scope {scope}")
        if self._limit:
            async with redis_timeout(request):
                await self._count(record)
        request[TOKEN] = token

    def authorize_cached(self, token: str, organization: str, scope: Scope) -> TokenRecord | None:
        """The token's record if `authorize` would accept the request without Redis; None means that only `authorize` can tell."""
        if self._limit:
            return None
        record = self.tokens.cached(token, self._clock.now())
        return record if record is not None and record.concerns(organization) and record.allows(scope) else None

    async def _count(self, record: TokenRecord) -> None:
        try:
            requests = await count_request(self._gateway, record.id, int(self._clock.now()))
        except StoreUnavailableError as error:
            if error.code not in ONLY_WRITES_FAIL:
                raise
            return  # Redis still answers reads, and can't count them
        if requests > self._limit:
            detail = f"more than {self._limit} requests of this token in a second"
            raise ProblemError(429, detail, headers={"Retry-After": "1"})


AUTHENTICATOR = web.AppKey("AUTHENTICATOR", Authenticator)
ORGANIZATION = web.RequestKey("ORGANIZATION", str)
WORKFLOW = web.RequestKey("WORKFLOW", str)
TOKEN = web.RequestKey("TOKEN", str)
RECORD = web.RequestKey("RECORD", TokenRecord)


def bearer(request: web.Request) -> str | None:
    """The key in `Authorization: Token <key>` or `Bearer <key>`, with the scheme in any case."""
    return _key_of(request.headers.get("Authorization", ""))


@lru_cache(maxsize=4096)
def _key_of(authorization: str) -> str | None:
    scheme, _, key = authorization.strip().partition(" ")
    return key.strip() or None if scheme.lower() in ("token", "bearer") else None


def _path_ids(request: web.Request) -> str | None:
    """Read the ids in the path and return the organization's, if the path has one."""
    errors: list[FieldError] = []
    for name, key in (("organization_id", ORGANIZATION), ("workflow_id", WORKFLOW)):
        text = request.match_info.get(name)
        if text is None:
            continue
        canonical = canonical_uuid(text)
        if canonical is None:
            errors.append(FieldError(f"/{name}", "not a UUID of 36 characters"))
        else:
            request[key] = canonical
    if errors:
        raise ProblemError(400, "an id in the path is not a UUID", errors)
    return request.get(ORGANIZATION)


@web.middleware
async def authorization(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Authorize each request to an endpoint that requires a scope."""
    endpoint = request.app[ENDPOINTS].get(request.match_info.route)
    if endpoint is not None and endpoint.scope is not None:
        await request.app[AUTHENTICATOR].authorize(request, endpoint.scope)
    return await handler(request)
