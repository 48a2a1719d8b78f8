"""Redis's own figures: the time that it spent on commands, and its slow commands."""

from typing import Any

from sidedata.redis.scripts import files, script

# Scripts count what they call inside; so of all commands those are summed that our processes send themselves. (A commit calls
# HMGET too, once.)
_SENT = ("evalsha", "evalsha_ro", "eval", "xread", "xadd", "hmget", "mget")


class RedisTime:
    """Time of commands since it was made."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - redis-py's stubs know no plain replies
        self._client = client
        client.config_resetstat()
        self._cpu = self._main_thread()

    def _main_thread(self) -> float:
        info = self._client.info("cpu")
        return float(info["used_cpu_user_main_thread"]) + float(info["used_cpu_sys_main_thread"])

    def commands_us(self) -> float:
        """Microseconds of all commands, those inside of scripts counted once."""
        stats = self._client.info("commandstats")
        return float(sum(stats.get(f"cmdstat_{name}", {}).get("usec", 0) for name in _SENT))

    def calls(self, command: str) -> int:
        """Count the calls of a command, inside of scripts too."""
        return int(self._client.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))

    def cpu_us(self) -> float:
        """Microseconds of the server's main thread: commands, and reading and writing them."""
        return (self._main_thread() - self._cpu) * 1e6


def watch_slow(client: Any, ms: int = 10) -> None:  # noqa: ANN401
    """Begin to log commands that take longer."""
    client.config_set("slowlog-log-slower-than", ms * 1000)
    client.config_set("slowlog-max-len", 10_000)
    client.slowlog_reset()


def slow(client: Any) -> list[tuple[float, str]]:  # noqa: ANN401
    """Milliseconds and name of the slow ones since; a script goes by its own name."""
    scripts = {script(name).sha: f"{name}.lua" for name in files()}
    found = []
    for entry in client.slowlog_get(10_000):
        words = entry["command"].decode(errors="replace").split()
        found.append((entry["duration"] / 1000, scripts.get(words[1], words[0]) if len(words) > 1 else words[0]))
    return found
