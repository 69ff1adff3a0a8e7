"""The lock on one Service Bus message, held for as long as its work takes.

The SDK's own AutoLockRenewer first renews ten seconds before the end and gives up after one failed
call, so it loses locks in outages that this keeper survives.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from azure.core.exceptions import AzureError
from azure.servicebus import ServiceBusClient, ServiceBusReceivedMessage, ServiceBusReceiver
from azure.servicebus.exceptions import (
    MessageAlreadySettled,
    MessageLockLostError,
    MessageNotFoundError,
)

log = logging.getLogger("restore.bus")

_RETRY_SECONDS = 1.0
_END_SECONDS = 15.0
_OVER = (MessageAlreadySettled, MessageLockLostError, MessageNotFoundError)


class LockKeeper:
    """Renews at a third of the lock, on a receiver of its own that is built anew after a failure.

    Of its own, because the SDK's receiver is not made for two threads, and stays broken once an
    operation has failed for good; built anew, because Azure detaches a link that was idle for ten
    minutes. It never ends the work: a lost lock only means that a copy of the message is about.
    """

    def __init__(
        self,
        connect: Callable[[], ServiceBusClient],
        queue: str,
        message: ServiceBusReceivedMessage,
    ) -> None:
        self._connect = connect
        self._queue = queue
        self._message = message
        self._lock_seconds = max(1.0, _remaining_seconds(message))
        self._expires = time.monotonic() + self._lock_seconds
        self._is_gone = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lock-keeper", daemon=True)

    @property
    def lost(self) -> bool:
        """Whether another worker may have the message by now: told so, or not renewed in time."""
        return self._is_gone or time.monotonic() >= self._expires

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Renew no more. Safe to repeat."""
        self._stop.set()
        self._thread.join(_END_SECONDS)  # bounded: a call to a dead bus may hang longer

    def _run(self) -> None:
        wait_seconds = self._lock_seconds / 3
        while not self._stop.wait(wait_seconds) and not self._is_gone:
            self._renew_until_failure()
            wait_seconds = min(_RETRY_SECONDS, self._lock_seconds / 3)

    def _renew_until_failure(self) -> None:
        """Renew until told to stop, or that the lock is gone, or until a call fails."""
        try:
            with self._connect() as client, client.get_queue_receiver(self._queue) as receiver:
                while not self._is_gone:
                    self._renew(receiver)
                    if self._stop.wait(self._lock_seconds / 3):
                        return
        except _OVER as exc:
            self._is_gone = True
            log.warning("lock lost", extra=self._about(exc))
        except (AzureError, ValueError, OSError) as exc:
            # ValueError is what the SDK raises from a receiver it has shut down.
            log.warning("lock not renewed", extra=self._about(exc))

    def _about(self, exc: Exception) -> dict[str, object]:
        """The error's name alone: its text may hold addresses and tokens."""
        ticket = self._message.message_id
        return {"queue": self._queue, "ticket": ticket, "reason": type(exc).__name__}

    def _renew(self, receiver: ServiceBusReceiver) -> None:
        asked = time.monotonic()
        receiver.renew_message_lock(self._message, timeout=max(2.0, self._lock_seconds / 6))
        self._expires = asked + self._lock_seconds


def _remaining_seconds(message: ServiceBusReceivedMessage) -> float:
    """Of the lock, by the clocks of both sides: only asked just after the message came."""
    until = message.locked_until_utc
    return (until - datetime.now(UTC)).total_seconds() if until else 60.0
