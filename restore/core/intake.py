"""An Event Grid delivery -> which file landed where. Both schemas; anything else is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from restore.errors import MessageError

_CREATED = "Microsoft.Storage.BlobCreated"


@dataclass(frozen=True, slots=True)
class Landed:
    """A blob that was created: its container's URL, and its name as storage spells it."""

    container: str
    name: str


def landed(event: str | bytes) -> Landed | None:
    """The file a BlobCreated event tells of, or None for an event of another type.

    Accounts with a hierarchical namespace announce a file when it is opened (CreateFile, length 0);
    such an event is None as well: the one that counts follows.
    Raises MessageError for what is no event.
    Source: Event Grid schema and CloudEvents 1.0, "Azure Blob Storage as an Event Grid source".
    """
    try:
        body: Any = json.loads(event)
        kind = body.get("eventType") or body.get("type")
        if kind != _CREATED or body["data"].get("api") == "CreateFile":
            return None
        subject, url = str(body["subject"]), urlsplit(str(body["data"]["url"]))
        _, _, named = subject.partition("/containers/")
        container, _, name = named.partition("/blobs/")
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise MessageError(
            f"event: expected a {_CREATED} event, found {len(event)} bytes that are not one"
        ) from exc
    if not container or not name:
        raise MessageError(f"event: expected a blob as its subject, found {subject!r:.80}")
    before, found, _ = unquote(url.path).partition(f"/{container}/")
    account = before if found else ""
    return Landed(f"{url.scheme}://{url.netloc}{account}/{container}", name)
