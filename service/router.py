"""The router, built from the table of routes."""

import re

from aiohttp import web
from aiohttp.typedefs import Handler

from sidedata.service.http.bodies import expect
from sidedata.service.http.endpoint import ENDPOINTS, Endpoint


def register(app: web.Application, endpoints: tuple[Endpoint, ...]) -> None:
    """Add the table to the router; GET answers HEAD too, and a final slash is optional.

    A path with an optional slash is one resource, so that the router tries one pattern for it and not four. The pattern of an id
    matches every segment: the router's default excludes braces, so that `{uuid}` would be a 404 and not a bad UUID.
    """
    routes: dict[web.AbstractRoute, Endpoint] = {}
    methods: dict[str, set[str]] = {}
    for endpoint in endpoints:
        path = endpoint.path
        if path.endswith("/") and path != "/":
            path = path[:-1] + "{slash:/?}"
        path = re.sub(r"{(\w+_id)}", r"{\1:[^/]+}", path)
        for method in ("GET", "HEAD") if endpoint.method == "GET" else (endpoint.method,):
            routes[app.router.add_route(method, path, endpoint.handler, expect_handler=expect)] = endpoint
            methods.setdefault(path, set()).add(method)
    app[ENDPOINTS] = routes
    # The router's own 404 and 405 ask for the body of a request with `Expect: 100-continue`. These routes don't, and come last.
    for path, allowed in methods.items():
        app.router.add_route("*", path, _refuse_method(allowed), expect_handler=expect)
    app.router.add_route("*", "/{path:.*}", _refuse_path, expect_handler=expect)


def _refuse_method(allowed: set[str]) -> Handler:
    async def refuse(request: web.Request) -> web.StreamResponse:
        raise web.HTTPMethodNotAllowed(request.method, allowed)

    return refuse


async def _refuse_path(request: web.Request) -> web.StreamResponse:  # noqa: ARG001 - aiohttp's signature
    raise web.HTTPNotFound
