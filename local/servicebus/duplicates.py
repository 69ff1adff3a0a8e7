"""Duplicate detection: the ids of the messages that arrived within a window of time."""

from __future__ import annotations

from collections import OrderedDict


class DuplicateHistory:
    """Message ids and when they first arrived; completing a message does not forget its id."""

    def __init__(self, window_seconds: float) -> None:
        self._window_seconds = window_seconds
        self._seen: OrderedDict[str, float] = OrderedDict()

    def is_new(self, message_id: str, now: float) -> bool:
        """Whether the id did not arrive within the window; remembers it if so."""
        while self._seen and next(iter(self._seen.values())) <= now - self._window_seconds:
            self._seen.popitem(last=False)
        if message_id in self._seen:
            return False
        self._seen[message_id] = now
        return True

    def restore(self, message_id: str, at: float) -> None:
        """Remember an id from before a restart; call in order of time."""
        self._seen[message_id] = at
