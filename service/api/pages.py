"""Handlers of the dashboard and the API page: the files of `service/pages`, under a strict Content-Security-Policy.

All scripts and styles are files of this host, and nothing is inline, so the policy can forbid everything else. Files are read once,
into a dictionary by path: a request can't name any other file.
"""

import hashlib
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler

from sidedata.service.http.conditional import matches

FOLDERS = ("dashboard", "docs")

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
    # Revalidated each time, usually with a 304: a new version shows at once.
    "Cache-Control": "no-cache",
}


async def start_page(_request: web.Request) -> web.Response:
    """A redirect to the dashboard."""
    return web.Response(status=302, headers={**HEADERS, "Location": "/dashboard"})


class _File(NamedTuple):
    body: bytes
    content_type: str
    etag: str


class Pages:
    """The files of the pages, as they were when the process started."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}  # by path, such as "dashboard/charts/line.js"
        for folder in FOLDERS:
            self._read(resources.files("sidedata.service.pages") / folder, folder)

    def _read(self, folder: Traversable, path: str) -> None:
        """Read the files of a folder and of the folders in it."""
        for entry in folder.iterdir():
            inner = f"{path}/{entry.name}"
            content_type = _CONTENT_TYPES.get(entry.name.rpartition(".")[2])
            if entry.is_dir():
                self._read(entry, inner)
            elif content_type is not None:
                body = entry.read_bytes()
                self._files[inner] = _File(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:24]}"')

    async def dashboard(self, request: web.Request) -> web.Response:
        """The dashboard."""
        return self._serve(request, "dashboard/index.html")

    async def docs(self, request: web.Request) -> web.Response:
        """The page that shows /openapi.json."""
        return self._serve(request, "docs/index.html")

    def files(self, folder: str) -> Handler:
        """Make a handler of the scripts, styles and pictures in a folder, and in the folders in it."""

        async def file(request: web.Request) -> web.Response:
            return self._serve(request, "/".join((folder, *request.match_info.values())))

        return file

    def _serve(self, request: web.Request, path: str) -> web.Response:
        file = self._files.get(path)
        if file is None:
            raise web.HTTPNotFound
        headers = {**HEADERS, "ETag": file.etag}
        if matches(request, file.etag):
            return web.Response(status=304, headers=headers)
        return web.Response(body=file.body, headers={**headers, "Content-Type": file.content_type})
