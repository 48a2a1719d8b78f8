"""Errors of the producer. All are `ProducerError`; none depends on how sidedata's own processes end."""


class ProducerError(Exception):
    """Base of every error that the producer raises; its text is one line."""


class BufferFull(ProducerError):  # noqa: N818 - the public name, as queue.Full
    """The buffer holds as many events as it may; this event was not taken."""


class InvalidEvent(ProducerError, ValueError):  # noqa: N818 - the public name
    """The event can never be applied, so it was not taken; its neighbours are unaffected.

    Attributes:
        pointer: JSON pointer to the wrong field; "" for the event as a whole.
    """

    pointer = ""


class DeliveryFailed(ProducerError):  # noqa: N818 - the public name
    """Events are not known to be in the stream. Sending them again with the same ids is safe.

    Attributes:
        events: number of events that this error is about.
    """

    events = 1
