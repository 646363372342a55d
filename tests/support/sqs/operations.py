"""The operations of the SQS double on a socket."""

import hashlib
import json
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.support.faults.plan import Fault
from tests.support.sqs.rules import Mailbox, Message, Refused, check_batch

REGION = "us-east-1"
LONGEST_POLL_S = 20
_ACCOUNT = "000000000000"
_BATCHES = {"SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"}

Body = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One request as it was answered."""

    at: float
    """Seconds on the monotonic clock."""
    operation: str
    queue: str
    body: Body
    fault: Fault | None
    answer: Body | None
    """None if there was no answer, or a refusal."""


@dataclass
class Queues:
    """The queues behind every door, and all requests to them."""

    boxes: dict[str, Mailbox] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    _ahead_s: float = 0.0

    def clock(self) -> float:
        """Return the seconds by the queues' clock."""
        return time.monotonic() + self._ahead_s

    def pass_time(self, seconds: float) -> None:
        """Move the queues' clock: visibility time-outs and delays end at once."""
        self._ahead_s += seconds
        for box in list(self.boxes.values()):
            box.wake()

    def make(self, name: str, *, max_receive_count: int | None = None, visibility_s: float = 30) -> Mailbox:
        """Create a queue; with `max_receive_count`, also its dead-letter queue `NAME-dlq`."""
        box = self.boxes.setdefault(name, Mailbox(name, self.clock))
        box.visibility_s = visibility_s
        if max_receive_count is not None:
            box.max_receive_count, box.dead_letter = max_receive_count, self.make(f"{name}-dlq")
        return box

    def named(self, url_or_arn: str) -> Mailbox:
        """Return the queue of a URL or an ARN. Raises Refused."""
        name = name_of(url_or_arn)
        if name not in self.boxes:
            raise Refused("AWS.SimpleQueueService.NonExistentQueue", f"there is no queue {name}")
        return self.boxes[name]


class Site(NamedTuple):
    """The queues, and the URL of the door through which they are called."""

    queues: Queues
    url: str


Act = Callable[[Site, Body, Fault | None], Body]


def name_of(url_or_arn: str) -> str:
    """Return the queue's name, which both end with."""
    return url_or_arn.replace(":", "/").rsplit("/", 1)[-1]


def url_of(door: str, name: str) -> str:
    """Return the URL of a queue, through the door at that URL."""
    return f"{door}/{_ACCOUNT}/{name}"


def perform(queues: Queues, door: str, operation: str, body: Body, fault: Fault | None) -> Body:
    """Carry out an operation, as far as `fault` allows. Raises Refused."""
    if fault is Fault.ERROR:
        raise Refused("InternalFailure", "something broke here", status=500, sender_fault=False)
    if fault is Fault.THROTTLED:
        raise Refused("RequestThrottled", "slow down")
    act = _OPERATIONS.get(operation)
    if act is None:
        raise Refused("UnsupportedOperation", f"{operation} is not played here")
    site = Site(queues, door)
    if operation in _BATCHES:
        return _batch(site, act, body, fault)
    return act(site, body, fault)


def _batch(site: Site, act: Act, body: Body, fault: Fault | None) -> Body:
    check_batch(body["Entries"])
    done: list[Body] = []
    failed: list[Body] = []
    for number, entry in enumerate(body["Entries"]):
        try:
            _refuse_half(number, fault)
            done.append({"Id": entry["Id"], **act(site, {"QueueUrl": body["QueueUrl"], **entry}, fault)})
        except Refused as no:
            failed.append({"Id": entry["Id"], "Code": no.code, "Message": no.message, "SenderFault": no.sender_fault})
    return {"Successful": done, "Failed": failed}


def _refuse_half(number: int, fault: Fault | None) -> None:
    if fault is Fault.PARTIAL and number % 2 == 0:
        raise Refused("InternalError", "this entry failed", sender_fault=False)
    if fault is Fault.PARTIAL_FOR_GOOD and number % 2 == 0:
        raise Refused("InvalidParameterValue", "this entry is hopeless")


def _send(site: Site, body: Body, fault: Fault | None) -> Body:
    attributes = body.get("MessageAttributes") or {}
    box = site.queues.named(body["QueueUrl"])
    delay = body.get("DelaySeconds")
    message_id = "lost"
    if fault is not Fault.LOST:
        message_id = box.send(body["MessageBody"], attributes, delay_s=delay, copies=1 + (fault is Fault.DUPLICATE))
    answer = {"MessageId": message_id, "MD5OfMessageBody": _md5(body["MessageBody"].encode())}
    return {**answer, "MD5OfMessageAttributes": _md5_of_attributes(attributes)} if attributes else answer


def _receive(site: Site, body: Body, fault: Fault | None) -> Body:
    box = site.queues.named(body["QueueUrl"])
    found = box.receive(
        int(body.get("MaxNumberOfMessages", 1)),
        wait_s=float(body.get("WaitTimeSeconds", box.wait_s)),
        visibility_s=body.get("VisibilityTimeout"),
    )
    if fault is Fault.DUPLICATE:
        # Delivered, and still visible: the next receive gets the same messages under new handles.
        for message in found:
            box.change_visibility(message.receipt, 0)
    return {"Messages": [_delivery(message) for message in found]} if found else {}


def _delivery(message: Message) -> Body:
    system = {"ApproximateReceiveCount": str(message.receives), "SentTimestamp": str(int(message.sent_at * 1000)),
              "ApproximateFirstReceiveTimestamp": str(int(message.first_received_at * 1000))}  # fmt: skip
    if message.source:
        system["DeadLetterQueueSourceArn"] = _arn(message.source)
    delivery = {
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "MD5OfBody": _md5(message.body.encode()),
        "Attributes": system,
    }
    if message.attributes:
        delivery["MessageAttributes"] = message.attributes
        delivery["MD5OfMessageAttributes"] = _md5_of_attributes(message.attributes)
    return delivery


def _delete(site: Site, body: Body, fault: Fault | None) -> Body:
    box = site.queues.named(body["QueueUrl"])
    if fault is not Fault.LOST:
        box.delete(body["ReceiptHandle"])
    return {}


def _change_visibility(site: Site, body: Body, fault: Fault | None) -> Body:
    if fault is not Fault.LOST:
        site.queues.named(body["QueueUrl"]).change_visibility(body["ReceiptHandle"], float(body["VisibilityTimeout"]))
    return {}


def _create(site: Site, body: Body, _fault: Fault | None) -> Body:
    site.queues.make(body["QueueName"])
    _set_attributes(site, {"QueueUrl": body["QueueName"], "Attributes": body.get("Attributes") or {}}, None)
    return {"QueueUrl": url_of(site.url, body["QueueName"])}


def _url(site: Site, body: Body, _fault: Fault | None) -> Body:
    return {"QueueUrl": url_of(site.url, site.queues.named(body["QueueName"]).name)}


def _set_attributes(site: Site, body: Body, _fault: Fault | None) -> Body:
    box = site.queues.named(body["QueueUrl"])
    for name, value in body["Attributes"].items():
        match name:
            case "VisibilityTimeout":
                box.visibility_s = float(value)
            case "DelaySeconds":
                box.delay_s = float(value)
            case "ReceiveMessageWaitTimeSeconds":
                box.wait_s = float(value)
            case "MessageRetentionPeriod":
                box.retention_s = float(value)
            case "RedrivePolicy":
                policy = json.loads(value)
                box.dead_letter = site.queues.named(policy["deadLetterTargetArn"])
                box.max_receive_count = int(policy["maxReceiveCount"])
            case _:
                raise Refused("InvalidAttributeName", f"unknown attribute {name}")
    return {}


def _get_attributes(site: Site, body: Body, _fault: Fault | None) -> Body:
    box = site.queues.named(body["QueueUrl"])
    counts = box.counts()
    known = {
        "QueueArn": _arn(box.name),
        "ApproximateNumberOfMessages": str(counts.visible),
        "ApproximateNumberOfMessagesNotVisible": str(counts.in_flight),
        "ApproximateNumberOfMessagesDelayed": str(counts.delayed),
        "VisibilityTimeout": _seconds(box.visibility_s),
        "MessageRetentionPeriod": _seconds(box.retention_s),
        "ReceiveMessageWaitTimeSeconds": _seconds(box.wait_s),
        "DelaySeconds": _seconds(box.delay_s),
    }
    if box.dead_letter is not None:
        policy = {"deadLetterTargetArn": _arn(box.dead_letter.name), "maxReceiveCount": box.max_receive_count}
        known["RedrivePolicy"] = json.dumps(policy)
    asked = body.get("AttributeNames") or []
    return {"Attributes": {name: value for name, value in known.items() if name in asked or "All" in asked}}


def _seconds(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _purge(site: Site, body: Body, _fault: Fault | None) -> Body:
    site.queues.named(body["QueueUrl"]).purge()
    return {}


def _list(site: Site, body: Body, _fault: Fault | None) -> Body:
    prefix = body.get("QueueNamePrefix", "")
    return {"QueueUrls": [url_of(site.url, name) for name in site.queues.boxes if name.startswith(prefix)]}


def _move(site: Site, body: Body, _fault: Fault | None) -> Body:
    """Redrive. Here it is done before the answer."""
    dead = site.queues.named(body["SourceArn"])
    given = body.get("DestinationArn")
    sources = [site.queues.named(given)] if given else [b for b in site.queues.boxes.values() if b.dead_letter is dead]
    dead.redrive_to(sources[0])
    return {"TaskHandle": "done"}


_OPERATIONS: Mapping[str, Act] = {
    "SendMessage": _send,
    "SendMessageBatch": _send,
    "ReceiveMessage": _receive,
    "DeleteMessage": _delete,
    "DeleteMessageBatch": _delete,
    "ChangeMessageVisibility": _change_visibility,
    "ChangeMessageVisibilityBatch": _change_visibility,
    "CreateQueue": _create,
    "GetQueueUrl": _url,
    "SetQueueAttributes": _set_attributes,
    "GetQueueAttributes": _get_attributes,
    "PurgeQueue": _purge,
    "ListQueues": _list,
    "StartMessageMoveTask": _move,
}


def _arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{_ACCOUNT}:{name}"


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _md5_of_attributes(attributes: Mapping[str, Mapping[str, str]]) -> str:
    """Digest as AWS does: sorted, each part after its length ("Calculating the MD5 message digest")."""
    parts = b""
    for name in sorted(attributes):
        kind, value = attributes[name]["DataType"], attributes[name].get("StringValue", "")
        for part in (name, kind):
            parts += struct.pack("!I", len(part.encode())) + part.encode()
        parts += b"\x01" + struct.pack("!I", len(value.encode())) + value.encode()
    return _md5(parts)
