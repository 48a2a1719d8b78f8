"""The step from a command, which is a plain function, into asynchronous code, on uvloop where it is installed."""

import asyncio
import importlib.util
from collections.abc import Coroutine
from typing import TypeVar

Result = TypeVar("Result")


def run(coroutine: Coroutine[object, None, Result]) -> Result:
    """Run a coroutine to its end and return its result."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.run(coroutine)
    import uvloop  # noqa: PLC0415 - it exists for some systems only

    return uvloop.run(coroutine)
