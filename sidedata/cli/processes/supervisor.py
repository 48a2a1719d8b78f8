"""A supervisor of child processes that run `sidedata` commands: for `up` and `demo`, and for `serve --processes`."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, NoReturn, Self

import msgspec

from sidedata.cli.parent import PARENT_PIPE
from sidedata.cli.processes.relay import line_prefix, relay
from sidedata.errors import StopError
from sidedata.settings import Settings, variable

_STOP_SECONDS: Final = 8.0  # of the 10 that a whole tree may take


class _Child(NamedTuple):
    command: str
    process: asyncio.subprocess.Process
    watcher: asyncio.Task[None]


class Supervisor:
    """Starts commands as child processes; leaving the context stops all of them.

    Their output goes where the parent's goes, or, with `logs`, to a file for each command in that directory. With `prefixed` each
    line of it begins with the command's name, in a colour of its own. If the parent dies, even by SIGKILL, they see their standard
    input end, and stop.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        logs: Path | None = None,
        prefixed: bool = False,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._environment = {**environment(settings), **(variables or {}), PARENT_PIPE: "1"}
        self._logs = logs
        self._prefixed = prefixed
        self._relays: dict[str, list[asyncio.Task[None]]] = {}  # by command
        self._children: dict[int, _Child] = {}  # by process id
        self._exits: asyncio.Queue[tuple[str, int]] = asyncio.Queue()  # command and status

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def start(self, command: str, *arguments: str, capture: bool = False) -> asyncio.subprocess.Process:
        """Start `sidedata <command> …` with the settings in its environment, where no list of processes shows them.

        With `capture` its standard output can be read from the process.
        """
        log = None if self._logs is None else os.open(self._log(command), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # so that nothing in the working directory is imported
                "-m",
                "sidedata.cli.main",
                command,
                *arguments,
                # Nothing is written to this pipe; its end tells a child that the parent is gone.
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE if capture or self._prefixed else log,
                stderr=asyncio.subprocess.PIPE if self._prefixed else log,
                env=self._environment,
                # Ctrl-C in a terminal reaches the parent alone, which then stops the children in order.
                start_new_session=True,
            )
        finally:
            if log is not None:
                os.close(log)
        if self._prefixed:
            relays = self._relays.setdefault(command, [])
            prefix = line_prefix(command, len(self._relays) - 1)
            if not capture:
                relays.append(asyncio.create_task(relay(process.stdout, prefix, err=False)))
            relays.append(asyncio.create_task(relay(process.stderr, prefix, err=True)))
        watcher = asyncio.create_task(self._wait(command, process))
        self._children[process.pid] = _Child(command, process, watcher)
        return process

    async def _wait(self, command: str, process: asyncio.subprocess.Process) -> None:
        status = await process.wait()
        self._children.pop(process.pid, None)
        self._exits.put_nowait((command, status))

    async def watch(self) -> NoReturn:
        """Wait until a child ends by itself.

        Raises:
            StopError: always; the text has the command, its status and, with `logs`, the last line of its output.
        """
        command, status = await self._exits.get()
        raise StopError(f"`sidedata {command}` ended by itself with status {status}{self._last_line(command)}")

    async def _stop(self) -> None:
        children = list(self._children.values())
        for child in children:
            with suppress(ProcessLookupError):
                child.process.terminate()
        if children:
            _, late = await asyncio.wait([child.watcher for child in children], timeout=_STOP_SECONDS)
            for child in children:
                if child.process.returncode is None:
                    os.killpg(child.process.pid, signal.SIGKILL)  # the whole session, with the child's own children
            await asyncio.gather(*late)
        await asyncio.gather(*(task for tasks in self._relays.values() for task in tasks))

    def _log(self, command: str) -> Path:
        assert self._logs is not None  # noqa: S101 - called only with logs
        return self._logs / f"{command}.log"

    def _last_line(self, command: str) -> str:
        if self._logs is None:
            return ""
        lines = self._log(command).read_text(encoding="utf-8", errors="replace").split("\n")
        return next((f": {line.strip()}" for line in reversed(lines) if line.strip()), "")


def environment(settings: Settings, outer: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment in which a process reads exactly these settings."""
    variables = {variable(name): str(value) for name, value in msgspec.structs.asdict(settings).items()}
    # An empty variable counts as unset, so it also overrides an outer one of the same name.
    return {
        **(os.environ if outer is None else outer),
        **variables,
        variable("data_dir"): str(Path(settings.data_dir).resolve()),
    }
