"""CORS: pages of other origins may send requests only if the operator lists their origin.

A browser never adds a token by itself: the script of the page has to. So a listed origin gains the right to send requests, but no
identity: no response allows credentials, and an origin is compared as a whole.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

_REQUEST_METHOD = "Access-Control-Request-Method"
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Content-Encoding, If-None-Match, X-Request-Id",
    "Access-Control-Max-Age": "600",
}
_EXPOSED = (
    "ETag, Link, Retry-After, Sidedata-Effective-Interval, Sidedata-As-Of, Sidedata-Zone-Rules, Sidedata-Time-Zone, "
    "X-Request-Id"
)


def origins(setting: str) -> frozenset[str]:
    """The origins in the setting, in the form of browsers: scheme and host in lower case."""
    return frozenset(origin.strip().lower() for origin in setting.split(",") if origin.strip())


def answer_preflights(allowed: frozenset[str]) -> Middleware:
    """Make a middleware that answers preflight requests, which carry no token."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        if (
            request.method == "OPTIONS"
            and _REQUEST_METHOD in request.headers
            and request.headers.get("Origin") in allowed
        ):
            return web.json_response({}, headers=_PREFLIGHT)
        return await handler(request)

    return answer


def set_cors_headers(allowed: frozenset[str]) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Make a signal handler that sets on each response which origin may read it."""

    async def set_headers(request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        headers["Vary"] = f"{headers['Vary']}, Origin" if "Vary" in headers else "Origin"
        origin = request.headers.get("Origin")
        if origin in allowed:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = _EXPOSED

    return set_headers
