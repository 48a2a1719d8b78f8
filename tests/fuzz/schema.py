"""schemathesis on the real service: `python -m tests.fuzz.schema --examples 200` tries to prove /openapi.json wrong.

Four passes: requests without a token, and with a token for everything about missing organizations and about one that has
reports of both kinds. Never a 5xx, an undocumented status, content type, header or shape of a body, nor a success for a body that
the schema forbids. Left out is `positive_data_acceptance`: no schema expresses that an interval's end follows its start, or that an
event's organization is that of the path.
"""

import argparse
import asyncio
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from sidedata.writes.tokens import create_token
from tests.support.constants import ORG, SECRET
from tests.support.events import GOAL, PAGES, bought, interaction, started, triggered, view
from tests.support.pipeline import pipeline
from tests.support.processes.serving import address, serving
from tests.support.redis.servers import RedisServer

_LEFT_OUT = "positive_data_acceptance"
_ANSWER_SECONDS = "5"
# A stream of events never ends, so where there is one to be had it isn't asked for; what it refuses the other passes see.
_STREAM = "/live$"
# No schema says more of lines than that they are text, and no serializer of schemathesis' own knows their media type.
_HOOKS = """
import schemathesis

@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")
"""


async def main() -> None:
    """Start Redis and the service, fill them, and run the passes."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.schema")
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    chosen = parser.parse_args()
    sys.stdout.write(f"seed {chosen.seed}\n")
    server = RedisServer()
    server.start()
    try:
        token, start, end = await _filled(server.url)
        known = {"path.organization_id": ORG, "query.start": start, "query.end": end}
        async with serving(server.url, SIDEDATA_SECRET=SECRET, SIDEDATA_BACKLOG_LIMIT="1000000000") as process:
            base = await address(process)
            log = asyncio.create_task(_errors(process))
            try:
                for name, given, parameters in (
                    ("nobody", None, {}),
                    ("of nothing", token, {}),
                    ("of pages", token, {**known, "path.workflow_id": PAGES}),
                    ("of interactions", token, {**known, "path.workflow_id": GOAL}),
                ):
                    sys.stdout.write(f"{name}: {await _pass(base, given, parameters, chosen.examples, chosen.seed)}\n")
                    sys.stdout.flush()
            finally:
                process.terminate()
                errors = await log
        assert errors == [], errors
    finally:
        server.close()


async def _filled(url: str) -> tuple[str, str, str]:
    """A token for everything, and an interval of an organization with a workflow of each kind."""
    async with pipeline(url) as pipe:
        now = await pipe.now()
        makers = (started, interaction, triggered)
        await pipe.apply(view(now), *(make(now, workflow=GOAL) for make in makers), bought(now, "1.5"))
        token, _ = await create_token(pipe.client, None, ["reports", "ingest"])
    return token, (now - timedelta(days=9)).date().isoformat(), (now + timedelta(days=1)).date().isoformat()


async def _errors(process: asyncio.subprocess.Process) -> list[str]:
    """The errors in the service's log, until it ends."""
    assert process.stderr is not None
    return [line.decode() async for line in process.stderr if b'"level":"ERROR"' in line]


async def _pass(base: str, token: str | None, parameters: Mapping[str, str], examples: int, seed: int) -> str:
    """One run; what it says of the number of its cases."""
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "schemathesis.toml"
        lines = [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in parameters.items()]
        config.write_text("\n".join(["[parameters]", *lines, ""]))
        hooks = Path(directory) / "hooks.py"
        hooks.write_text(_HOOKS)
        process = await asyncio.create_subprocess_exec(
            *(str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(config), "run"),
            f"{base}/openapi.json",
            *("--exclude-checks", _LEFT_OUT, "--phases", "examples,coverage,fuzzing", "--warnings", "off"),
            *("--max-examples", str(examples), "--seed", str(seed), "--continue-on-failure", "--no-color"),
            *("--suppress-health-check", "all"),  # they judge the machine, which may have other work
            *("--request-timeout", _ANSWER_SECONDS, "--generation-database", "none"),
            *(() if token is None else ("--header", f"Authorization: Token {token}")),
            *(("--exclude-path-regex", _STREAM) if parameters else ()),
            cwd=directory,
            env={**os.environ, "SCHEMATHESIS_HOOKS": str(hooks)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    return next(line.strip() for line in said.splitlines() if "generated" in line)


if __name__ == "__main__":
    asyncio.run(main())
