"""The views that a process keeps, within a bound of memory."""

from collections import OrderedDict

from sidedata.service.report.workflow_cache import View

_VIEW_BYTES = 1000  # of one that is empty
# Of the memory for all views, what the merged runs of one may take: half, because a workflow with 16 goals has 180 runs of half a
# MiB that reports about the last 30 days share, and with fewer of them they push each other out.
_UNIONS_SHARE = 2


class Views:
    """The views of a process, least recently used first."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._views: OrderedDict[tuple[str, str], View] = OrderedDict()
        self._counted: dict[tuple[str, str], int] = {}  # bytes of each when it was last looked at
        self._bytes = 0  # of all

    def of(self, organization_id: str, workflow_id: str) -> View:
        """The view of a workflow."""
        key = (organization_id, workflow_id)
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = View(*key, self._most_bytes // _UNIONS_SHARE)
            self._count(view)
        self._views.move_to_end(key)
        return view

    def trim(self, grown: View) -> int:
        """Give up the least recently used views until the rest fits; one that alone is too large starts anew.

        Returns the bytes that are left, about.
        """
        self._count(grown)
        while self._bytes > self._most_bytes and self._views:
            key, view = self._views.popitem(last=False)
            self._bytes -= self._counted.pop(key)
            view.clear()
        return self._bytes

    def _count(self, view: View) -> None:
        """Take note of a view's size; an empty one counts too: asking for workflows that don't exist must not fill the memory."""
        key = (view.organization_id, view.workflow_id)
        if self._views.get(key) is view:  # else it was given up while it was being read
            size = view.size + _VIEW_BYTES
            self._bytes += size - self._counted.get(key, 0)
            self._counted[key] = size
