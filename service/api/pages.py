"""The dashboard and the API page: files of `service/pages`, read once, served under a strict Content-Security-Policy.

Scripts and styles come as files of our own, nothing is inline and nothing comes from another host, so the policy can
forbid all else. Names are looked up in a dictionary of what was there at the start: a path can lead nowhere else.
"""

import hashlib
from importlib import resources
from typing import NamedTuple

from aiohttp import web

from sidedata.service.http.conditional import matches

_CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "ico": "image/x-icon",
    "json": "application/json",
    "webmanifest": "application/manifest+json",
}

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Checked each time and answered with 304: a new version shows at once.
    "Cache-Control": "no-cache",
}


class _Page(NamedTuple):
    body: bytes
    content_type: str
    etag: str


class Pages:
    """The files as they were when the process started."""

    def __init__(self) -> None:
        self._files: dict[str, _Page] = {}
        for entry in resources.files("sidedata.service.pages").iterdir():
            content_type = _CONTENT_TYPES.get(entry.name.rpartition(".")[2])
            if content_type is not None and entry.is_file():
                body = entry.read_bytes()
                etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
                self._files[entry.name] = _Page(body, content_type, etag)

    async def dashboard(self, request: web.Request) -> web.Response:
        """The dashboard's page."""
        return self._serve(request, "dashboard.html")

    async def docs(self, request: web.Request) -> web.Response:
        """The page that shows /openapi.json."""
        return self._serve(request, "docs.html")

    async def file(self, request: web.Request) -> web.Response:
        """A script, style or picture of the pages."""
        return self._serve(request, request.match_info["name"])

    def _serve(self, request: web.Request, name: str) -> web.Response:
        page = self._files.get(name)
        if page is None:
            raise web.HTTPNotFound
        headers = {**HEADERS, "ETag": page.etag}
        if matches(request, page.etag):
            return web.Response(status=304, headers=headers)
        return web.Response(body=page.body, headers={**headers, "Content-Type": page.content_type})
