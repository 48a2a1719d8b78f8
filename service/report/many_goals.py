"""Reports of workflows with more goals than one step merges: assembled in steps, between which other requests run.

3,000 goals over 60 days take a second of processor time. The steps run as a task that no request owns: one that has waited too
long is refused, the task goes on, and the next request finds the answer. All steps use the data of the first one's revision.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from sidedata.service.report.answer import Answer, encode
from sidedata.service.report.assemble import interaction
from sidedata.service.report.plan import ReportPlan
from sidedata.service.report.runs.merged_runs import MOST_ROWS, CachedField
from sidedata.service.report.workflow_cache import WorkflowCache
from sidedata.sketches.hyperloglog import empty, estimates, merge

_MOST_SUMS = 10_000  # counts to add in one step, some 2 ms

Add = Callable[[WorkflowCache, tuple[object, ...], Answer], None]
_Key = tuple[int, int, tuple[int, int]]  # identity and epoch of a cache, effective interval


def has_many_goals(cache: WorkflowCache) -> bool:
    """Tell if a workflow's answers are assembled in steps."""
    return cache.kind == "interaction" and cache.goal_rows > MOST_ROWS


class ManyGoals:
    """Answers under way; `add` caches one that is not stale yet."""

    def __init__(self, add: Add) -> None:
        self._add = add
        self._tasks: dict[_Key, asyncio.Task[Answer]] = {}

    async def answer(self, cache: WorkflowCache, plan: ReportPlan) -> Answer | None:
        """Assemble an answer, or join those that wait for the same one; None if fields are missing in the cache."""
        key = (id(cache), cache.epoch, plan.tiling.effective)
        task = self._tasks.get(key)
        if task is None:
            if not cache.has(plan.requirements):
                return None
            task = self._tasks[key] = asyncio.create_task(self._assemble(cache, plan))
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
        return await asyncio.shield(task)

    async def _assemble(self, cache: WorkflowCache, plan: ReportPlan) -> Answer:
        epoch = cache.epoch
        fields = cache.cached_fields(plan.tiling.runs)
        rows, names, count = dict(cache.rows), dict(cache.names), cache.goal_rows
        sums = await _sums(fields)
        distinct = await _distinct(fields, count)
        answer = encode(interaction(distinct, sums, rows, names), plan)
        if cache.epoch == epoch:
            self._add(cache, plan.key, answer)
        return answer


async def _sums(fields: Sequence[CachedField]) -> Mapping[str, int]:
    sums: dict[str, int] = {}
    added = 0
    for field in fields:
        for key, value in field.sums.items():
            sums[key] = sums.get(key, 0) + value
        added += len(field.sums)
        if added > _MOST_SUMS:
            added = 0
            await asyncio.sleep(0)
    return sums


async def _distinct(fields: Sequence[CachedField], count: int) -> list[int]:
    """Estimate each row, `MOST_ROWS` in a step: all rows of many goals together would take much memory."""
    stacks = [field.stack for field in fields if field.stack is not None]
    distinct: list[int] = []
    for first in range(0, count, MOST_ROWS):
        registers = empty(min(MOST_ROWS, count - first))
        merge(registers, stacks, first)
        distinct += estimates(registers)
        await asyncio.sleep(0)
    return distinct
