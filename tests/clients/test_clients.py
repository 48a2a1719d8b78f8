"""Clients that three generators make of /openapi.json: they pass the checks of their language's types, and read real answers."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP, visits
from tests.support.paths import ROOT
from tests.support.pipeline import Pipeline, pipeline
from tests.support.waiting import TIME_FACTOR

HERE = Path(__file__).parent
NODE = ROOT / ".venv/clients"
SETTINGS = HERE / "openapi_python_client.yaml"


class Served(NamedTuple):
    """A service with some visits, its document in a file, and the arguments of the clients."""

    pipeline: Pipeline
    document: Path
    arguments: tuple[str, ...]

    async def figures(self) -> dict[str, Any]:
        """The figures that every client must print, by plain requests."""
        _, _, _, pages, interactions, start, end = self.arguments
        views = (await self.pipeline.ask(pages, start, end)).json
        answer = (await self.pipeline.ask(interactions, start, end)).json
        query = f"?start={start}&end={end}".replace("+", "%2B")
        base = f"/api/reporting/workflow/v1/orgs/{ORG}"
        points = await self._get(f"{base}/workflows/{interactions}/sidedata/timeline/{query}&granularity=day")
        overview = await self._get(f"{base}/sidedata/{query}")
        return {
            "hours": views["timeframe_stat"]["hour_in_day"],
            "sessions": views["unique_sessions_count"],
            "started": answer["started_workflows_count"],
            "goals": [[goal["name"], goal["metrics"]["events_count"]] for goal in answer["affected_goals"]],
            "days": [[point["start"], point["unique_visitors_count"]] for point in points["points"]],
            "overview": [[item["id"], item["sidedata"]["unique_visitors_count"]] for item in overview["workflows"]],
            "refused": [400, ["/interval/end"]],
            "warnings": ["too_old"],
        }

    async def _get(self, path: str) -> Any:  # noqa: ANN401 - any JSON value
        async with self.pipeline.http.get(path) as response:
            assert response.status == 200, await response.text()
            return await response.json()


@pytest.fixture
async def served(redis_url: str, tmp_path: Path) -> AsyncIterator[Served]:
    """The real service; its organization has a page-navigation workflow and an interaction workflow."""
    async with pipeline(redis_url, partitions=4) as installation:
        now = await installation.now()
        await installation.apply(visits(now - timedelta(hours=2), 3))
        http = installation.http
        async with http.get("/openapi.json") as response:
            document = tmp_path / "openapi.json"
            document.write_bytes(await response.read())
        token = http.headers["Authorization"].removeprefix("Token ")
        span = ((now - timedelta(days=2)).isoformat(), (now + timedelta(days=1)).isoformat())
        base = str(http._base_url).rstrip("/")  # the session has no other name for it
        yield Served(installation, document, (base, token, ORG, PAGES, POPUP, *span))


async def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Run a program that must end well, while the service answers; its output."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=cwd,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), 30 * TIME_FACTOR)
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode == 0, output.decode() + errors.decode()
    return output.decode() + errors.decode()


async def test_a_client_by_openapi_python_client(served: Served, tmp_path: Path) -> None:
    """It is made with one warning, of NDJSON, which it does not know; mypy finds no fault in its use; it reads real answers."""
    generator = Path(sys.executable).with_name("openapi-python-client")
    if not generator.exists():
        pytest.skip("there is no openapi-python-client here")
    package = tmp_path / "sidedata_client"
    said = await run(
        generator,
        *("generate", "--path", served.document, "--output-path", package, "--meta", "none", "--config", SETTINGS),
        cwd=tmp_path,
    )
    assert said.count("WARNING") == said.count("Unsupported content type application/x-ndjson") == 1, said
    script = shutil.copy(HERE / "python_client.py", tmp_path)
    check = ("-m", "mypy", "--config-file=", "--strict", "--follow-imports=silent", script)
    await run(sys.executable, *check, cwd=tmp_path, MYPYPATH=str(tmp_path))
    printed = await run(sys.executable, script, *served.arguments, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert json.loads(printed) == await served.figures()


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A folder for TypeScript, with the packages that `make clients` installs."""
    if shutil.which("node") is None or not (NODE / "node_modules").exists():
        pytest.skip("there are no node and npm packages here")
    folder = tmp_path / "node"
    shutil.copytree(HERE / "node", folder, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "node_modules").symlink_to(NODE / "node_modules")
    return folder


@pytest.mark.parametrize(
    ("script", "generate"),
    [
        ("openapi_fetch", lambda document: ("openapi-typescript", document, "--output", "schema.d.ts")),
        (
            "swagger_typescript",
            lambda document: ("swagger-typescript-api", "generate", "--path", document, "--name", "api.ts"),
        ),
    ],
)
async def test_a_client_in_typescript(
    served: Served, node: Path, script: str, generate: Callable[[Path], tuple[str | Path, ...]]
) -> None:
    """By openapi-typescript and by swagger-typescript-api: tsc finds no fault in its use, and its figures are the service's."""
    programs = node / "node_modules/.bin"
    name, *arguments = generate(served.document)
    await run(programs / name, *arguments, *(("--output", ".") if script == "swagger_typescript" else ()), cwd=node)
    settings = json.loads((node / "tsconfig.json").read_text())
    (node / "tsconfig.json").write_text(json.dumps({**settings, "files": [f"{script}.ts"]}))
    await run(programs / "tsc", "--project", "tsconfig.json", cwd=node)
    printed = await run("node", node / "out" / f"{script}.js", *served.arguments, cwd=node)
    assert json.loads(printed) == await served.figures()
