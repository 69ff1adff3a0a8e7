"""Server parameters of the flexible server next to the vault, as the management API has them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from local.vault import documents
from local.vault.faults import Refusal

_DEFAULTS = {
    "autovacuum": "on",
    "checkpoint_timeout": "600",
    "maintenance_work_mem": "131072",
    "max_wal_size": "32768",
    "wal_compression": "on",
    "work_mem": "4096",
}


class Parameters:
    """Takes one change at a time, and some time for each, as the service does.

    `apply` is told every change, before it can be seen.
    """

    def __init__(self, seconds: float = 0.2) -> None:
        self.apply: Callable[[str, str], None] = lambda name, value: None
        self._seconds = seconds
        self._values = {name: (value, "system-default") for name, value in _DEFAULTS.items()}
        self._changing = threading.Lock()
        self._busy_until = 0.0

    def document(self, server_id: str) -> documents.Document:
        return documents.page([self._one(server_id, name) for name in sorted(self._values)])

    def change(self, name: str, body: dict[str, Any]) -> None:
        """Raises Refusal for an unknown one, and while another change is under way."""
        given = body.get("properties", {})
        value, source = str(given.get("value")), str(given.get("source"))
        with self._changing:
            if name not in self._values:
                raise Refusal(404, "ResourceNotFound", f"The configuration '{name}' is unknown.")
            if time.monotonic() < self._busy_until:
                raise Refusal(409, "ServerIsBusy", "Another operation on the server is running.")
            self._busy_until = time.monotonic() + self._seconds
            default = source == "system-default"
            self._values[name] = (_DEFAULTS[name] if default else value, source)
            self.apply(name, self._values[name][0])

    def _one(self, server_id: str, name: str) -> documents.Document:
        value, source = self._values[name]
        return {
            "id": f"{server_id}/configurations/{name}",
            "name": name,
            "type": "Microsoft.DBforPostgreSQL/flexibleServers/configurations",
            "properties": {
                "value": value,
                "source": source,
                "defaultValue": _DEFAULTS[name],
                "isDynamicConfig": True,
                "isReadOnly": False,
                "isConfigPendingRestart": False,
            },
        }
