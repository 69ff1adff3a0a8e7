"""The semantics of one queue, without a network; time passes only when the test says so."""

from __future__ import annotations

import uuid

import pytest

from local.servicebus import Broker, Clock, CorrelationFilter, QueueConfig
from local.servicebus.encoder import section
from local.servicebus.message import APPLICATION, DATA, HEADER, PROPERTIES, Message, State
from local.servicebus.primitives import UInt
from local.servicebus.refusal import Refusal


def message(body: bytes = b"x", **fields) -> Message:
    """A message as a sender would have encoded it."""
    header = section(HEADER, [None, None, UInt(fields["ttl_ms"])]) if "ttl_ms" in fields else b""
    names = ["message_id", None, None, "subject", *[None] * 6, "session_id"]
    properties = [fields.get(name) if name else None for name in names]
    own = section(APPLICATION, fields.get("application", {}))
    return Message.parse(header + section(PROPERTIES, properties) + own + section(DATA, body))


class Receiver:
    """Takes up to `credit` messages."""

    receive_and_delete = False

    def __init__(self, credit: int = 1) -> None:
        self.credit = credit
        self.got: list[tuple[bytes, uuid.UUID | None]] = []
        self.sessions: list[str] = []
        self.refusals: list[Refusal] = []

    def can_take(self) -> bool:
        return self.credit > 0

    def deliver(self, message: Message) -> None:
        self.credit -= 1
        self.got.append((message.content, message.token))

    def granted(self, session) -> None:
        self.sessions.append(session.id)

    def revoked(self, refusal: Refusal) -> None:
        self.refusals.append(refusal)

    @property
    def bodies(self) -> list[bytes]:
        return [body for body, _ in self.got]

    @property
    def token(self) -> uuid.UUID:
        token = self.got[-1][1]
        assert token is not None
        return token


@pytest.fixture
def clock():
    return Clock(source=lambda: 1_000_000.0)


@pytest.fixture
def make(clock):
    broker = Broker(clock=clock)

    def queue(**config):
        return broker.create_queue("q", QueueConfig(**config))

    return queue


def receive(queue, clock, credit: int = 1) -> Receiver:
    receiver = Receiver(credit)
    queue.attach(receiver)
    clock.advance(0)
    return receiver


def test_messages_leave_in_the_order_they_came(make, clock):
    queue = make()
    for body in (b"1", b"2", b"3"):
        queue.put(message(body))
    assert receive(queue, clock, 3).bodies == [b"1", b"2", b"3"]


def test_receivers_take_turns(make, clock):
    queue = make()
    first, second = receive(queue, clock, 9), receive(queue, clock, 9)
    for _ in range(6):
        queue.put(message())
    clock.advance(0)
    assert (len(first.got), len(second.got)) == (3, 3)


def test_a_lock_that_expires_gives_the_message_to_the_next_receiver(make, clock):
    queue = make(lock_seconds=30)
    queue.put(message())
    first = receive(queue, clock)
    second = receive(queue, clock)
    clock.advance(29.9)
    assert second.got == []
    clock.advance(0.2)
    assert second.bodies == [b"x"]
    with pytest.raises(Refusal, match="lock"):
        queue.complete(first.token)
    queue.complete(second.token)
    assert queue.counts().total == 0


def test_a_renewed_lock_holds_for_another_duration(make, clock):
    queue = make(lock_seconds=30)
    queue.put(message())
    holder, other = receive(queue, clock), receive(queue, clock)
    for _ in range(10):
        clock.advance(20)
        queue.renew(holder.token)
    assert other.got == []
    queue.complete(holder.token)


def test_locks_of_many_messages_expire_each_in_its_time(make, clock):
    queue = make(lock_seconds=30, max_delivery_count=99)
    for number in range(5):
        queue.put(message(str(number).encode()))
    holders = []
    for _ in range(5):
        holders.append(receive(queue, clock))
        clock.advance(5)
    queue.renew(holders[1].token)
    clock.advance(6)  # the locks were taken at 0, 5, 10 ...; it is 31 now, the second lasts to 55
    assert (queue.counts().ready, queue.counts().locked) == (1, 4)
    clock.advance(15)
    assert (queue.counts().ready, queue.counts().locked) == (3, 2)
    clock.advance(10)
    assert queue.counts().ready == 5


@pytest.mark.parametrize("fail", ["abandon", "expire"])
def test_too_many_deliveries_bury_the_message(make, clock, fail):
    queue = make(lock_seconds=30, max_delivery_count=3)
    queue.put(message(message_id="m"))
    for _ in range(3):
        receiver = receive(queue, clock)
        if fail == "abandon":
            queue.abandon(receiver.token)
        clock.advance(31)
        queue.detach(receiver)
    assert queue.counts().dead_letter == 1
    assert queue.counts().total == 0
    (dead,) = queue.dead_letters.shelf.messages.values()
    assert dead.application_properties["DeadLetterReason"] == "MaxDeliveryCountExceeded"


def test_a_released_message_was_not_delivered(make, clock):
    queue = make(max_delivery_count=2)
    queue.put(message())
    for _ in range(5):
        receiver = receive(queue, clock)
        queue.release(receiver.token)
        queue.detach(receiver)
    assert queue.counts().ready == 1


@pytest.mark.parametrize("buried", [False, True])
@pytest.mark.parametrize("locked", [False, True])
def test_a_message_past_its_time_is_dropped_or_buried(make, clock, buried, locked):
    queue = make(lock_seconds=5, dead_letter_on_expiration=buried)
    queue.put(message(ttl_ms=60_000))
    if locked:
        receive(queue, clock)
    clock.advance(61)
    assert queue.counts().total == 0
    assert queue.counts().dead_letter == int(buried)


def test_the_shorter_of_two_times_to_live_counts(make, clock):
    queue = make(default_ttl_seconds=10)
    queue.put(message(ttl_ms=60_000))
    queue.put(message(ttl_ms=5_000))
    clock.advance(6)
    assert queue.counts().ready == 1
    clock.advance(5)
    assert queue.counts().ready == 0


def test_a_scheduled_message_waits_and_then_gets_a_new_number(make, clock):
    queue = make(lock_seconds=300)
    later = message(b"later")
    later.due_at = clock.now() + 60
    number = queue.put(later)
    queue.put(message(b"now"))
    receiver = receive(queue, clock, 9)
    assert receiver.bodies == [b"now"]
    assert queue.shelf.messages[number].state is State.SCHEDULED
    clock.advance(61)
    assert receiver.bodies == [b"now", b"later"]
    assert number not in queue.shelf.messages


def test_a_cancelled_message_never_comes(make, clock):
    queue = make()
    later = message()
    later.due_at = clock.now() + 60
    number = queue.put(later)
    queue.cancel([number])
    with pytest.raises(Refusal, match="does not exist"):
        queue.cancel([number])
    clock.advance(61)
    assert queue.counts().total == 0


def test_a_duplicate_is_accepted_and_dropped_within_the_window(make, clock):
    queue = make(requires_duplicate_detection=True, duplicate_window_seconds=600)
    assert queue.put(message(message_id="a")) == 1
    assert queue.put(message(message_id="a")) == 0
    queue.complete(receive(queue, clock).token)
    clock.advance(599)
    assert queue.put(message(message_id="a")) == 0
    clock.advance(2)
    assert queue.put(message(message_id="a")) == 2


def test_a_deferred_message_comes_only_by_its_number(make, clock):
    queue = make()
    number = queue.put(message())
    queue.defer(receive(queue, clock).token)
    assert receive(queue, clock).got == []
    (taken,) = queue.take_deferred([number], delete=False)
    queue.abandon(taken.token)
    assert queue.counts().deferred == 1
    queue.take_deferred([number], delete=True)
    assert queue.counts().total == 0


def test_a_dead_letter_keeps_its_body_and_says_why(clock):
    broker = Broker(clock=clock)
    queue = broker.create_queue("q")
    queue.put(message(b"body", message_id="m", application={"restore": "r1"}))
    queue.dead_letter(receive(queue, clock).token, "input", "no such database")
    assert broker.dead_letters("Q") == [("m", "input", "no such database", b"body")]
    (dead,) = queue.dead_letters.shelf.messages.values()
    assert dead.application_properties["restore"] == "r1"


def test_sessions_go_each_to_one_receiver_in_order(clock):
    queue = Broker(clock=clock).create_queue("q", QueueConfig(requires_session=True))
    for body, session in ((b"a1", "a"), (b"b1", "b"), (b"a2", "a"), (b"b2", "b")):
        queue.put(message(body, session_id=session))
    named, next_free, idle = Receiver(9), Receiver(9), Receiver(9)
    queue.accept(named, "b")
    queue.accept(next_free, None)
    queue.accept(idle, None)
    clock.advance(0)
    assert (named.bodies, next_free.bodies) == ([b"b1", b"b2"], [b"a1", b"a2"])
    assert idle.sessions == []
    with pytest.raises(Refusal, match="cannot be accepted"):
        queue.accept(Receiver(), "a")


def test_a_session_lock_that_expires_frees_its_messages(clock):
    config = QueueConfig(requires_session=True, lock_seconds=30)
    queue = Broker(clock=clock).create_queue("q", config)
    queue.put(message(session_id="a"))
    first, second = Receiver(), Receiver()
    queue.accept(first, "a")
    clock.advance(20)
    queue.renew_session("a")
    clock.advance(20)
    queue.accept(second, None)
    assert second.got == []
    clock.advance(11)
    assert [refusal.condition for refusal in first.refusals] == ["com.microsoft:session-lock-lost"]
    assert second.bodies == [b"x"]
    queue.complete(second.token)


def test_a_message_without_a_session_is_refused_where_one_is_needed(clock):
    queue = Broker(clock=clock).create_queue("q", QueueConfig(requires_session=True))
    with pytest.raises(Refusal, match="SessionId"):
        queue.put(message())


@pytest.mark.parametrize(
    ("rule", "copies"),
    [
        (CorrelationFilter(), 2),
        (CorrelationFilter(subject="restore"), 1),
        (CorrelationFilter(properties={"state": "failed"}), 1),
        (CorrelationFilter(subject="restore", properties={"state": "failed"}), 0),
    ],
)
def test_a_subscription_gets_what_its_rule_matches(clock, rule, copies):
    broker = Broker(clock=clock)
    topic = broker.create_topic("events")
    subscription = broker.create_subscription("events", "some", rule=rule)
    topic.put(message(subject="restore", application={"state": "ok"}))
    topic.put(message(subject="vault", application={"state": "failed"}))
    assert subscription.counts().ready == copies


def test_a_dead_letter_never_replaces_one_from_before_a_restart(clock, tmp_path):
    database = tmp_path / "bus.db"
    for body in (b"1", b"2"):
        broker = Broker(database, clock)
        queue = broker.create_queue("q")
        queue.put(message(body))
        queue.dead_letter(receive(queue, clock).token, "input", None)
        # The counter of the queue is lost, so that the second dead letter has the first's number.
        broker.store.numbered("q", 1)
        broker.store.close()
    assert sorted(letter.body for letter in broker.dead_letters("q")) == [b"1", b"2"]
