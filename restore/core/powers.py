"""What a login may make on its server beyond the common."""

from __future__ import annotations

from dataclasses import dataclass

from restore.core.facts import TargetFacts

SUBSCRIBES_SINCE = 16
SUBSCRIBER = "pg_create_subscription"


@dataclass(frozen=True, slots=True)
class Powers:
    """What the login may on its server. By default everything."""

    superuser: bool = True
    subscribes: bool = True


def powers(target: TargetFacts) -> Powers:
    can = target.major >= SUBSCRIBES_SINCE and SUBSCRIBER in target.settable_roles
    return Powers(target.superuser, target.superuser or can)
