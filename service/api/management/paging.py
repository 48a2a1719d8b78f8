"""Lists in pages: `limit` and a mark in the query string, and the `Link` to the next page."""

from typing import Final

from aiohttp import web
from msgspec import Struct

from sidedata.service.http.problems import FieldError, ProblemError

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1_000


class Page(Struct, frozen=True):
    """The page that was asked for: its size, the name of the mark in the query string, and the mark, "" for the first page."""

    limit: int
    name: str
    mark: str


def read_page(request: web.Request, name: str) -> Page:
    """Read the query string of a list; other parameters are refused.

    Raises:
        ProblemError: 400.
    """
    query = request.query
    errors = [FieldError(f"/{key}", "no such parameter") for key in query if key not in ("limit", name)]
    text = query.get("limit", str(DEFAULT_LIMIT))
    limit = int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0
    if not 1 <= limit <= MAX_LIMIT:
        errors.append(FieldError("/limit", f"must be a number from 1 to {MAX_LIMIT}"))
    if errors:
        raise ProblemError(400, "a parameter of the query string is wrong", errors)
    return Page(limit, name, query.get(name, ""))


def refuse_parameters(request: web.Request) -> None:
    """Refuse a query string where none has a meaning.

    Raises:
        ProblemError: 400.
    """
    if request.rel_url.raw_query_string:
        errors = [FieldError(f"/{name}", "no such parameter") for name in request.query]
        raise ProblemError(400, "this path takes no query parameters", errors)


def next_page(request: web.Request, page: Page, mark: str) -> str:
    """The value of the `Link` header that leads to the page behind the mark, which needs no escapes."""
    return f'<{request.path}?limit={page.limit}&{page.name}={mark}>; rel="next"'
