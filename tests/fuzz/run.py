"""A run over all targets, bounded in inputs and time, each input reproducible by the run's seed, its target and its number."""

import random
import resource
import time

from tests.fuzz.targets import TARGETS

# An input is read in well under a millisecond; a second of work means that something grows as nothing may. (Of work, not by the
# clock on the wall: the machine may have other work.)
SLOWEST_SECONDS = 1.0
# What the process may grow by: inputs are small and nothing is kept of them, save by bounded caches.
MOST_GROWTH_MB = 400


class FuzzError(AssertionError):
    """An input broke something; the text says how to see it again."""


def run(seed: int, inputs: int, seconds: float) -> dict[str, tuple[int, float, float]]:
    """Feed the targets; for each the number of inputs, the time they took, and that of the slowest; in seconds of processor time.

    Raises:
        FuzzError: something raised what it mustn't, hung, or grew.
    """
    before = _memory_mb()
    deadline = time.process_time() + seconds
    weights = left = sum(weight for _, weight in TARGETS.values())
    results = {}
    for name, (_, weight) in TARGETS.items():
        # A target that is slower than its share of what is left of the time gets fewer inputs, not more time.
        share = (deadline - time.process_time()) * weight / left
        results[name] = _run_one(name, seed, inputs * weight // weights, time.process_time() + max(share, 1.0))
        left -= weight
    if _memory_mb() - before > MOST_GROWTH_MB:
        raise FuzzError(f"memory grew by {_memory_mb() - before:.0f} MB")
    return results


def one(name: str, seed: int, number: int) -> None:
    """A single input again."""
    TARGETS[name][0](random.Random(f"{name} {seed} {number}"))


def _run_one(name: str, seed: int, inputs: int, until: float) -> tuple[int, float, float]:
    target = TARGETS[name][0]
    start = last = time.process_time()
    slowest = 0.0
    number = 0
    while number < inputs and last < until:
        try:
            target(random.Random(f"{name} {seed} {number}"))
        except BaseException as error:
            raise FuzzError(f"one({name!r}, {seed}, {number}) raised {error!r}"[:2000]) from error
        now = time.process_time()
        slowest = max(slowest, now - last)
        if slowest > SLOWEST_SECONDS:
            raise FuzzError(f"one({name!r}, {seed}, {number}) took {slowest:.1f} s")
        last = now
        number += 1
    return number, last - start, slowest


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
