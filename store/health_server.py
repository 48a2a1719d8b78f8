"""The three endpoints that orchestrators and Prometheus ask: /livez, /readyz, /metrics.

The worker serves them alone (`health_app`), the service has the same handlers among its own.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry

from store.health import Check, ready
from store.metrics import exposition

Checks = Callable[[], Awaitable[Sequence[Check]]]
Alive = Callable[[], bool]

HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class Readiness(msgspec.Struct, frozen=True):
    """What /readyz answers: whether the process can do its work, each check, and what is worth a look."""

    status: str
    checks: list[Check]
    warnings: list[str]


class HealthHandlers:
    """Handlers of one process; `checks` is asked anew each time, `alive` says whether the process still gets on."""

    def __init__(self, registry: CollectorRegistry, checks: Checks, alive: Alive | None = None) -> None:
        self._registry = registry
        self._checks = checks
        self._alive = alive

    async def livez(self, _request: web.Request) -> web.Response:
        """200 while the process gets on, whatever its surroundings do; 503 asks for a restart."""
        alive = self._alive is None or self._alive()
        return _json({"status": "alive" if alive else "stuck"}, 200 if alive else 503)

    async def readyz(self, _request: web.Request) -> web.Response:
        """200 when work can be done, else 503; every check by name either way."""
        checks = list(await self._checks())
        fit = ready(checks)
        warnings = [check.detail for check in checks if check.status in ("warning", "failed")]
        return _json(Readiness("ready" if fit else "not ready", checks, warnings), 200 if fit else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """All metrics in Prometheus's text format."""
        body, content_type = exposition(self._registry, request.headers.get("Accept", ""))
        return web.Response(body=body, headers={**HEADERS, "Content-Type": content_type})


def health_app(registry: CollectorRegistry, checks: Checks, alive: Alive | None = None) -> web.Application:
    """An application that serves health and metrics and nothing else."""
    handlers = HealthHandlers(registry, checks, alive)
    app = web.Application()
    for path, handler in (("/livez", handlers.livez), ("/readyz", handlers.readyz), ("/metrics", handlers.metrics)):
        app.router.add_get(path, handler)
        app.router.add_route("*", path, _no_such_method)
    app.router.add_route("*", "/{path:.*}", _no_such_path)
    return app


async def _no_such_path(_request: web.Request) -> web.Response:
    return _problem(404, "Not Found", "no such path")


async def _no_such_method(_request: web.Request) -> web.Response:
    return _problem(405, "Method Not Allowed", "this path does not take that method", {"Allow": "GET,HEAD"})


def _problem(status: int, title: str, detail: str, headers: Mapping[str, str] = MappingProxyType({})) -> web.Response:
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return web.Response(
        body=msgspec.json.encode(problem),
        status=status,
        content_type="application/problem+json",
        headers={**HEADERS, **headers},
    )


def _json(value: object, status: int) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json", headers=HEADERS
    )
