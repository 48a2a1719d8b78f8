"""A headless Chromium of our own, driven over the DevTools protocol with the HTTP client that is there anyway.

Names resolve to nothing but this machine, so a page that asks another host for something fails, and the test with it.
"""

import asyncio
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

VARIABLE = "SIDEDATA_TEST_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_LIMIT_SECONDS = 30.0
_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
)


def find_chromium() -> str | None:
    """The browser that the environment names, else one on PATH; None where there is none."""
    named = os.environ.get(VARIABLE)
    return shutil.which(named) if named else next(filter(None, map(shutil.which, _NAMES)), None)


class Page:
    """One tab, and what went wrong in it: `faults` has exceptions, errors on the console and refusals by the policy."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.faults: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def listen(self) -> None:
        """Take in what the browser sends, until it ends."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
            elif said["method"] == "Runtime.exceptionThrown":
                self.faults.append(said["params"]["exceptionDetails"]["exception"].get("description", "exception"))
            elif said["method"] == "Log.entryAdded" and said["params"]["entry"]["level"] == "error":
                self.faults.append(said["params"]["entry"]["text"])

    async def send(self, method: str, **params: object) -> dict[str, Any]:
        """Call a method of the protocol."""
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        reply = await asyncio.wait_for(self._waiting[number], _LIMIT_SECONDS)
        assert "error" not in reply, reply
        result: dict[str, Any] = reply["result"]
        return result

    def forgive(self, text: str) -> None:
        """Take away the faults that a test brought about itself: the browser notes every refusal and broken connection."""
        self.faults[:] = [fault for fault in self.faults if text not in fault]

    async def open(self, url: str) -> None:
        """Load a page, whatever is open now."""
        await self.send("Page.navigate", url="about:blank")
        await self.send("Page.navigate", url=url)

    async def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - whatever the expression gives
        """The value of a JavaScript expression; a promise is waited for."""
        arguments = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        reply = await self.send("Runtime.evaluate", **arguments)
        assert "exceptionDetails" not in reply, reply["exceptionDetails"]
        return reply["result"].get("value")

    async def until(self, expression: str) -> Any:  # noqa: ANN401
        """The value of an expression as soon as it is true; fails when it never is."""
        limit = asyncio.get_running_loop().time() + _LIMIT_SECONDS
        while True:
            with suppress(AssertionError):  # a page that is just loading has no elements yet
                value = await self.evaluate(expression)
                if value:
                    return value
            shown = "document.body && document.body.innerText"
            assert asyncio.get_running_loop().time() < limit, f"never true: {expression}\n{await self.evaluate(shown)}"
            await asyncio.sleep(0.02)


@contextmanager
def chromium(binary: str, profile: Path) -> Iterator[str]:
    """A new browser, whose profile is that empty directory: the address of its protocol."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # as root it refuses to start with one
    command = [binary, *_FLAGS, *sandbox, f"--user-data-dir={profile}", "about:blank"]
    with (profile / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        yield f"http://127.0.0.1:{_port(process, profile)}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its helpers too
        process.wait()


def _port(process: subprocess.Popen[bytes], profile: Path) -> int:
    limit = time.monotonic() + _LIMIT_SECONDS
    said = profile / "DevToolsActivePort"
    while True:
        first, _, rest = said.read_text().partition("\n") if said.exists() else ("", "", "")
        if rest:
            return int(first)
        running = process.poll() is None and time.monotonic() < limit
        assert running, f"{process.args!r} didn't start: {(profile / 'log').read_text(errors='replace')[-2000:]}"
        time.sleep(0.02)


@asynccontextmanager
async def new_page(browser: str) -> AsyncIterator[Page]:
    """A tab in a context of its own: no cookie, storage, cache or window is that of another; all of it goes with the tab."""
    async with aiohttp.ClientSession(browser) as http:
        whole = (await (await http.get("/json/version")).json())["webSocketDebuggerUrl"]
        async with _connection(http, whole) as control:
            context = await control.send("Target.createBrowserContext", disposeOnDetach=True)
            target = await control.send("Target.createTarget", url="about:blank", newWindow=True, **context)
            async with _connection(http, f"/devtools/page/{target['targetId']}") as page:
                for domain in ("Page", "Runtime", "Log"):
                    await page.send(f"{domain}.enable")
                yield page
            await control.send("Target.disposeBrowserContext", **context)


@asynccontextmanager
async def _connection(http: aiohttp.ClientSession, address: str) -> AsyncIterator[Page]:
    async with http.ws_connect(address, max_msg_size=0) as socket:
        page = Page(socket)
        listening = asyncio.create_task(page.listen())
        try:
            yield page
        finally:
            listening.cancel()
            await asyncio.wait([listening])
