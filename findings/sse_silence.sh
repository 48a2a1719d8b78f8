#!/usr/bin/env bash
# httpx ends an event stream that sends something every 5 seconds: that is its own time to wait for a byte.
#
# Guess: a sign of life every 5 seconds keeps any client of an event stream content.
# Seen with httpx 0.28.1 and httpx-sse 0.4.3 with their defaults, aiohttp 3.14.5 serving: ReadTimeout after the first event,
# where 4 seconds go well. (aiohttp 3.14.5 as a client allows any silence, but ends each stream 300 seconds after its start.)
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python httpx==0.28.1 httpx-sse==0.4.3 aiohttp==3.14.5

"$folder/venv/bin/python" - >"$folder/seen" <<'PYTHON'
import asyncio
import aiohttp
import httpx
import httpx_sse
from aiohttp import web


async def stream(request):
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for number in range(3):
        await response.write(f"data: {number}\n\n".encode())
        # A little more than the whole seconds, as a busy server has it.
        await asyncio.sleep(float(request.query["every"]) + 0.05)
    return response


async def read(port, every):
    events = []
    try:
        async with httpx.AsyncClient() as client:
            async with httpx_sse.aconnect_sse(client, "GET", f"http://127.0.0.1:{port}/?every={every}") as source:
                async for event in source.aiter_sse():
                    events.append(event.data)
        print(f"httpx, every {every} s: {events}")
    except httpx.HTTPError as error:
        print(f"httpx, every {every} s: {events}, {type(error).__name__}")


async def main():
    application = web.Application()
    application.router.add_get("/", stream)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    for every in 4, 5:
        await read(port, every)
    await runner.cleanup()
    session = aiohttp.ClientSession()
    print(f"aiohttp, whole answer: {session.timeout.total} s, silence: {session.timeout.sock_read}")
    await session.close()


asyncio.run(main())
PYTHON

verdict "$folder/seen" <<'RECORD'
httpx, every 4 s: ['0', '1', '2']
httpx, every 5 s: ['0'], ReadTimeout
aiohttp, whole answer: 300 s, silence: None
RECORD
