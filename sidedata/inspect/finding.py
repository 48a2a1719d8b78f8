"""A finding of the doctor. Pure."""

from msgspec import Struct

from sidedata.inspect.health import Status


class Finding(Struct, frozen=True):
    """The result of one examination; `advice` says how to correct a problem."""

    name: str
    status: Status
    detail: str
    advice: str = ""

    @property
    def problem(self) -> bool:
        """Tell if an operator should act."""
        return self.status in ("warning", "failed")
