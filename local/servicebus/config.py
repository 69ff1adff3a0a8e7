"""What can be set on a queue or a subscription, and what can be counted in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """The settings of a queue or subscription; the defaults are those of Azure's Standard tier."""

    lock_seconds: float = 60.0
    max_delivery_count: int = 10
    default_ttl_seconds: float | None = None
    dead_letter_on_expiration: bool = False
    requires_duplicate_detection: bool = False
    duplicate_window_seconds: float = 600.0
    requires_session: bool = False
    max_message_bytes: int = 256 * 1024


@dataclass(frozen=True, slots=True)
class Counts:
    """Messages by state.

    `active` is what Azure reports (and KEDA scales by): ready, locked and deferred together.
    """

    ready: int = 0
    locked: int = 0
    deferred: int = 0
    scheduled: int = 0
    dead_letter: int = 0

    @property
    def active(self) -> int:
        """Azure's ActiveMessageCount."""
        return self.ready + self.locked + self.deferred

    @property
    def total(self) -> int:
        """Everything in the queue itself, dead letters aside."""
        return self.active + self.scheduled


class DeadLetter(NamedTuple):
    """A message nobody could handle, and why."""

    message_id: str
    reason: str
    description: str
    body: bytes
