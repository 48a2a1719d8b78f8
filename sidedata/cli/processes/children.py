"""The commands that `up` and `demo` run as child processes, started together and stopped together."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from sidedata.cli.parent import PARENT_PIPE
from sidedata.embedded.server import ATTACH_ONLY
from sidedata.errors import StopError
from sidedata.settings import Settings, variable

_STOP_SECONDS: Final = 8.0  # of the 10 that a whole tree may take


class Children:
    """Child processes of one tree; leaving the context stops them.

    Their output goes where ours goes, or, with `logs`, to a file each in that directory.
    """

    def __init__(self, settings: Settings, logs: Path | None = None) -> None:
        self._environment = {**environment(settings), PARENT_PIPE: "1", ATTACH_ONLY: "1"}
        self._logs = logs
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._watchers: list[asyncio.Task[None]] = []
        self._ended: asyncio.Queue[str] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def start(self, command: str, *arguments: str) -> None:
        """Start `sidedata <command> …` with the settings in its environment, where no list of processes shows them."""
        log = None if self._logs is None else os.open(self._log(command), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # whatever lies in the working directory is not imported
                "-m",
                "sidedata.cli.main",
                command,
                *arguments,
                # Nothing ever comes by this pipe but its end: by it they know that we are gone, however we went.
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment,
                # Ctrl-C in a terminal reaches us alone, and we tell them, so that all stop by the same way.
                start_new_session=True,
            )
        finally:
            if log is not None:
                os.close(log)
        self._processes[command] = process
        self._watchers.append(asyncio.create_task(self._watch(command, process)))

    async def _watch(self, command: str, process: asyncio.subprocess.Process) -> None:
        await process.wait()
        self._ended.put_nowait(command)

    async def watch(self) -> None:
        """Wait until one ends by itself, which none should.

        Raises:
            StopError: always; the text names the command, its status and, if it is known, what it said last.
        """
        command = await self._ended.get()
        status = self._processes[command].returncode
        raise StopError(f"`sidedata {command}` ended by itself with status {status}{self._last_line(command)}")

    async def _stop(self) -> None:
        for process in self._processes.values():
            if process.returncode is None:
                process.terminate()
        if self._watchers:
            _, late = await asyncio.wait(self._watchers, timeout=_STOP_SECONDS)
            for process in self._processes.values():
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)  # its session is its own, so its children go with it
            await asyncio.gather(*late)

    def _log(self, command: str) -> Path:
        assert self._logs is not None  # noqa: S101 - asked for only where there are logs
        return self._logs / f"{command}.log"

    def _last_line(self, command: str) -> str:
        if self._logs is None:
            return ""
        lines = self._log(command).read_text(encoding="utf-8", errors="replace").split("\n")
        return next((f": {line.strip()}" for line in reversed(lines) if line.strip()), "")


def environment(settings: Settings, outer: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment in which a process reads exactly these settings."""
    given = {variable(name): str(value) for name, value in msgspec.structs.asdict(settings).items()}
    # An empty variable counts as unset, and so it also covers one of the same name outside.
    return {
        **(os.environ if outer is None else outer),
        **given,
        variable("data_dir"): str(Path(settings.data_dir).resolve()),
    }
