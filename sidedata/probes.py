"""The endpoints for orchestrators and Prometheus: /livez, /readyz, /metrics.

The worker serves nothing else (`health_app`); the service has the same handlers among its own.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry

from sidedata.inspect.health import Check, ready
from sidedata.metrics import exposition

Checks = Callable[[], Awaitable[Sequence[Check]]]
Alive = Callable[[], bool]

# Seconds. Checks cost Redis little, and a probe that soon repeats sees the end of a restart at once.
RETRY_AFTER = "1"
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class Liveness(msgspec.Struct, frozen=True):
    """The answer of /livez."""

    status: Literal["alive", "stuck"]


class Readiness(msgspec.Struct, frozen=True):
    """The answer of /readyz: the verdict, each check, and the details and advice of checks that warn or fail."""

    status: Literal["ready", "not ready"]
    checks: list[Check]
    warnings: list[str]


class NotReady(msgspec.Struct, frozen=True):
    """The answer of /readyz of a process that is not ready: a problem (RFC 9457) with checks and warnings."""

    detail: str
    checks: list[Check]
    warnings: list[str]
    type: str = "about:blank"
    title: str = "Service Unavailable"
    status: int = 503


class HealthHandlers:
    """Handlers of one process.

    Args:
        checks: run at each request of /readyz.
        alive: tells if the process still makes progress; None for a process that answers at all.
    """

    def __init__(self, registry: CollectorRegistry, checks: Checks, alive: Alive | None = None) -> None:
        self._registry = registry
        self._checks = checks
        self._alive = alive

    async def livez(self, _request: web.Request) -> web.Response:
        """Answer 200 while the process makes progress, in whatever state Redis is; 503 requests a restart."""
        alive = self._alive is None or self._alive()
        return _json(Liveness("alive")) if alive else _problem(503, "Service Unavailable", "the process is stuck")

    async def readyz(self, _request: web.Request) -> web.Response:
        """Answer 200 if the process can work, else 503; with every check by name in both cases."""
        checks = list(await self._checks())
        warnings = [_sentence(check) for check in checks if check.status in ("warning", "failed")]
        if ready(checks):
            return _json(Readiness("ready", checks, warnings))
        detail = "; ".join(_sentence(check) for check in checks if check.status == "failed")
        return _refusal(503, NotReady(detail, checks, warnings))

    async def metrics(self, request: web.Request) -> web.Response:
        """Answer all metrics in Prometheus's text format."""
        body, content_type = exposition(self._registry, request.headers.get("Accept", ""))
        return web.Response(body=body, headers={**HEADERS, "Content-Type": content_type})


def _sentence(check: Check) -> str:
    return f"{check.detail} ({check.advice})" if check.advice else check.detail


def health_app(registry: CollectorRegistry, checks: Checks, alive: Alive | None = None) -> web.Application:
    """Make an application that serves health and metrics and nothing else."""
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
    refusal = _problem(405, "Method Not Allowed", "this path does not take that method")
    refusal.headers["Allow"] = "GET,HEAD"
    return refusal


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json", headers=HEADERS)


def _problem(status: int, title: str, detail: str) -> web.Response:
    return _refusal(status, {"type": "about:blank", "title": title, "status": status, "detail": detail})


def _refusal(status: int, value: object) -> web.Response:
    """Make the answer of a failure; a 503 says when to repeat the request."""
    headers = {**HEADERS, "Retry-After": RETRY_AFTER} if status == 503 else HEADERS
    body = msgspec.json.encode(value)
    return web.Response(body=body, status=status, content_type="application/problem+json", headers=headers)
