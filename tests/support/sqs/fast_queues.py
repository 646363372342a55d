"""Fast queues in memory: the inside of `tests.support.sqs.fast_server`."""

import asyncio
import hashlib
import heapq
import itertools
import json
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]

_ACCOUNT: Final = "000000000000"


class Refused(Exception):
    """Answer the call with this error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Message:
    """One message, in any state."""

    id: str
    body: str
    md5: str
    attributes: Json | None
    receives: int = 0
    receipt: str = ""


@dataclass
class SqsQueue:
    """One standard queue."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    visible: deque[Message] = field(default_factory=deque)
    hidden: dict[str, Message] = field(default_factory=dict)
    """Receipt → message in flight."""
    deadlines: list[tuple[float, str]] = field(default_factory=list)
    """Heap of (when it becomes visible again, receipt); entries whose receipt is gone are skipped."""
    due: dict[str, float] = field(default_factory=dict)
    waiting: deque["asyncio.Future[None]"] = field(default_factory=deque)

    def return_expired(self) -> None:
        """Make messages visible again that were not deleted in time."""
        now = time.monotonic()
        while self.deadlines and self.deadlines[0][0] <= now:
            when, receipt = heapq.heappop(self.deadlines)
            if self.due.get(receipt) == when:
                del self.due[receipt]
                self.arrive(self.hidden.pop(receipt))

    def hide(self, message: Message, visibility_s: float) -> None:
        """Hide it for that long."""
        when = time.monotonic() + visibility_s
        self.hidden[message.receipt] = message
        self.due[message.receipt] = when
        heapq.heappush(self.deadlines, (when, message.receipt))

    def arrive(self, message: Message) -> None:
        """Make it visible from now on."""
        self.visible.append(message)
        while self.waiting:
            waiter = self.waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


class Broker:
    """All queues of one endpoint."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.queues: dict[str, SqsQueue] = {}
        self.requests: Counter[str] = Counter()
        self._numbers = itertools.count(1)

    def queue(self, body: Json) -> SqsQueue:
        """Return the queue that a request names by its URL."""
        name = str(body.get("QueueUrl", "")).rsplit("/", 1)[-1]
        try:
            return self.queues[name]
        except KeyError:
            raise Refused("AWS.SimpleQueueService.NonExistentQueue", f"there is no queue {name!r}") from None

    def url(self, name: str) -> str:
        """Return a queue's address."""
        return f"{self.base}/{_ACCOUNT}/{name}"

    def create(self, body: Json) -> Json:
        """CreateQueue."""
        name = body["QueueName"]
        self.queues.setdefault(name, SqsQueue(name)).attributes.update(body.get("Attributes") or {})
        return {"QueueUrl": self.url(name)}

    def send(self, body: Json) -> Json:
        """SendMessageBatch."""
        queue = self.queue(body)
        done = []
        for entry in body["Entries"]:
            message = self._message(entry)
            queue.arrive(message)
            done.append({"Id": entry["Id"], "MessageId": message.id, "MD5OfMessageBody": message.md5})
        return {"Successful": done}

    def send_one(self, body: Json) -> Json:
        """SendMessage."""
        message = self._message(body)
        self.queue(body).arrive(message)
        return {"MessageId": message.id, "MD5OfMessageBody": message.md5}

    def _message(self, entry: Mapping[str, Any]) -> Message:
        text = entry["MessageBody"]
        md5 = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        return Message(f"m{next(self._numbers)}", text, md5, entry.get("MessageAttributes"))

    async def receive(self, body: Json) -> Json:
        """ReceiveMessage, once there is a message or the time is over."""
        queue = self.queue(body)
        give_up_at = time.monotonic() + float(body.get("WaitTimeSeconds") or 0)
        while True:
            if taken := self.take(body):
                return {"Messages": taken}
            left_s = give_up_at - time.monotonic()
            if left_s <= 0:
                return {}
            await self._wait(queue, left_s)

    async def _wait(self, queue: SqsQueue, left_s: float) -> None:
        if queue.deadlines:
            left_s = min(left_s, max(0.0, queue.deadlines[0][0] - time.monotonic()) + 0.001)
        waiter = asyncio.get_running_loop().create_future()
        queue.waiting.append(waiter)
        timer = asyncio.get_running_loop().call_later(left_s, _wake, waiter)
        await waiter
        timer.cancel()

    def take(self, body: Json) -> list[Json]:
        """Return the messages that ReceiveMessage can deliver at once."""
        queue = self.queue(body)
        queue.return_expired()
        most = int(body.get("MaxNumberOfMessages") or 1)
        visibility_s = float(body.get("VisibilityTimeout", queue.attributes.get("VisibilityTimeout", 30)))
        taken: list[Json] = []
        while queue.visible and len(taken) < most:
            message = queue.visible.popleft()
            if self._spent(queue, message):
                continue
            message.receives += 1
            message.receipt = f"{message.id}.{message.receives}"
            queue.hide(message, visibility_s)
            found: Json = {
                "MessageId": message.id, "ReceiptHandle": message.receipt, "Body": message.body,
                "MD5OfBody": message.md5, "Attributes": {"ApproximateReceiveCount": str(message.receives)},
            }  # fmt: skip
            if message.attributes:
                found["MessageAttributes"] = message.attributes
            taken.append(found)
        return taken

    def _spent(self, queue: SqsQueue, message: Message) -> bool:
        policy = json.loads(queue.attributes.get("RedrivePolicy") or "{}") if message.receives else {}
        if not policy or message.receives < int(policy["maxReceiveCount"]):
            return False
        self.queues[policy["deadLetterTargetArn"].rsplit(":", 1)[1]].arrive(message)
        return True

    def delete(self, body: Json) -> Json:
        """DeleteMessageBatch. A stale receipt answers success, as AWS does."""
        queue = self.queue(body)
        for entry in body["Entries"]:
            queue.hidden.pop(entry["ReceiptHandle"], None)
            queue.due.pop(entry["ReceiptHandle"], None)
        return {"Successful": [{"Id": entry["Id"]} for entry in body["Entries"]]}

    def delete_one(self, body: Json) -> Json:
        """DeleteMessage."""
        self.delete({**body, "Entries": [{"Id": "0", **body}]})
        return {}

    def extend(self, body: Json) -> Json:
        """ChangeMessageVisibilityBatch."""
        queue = self.queue(body)
        done: list[Json] = []
        failed: list[Json] = []
        for entry in body["Entries"]:
            message = queue.hidden.pop(entry["ReceiptHandle"], None)
            queue.due.pop(entry["ReceiptHandle"], None)
            if message is None:
                code = "AWS.SimpleQueueService.MessageNotInflight"
                failed.append({"Id": entry["Id"], "Code": code, "SenderFault": True, "Message": "not in flight"})
                continue
            done.append({"Id": entry["Id"]})
            if entry["VisibilityTimeout"]:
                queue.hide(message, entry["VisibilityTimeout"])
            else:
                queue.arrive(message)
        return {"Successful": done, "Failed": failed}

    def extend_one(self, body: Json) -> Json:
        """ChangeMessageVisibility."""
        self.extend({**body, "Entries": [{"Id": "0", **body}]})
        return {}

    def describe(self, body: Json) -> Json:
        """GetQueueAttributes."""
        queue = self.queue(body)
        queue.return_expired()
        return {
            "Attributes": {
                **queue.attributes,
                "QueueArn": f"arn:aws:sqs:us-east-1:{_ACCOUNT}:{queue.name}",
                "ApproximateNumberOfMessages": str(len(queue.visible)),
                "ApproximateNumberOfMessagesNotVisible": str(len(queue.hidden)),
                "ApproximateNumberOfMessagesDelayed": "0",
            }
        }

    def configure(self, body: Json) -> Json:
        """SetQueueAttributes."""
        self.queue(body).attributes.update(body["Attributes"])
        return {}

    def find(self, body: Json) -> Json:
        """GetQueueUrl."""
        self.queue({"QueueUrl": body["QueueName"]})
        return {"QueueUrl": self.url(body["QueueName"])}

    def all(self, body: Json) -> Json:
        """ListQueues."""
        prefix = body.get("QueueNamePrefix") or ""
        return {"QueueUrls": [self.url(name) for name in self.queues if name.startswith(prefix)]}

    def purge(self, body: Json) -> Json:
        """PurgeQueue."""
        queue = self.queue(body)
        queue.visible.clear()
        queue.hidden.clear()
        queue.due.clear()
        return {}

    def counted(self, _body: Json) -> Json:
        """Not an AWS call: how many requests of each operation arrived since the last time."""
        counted = dict(self.requests)
        self.requests.clear()
        return counted
