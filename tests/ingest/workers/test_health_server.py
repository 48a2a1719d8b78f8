"""The worker's port: probes and metrics, and that whatever fails there says so as every other answer does."""

import json
from collections.abc import Sequence

import aiohttp
import pytest

from sidedata.inspect.health import Check
from sidedata.metrics import new_registry
from sidedata.probes import health_app
from tests.support.processes.service import served

FIT, UNFIT = Check("redis", "ok", "Redis answers"), Check("loading", "failed", "Redis is still loading its data")


@pytest.mark.parametrize(
    ("method", "path", "status", "headers"),
    [
        ("GET", "/livez", 503, {"Retry-After": "1"}),
        ("GET", "/readyz", 503, {"Retry-After": "1"}),
        ("POST", "/readyz", 405, {"Allow": "GET,HEAD"}),
        ("GET", "/elsewhere", 404, {}),
    ],
)
async def test_what_fails_is_a_problem(method: str, path: str, status: int, headers: dict[str, str]) -> None:
    """Problem JSON with its status in it; a 503 says when to come again, and readiness which check it was."""

    async def checks() -> Sequence[Check]:
        return [FIT, UNFIT]

    app = health_app(new_registry(), checks, lambda: False)
    async with served(app) as base, aiohttp.ClientSession(base) as http, http.request(method, path) as heard:
        assert heard.status == status
        assert heard.content_type == "application/problem+json"
        assert headers.items() <= heard.headers.items()
        problem = json.loads(await heard.read())
    assert {"type", "title", "status", "detail"} <= problem.keys()
    assert problem["status"] == status
    if path == "/readyz" and status == 503:
        assert problem["detail"] == UNFIT.detail
        assert [check["name"] for check in problem["checks"]] == ["redis", "loading"]
