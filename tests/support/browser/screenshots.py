"""`make screenshots`: the dashboard's states as pictures in docs/screenshots/, of the whole service with made-up visitors.

Three of them are kept in the repository, because README shows them; the others are for work on the pages.
"""

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from sidedata.ingest.demo.traffic import HISTORY_EVENTS
from sidedata.settings import PREFIX
from tests.support.browser.chromium import VARIABLE, Page, chromium, find_chromium, new_page
from tests.support.browser.states import LOOKS, Installation, look, settled, states
from tests.support.paths import ROOT

DIRECTORY = ROOT / "docs" / "screenshots"
KEPT = ("overview-wide-light", "pages-wide-light", "interactions-phone-dark")
MOST_BYTES = 150_000
ZONE = "Europe/Helsinki"
ORGANIZATION, OTHER_ORGANIZATION, PAGES, POPUP, EMPTY, BLOG, LETTER, GUIDE, SIZES = (
    f"5de0da7a-0000-4000-8000-00000000000{end}" for end in "12abcdef9"
)
WORKFLOWS = {
    PAGES: ("page_navigation", "Web shop pages"),
    POPUP: ("interaction", "Help me choose"),
    EMPTY: ("interaction", "Spring campaign"),
    BLOG: ("page_navigation", "Magazine"),
    LETTER: ("interaction", "Newsletter sign-up"),
    GUIDE: ("page_navigation", "Buying guides"),
    SIZES: ("interaction", "Size finder"),
}
# Days of history for a pair of workflows: the same number of events over more days makes fewer a day.
TRAFFIC = {(PAGES, POPUP): 15, (BLOG, LETTER): 28, (GUIDE, SIZES): 60}
_LIMIT_SECONDS = 90.0


class DemoInstallation:
    """`sidedata up` on a store of its own, with two weeks of a web shop's visitors and those of now."""

    def __init__(self, directory: Path) -> None:
        self.base = self.token = ""
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        self._environment |= {f"{PREFIX}DATA_DIR": str(directory / "data"), f"{PREFIX}LOG_LEVEL": "WARNING"}
        self._running: list[asyncio.subprocess.Process] = []

    async def start(self) -> None:
        """Start everything, and wait until the visitors of the past are in."""
        up = await self._begin("up", "--port", "0", "--worker-port", "0", stdout=subprocess.PIPE)
        assert up.stdout is not None
        found: re.Match[str] | None = None
        async with asyncio.timeout(_LIMIT_SECONDS):
            while found is None:
                said = (await up.stdout.readline()).decode()
                assert said, "it ended by itself"
                found = re.search(r"sidedata is up on (\S+),", said)
            self.base = found[1]
            await self.run("org", "set", ORGANIZATION, "--timezone", ZONE)
            await self.run("org", "set", OTHER_ORGANIZATION, "--timezone", ZONE)
            for workflow, (kind, name) in WORKFLOWS.items():
                await self.run("workflow", "set", ORGANIZATION, workflow, "--kind", kind, "--name", name)
            self.token = await self.run("token", "create", "--org", "all", "--scope", "reports", "--scope", "admin")
            await self._name_organizations()
            for seed, ((pages, interactions), days) in enumerate(TRAFFIC.items(), 1):
                await self._begin(
                    *("traffic", "--org", ORGANIZATION, "--pages", pages, "--interactions", interactions),
                    *("--zone", ZONE, "--days", str(days), "--seed", str(seed)),
                )
            applied = lag = 0
            while applied < len(TRAFFIC) * HISTORY_EVENTS // 2 or lag:
                await asyncio.sleep(0.5)
                overview = json.loads(await self.run("inspect", "--json"))
                applied, lag = overview["events_applied"], overview["lag_entries"]

    async def _name_organizations(self) -> None:
        headers = {"Authorization": f"Token {self.token}"}
        async with aiohttp.ClientSession(self.base, headers=headers) as http:
            for organization, name in ((ORGANIZATION, "Outdoor shop"), (OTHER_ORGANIZATION, "Cycling shop")):
                async with http.put(f"/api/admin/v1/orgs/{organization}", json={"name": name}) as response:
                    assert response.status == 200

    async def _begin(self, *words: str, stdout: int | None = None) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sidedata.cli.main", *words), stdout=stdout, env=self._environment, cwd=ROOT
        )
        self._running.append(process)
        return process

    async def run(self, *words: str) -> str:
        """Run another command on its store; what it printed."""
        process = await self._begin(*words, stdout=subprocess.PIPE)
        printed, _ = await process.communicate()
        assert process.returncode == 0, words
        return printed.decode().strip()

    async def stop(self) -> None:
        """End what runs, the last first."""
        for process in reversed(self._running):
            if process.returncode is None:
                process.terminate()
                await process.wait()


async def take(page: Page, name: str) -> None:
    """Keep what is on the screen."""
    await settled(page)
    taken = base64.b64decode((await page.send("Page.captureScreenshot", format="png"))["data"])
    DIRECTORY.mkdir(exist_ok=True)
    (DIRECTORY / f"{name}.png").write_bytes(taken)
    assert name not in KEPT or len(taken) < MOST_BYTES, f"{name}.png has {len(taken)} bytes"
    sys.stdout.write(f"docs/screenshots/{name}.png  {len(taken) // 1024} KiB\n")


async def screenshots(page: Page, service: DemoInstallation) -> None:
    """All states in all looks, one after the other, and the page of the API."""
    await look(page, "wide-light")
    await page.open(f"{service.base}/docs")
    await page.until("document.querySelectorAll('#operations section').length")
    for looks in LOOKS:
        await look(page, looks)
        await take(page, f"docs-{looks}")
    at = Installation(service.base, service.token, ORGANIZATION, PAGES, POPUP, EMPTY)
    async for name in states(page, at, service.stop):
        for looks in LOOKS:
            await look(page, looks)
            await take(page, f"{name}-{looks}")


@asynccontextmanager
async def scratch() -> AsyncIterator[Path]:
    """A directory for a while."""
    path = Path(tempfile.mkdtemp(prefix="sidedata-shots-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


async def main() -> None:
    """Start everything, take all, stop everything."""
    binary = find_chromium()
    if binary is None:
        sys.exit(f"no chromium on PATH: install one (Debian: apt-get install chromium) or set {VARIABLE}")
    async with scratch() as directory:
        service = DemoInstallation(directory)
        try:
            await service.start()
            profile = directory / "profile"
            profile.mkdir()
            with chromium(binary, profile) as browser:
                async with new_page(browser) as page:
                    await screenshots(page, service)
        finally:
            await service.stop()


if __name__ == "__main__":
    asyncio.run(main())
