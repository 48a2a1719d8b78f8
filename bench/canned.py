"""C: what aiohttp on uvloop can do at all: one process whose handler returns bytes that are always the same."""

import asyncio
import sys

import uvloop
from aiohttp import web


async def _serve(size: int) -> None:
    body = b'{"canned":"' + b"x" * (size - 13) + b'"}'

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_post("/canned", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"listening on http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
