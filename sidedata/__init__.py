"""Counts visitors, goals and purchases of workflows, for any interval.

The names in `__all__` are public, everything else is private.
"""

from sidedata.producer.errors import BufferFull, DeliveryFailed, InvalidEvent, ProducerError
from sidedata.producer.limits import Limits
from sidedata.producer.producer import Producer
from sidedata.producer.sync import SyncProducer

__all__ = [
    "BufferFull",
    "DeliveryFailed",
    "InvalidEvent",
    "Limits",
    "Producer",
    "ProducerError",
    "SyncProducer",
]
