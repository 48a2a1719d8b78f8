"""One row of the table of routes: handler, scope, and documentation for OpenAPI."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler

from sidedata.schema.tokens import Scope

AnyToken = Literal["any"]


class Media(NamedTuple):
    """A body: its content type, and the types of which it has one; none for plain text."""

    content_type: str
    types: tuple[type, ...] = ()
    many: bool = False  # a JSON array of the type
    single: bool = False  # with `many`: one of the type alone, too
    description: str = ""
    example: object = None
    examples: Mapping[str, object] | None = None  # by name, where one example is not enough


class Endpoint(NamedTuple):
    """Method and path, the handler, the required scope ("any": a token of any, None: no token), and the documentation.

    A path that ends in a slash is served without it too.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    scope: Scope | AnyToken | None = None
    query: tuple[str, ...] = ()
    accepts: tuple[Media, ...] = ()
    returns: tuple[Media, ...] = ()
    success: int = 200
    headers: tuple[str, ...] = ()
    refusals: tuple[int, ...] = ()


ENDPOINTS = web.AppKey("ENDPOINTS", dict[web.AbstractRoute, Endpoint])
