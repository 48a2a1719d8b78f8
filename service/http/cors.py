"""Pages of other origins: none may ask, unless the operator lists them.

A browser sends a token along only where a page's own script puts it in, so what is allowed here is asking, not being somebody:
no answer allows credentials, and an origin is compared as a whole.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

_ASKS = "Access-Control-Request-Method"
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Content-Encoding, If-None-Match, X-Request-Id",
    "Access-Control-Max-Age": "600",
}
_EXPOSED = "ETag, Retry-After, Sidedata-Effective-Interval, Sidedata-Time-Zone, X-Request-Id"


def origins(listed: str) -> frozenset[str]:
    """The origins of the setting, as browsers write them: scheme and host in lower case."""
    return frozenset(origin.strip().lower() for origin in listed.split(",") if origin.strip())


def preflights(allowed: frozenset[str]) -> Middleware:
    """Answers the question that a browser asks before the request itself; it carries no token."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "OPTIONS" and _ASKS in request.headers and request.headers.get("Origin") in allowed:
            return web.json_response({}, headers=_PREFLIGHT)
        return await handler(request)

    return answer


def marks(allowed: frozenset[str]) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Says on every answer whether the asking page may read it."""

    async def mark(request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        headers["Vary"] = f"{headers['Vary']}, Origin" if "Vary" in headers else "Origin"
        origin = request.headers.get("Origin")
        if origin in allowed:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = _EXPOSED

    return mark
