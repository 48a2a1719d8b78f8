"""The router, built from the table of routes."""

import re

from aiohttp import web

from sidedata.service.http.bodies import expect
from sidedata.service.http.endpoint import ENDPOINTS, Endpoint


def register(app: web.Application, endpoints: tuple[Endpoint, ...]) -> None:
    """Add the table to the router; GET answers HEAD too, and a final slash is optional.

    A path with an optional slash is one resource, so that the router tries one pattern for it and not four. The pattern of an id
    matches every segment: the router's default excludes braces, so that `{uuid}` would be a 404 and not a bad UUID.
    """
    routes: dict[web.AbstractRoute, Endpoint] = {}
    for endpoint in endpoints:
        path = endpoint.path
        if path.endswith("/") and path != "/":
            path = path[:-1] + "{slash:/?}"
        path = re.sub(r"{(\w+_id)}", r"{\1:[^/]+}", path)
        for method in ("GET", "HEAD") if endpoint.method == "GET" else (endpoint.method,):
            routes[app.router.add_route(method, path, endpoint.handler, expect_handler=expect)] = endpoint
    app[ENDPOINTS] = routes
