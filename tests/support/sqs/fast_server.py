"""`python -m tests.support.sqs.fast_server PORT`: an SQS endpoint on a socket, fast enough not to limit a measurement.

It speaks AWS JSON 1.0 over HTTP/1.1 and keeps AWS's rules: visibility time-outs, receipts, redrive, long polls. It
checks no signature and forgets everything when it ends.
"""

import asyncio
import re
import sys
from collections.abc import Callable, Mapping
from typing import cast

from shared import json_text
from tests.support.sqs.fast_queues import Broker, Json, Refused

_CALLS: Mapping[str, Callable[[Broker, Json], Json]] = {
    "SendMessageBatch": Broker.send, "SendMessage": Broker.send_one, "DeleteMessageBatch": Broker.delete,
    "DeleteMessage": Broker.delete_one, "ChangeMessageVisibilityBatch": Broker.extend,
    "ChangeMessageVisibility": Broker.extend_one, "GetQueueAttributes": Broker.describe,
    "SetQueueAttributes": Broker.configure, "CreateQueue": Broker.create, "GetQueueUrl": Broker.find,
    "ListQueues": Broker.all, "PurgeQueue": Broker.purge, "Counted": Broker.counted,
}  # fmt: skip
_OPERATIONS = {name.lower(): name for name in (*_CALLS, "ReceiveMessage")}
"""Header values are compared in lower case."""
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)")
_TARGET = re.compile(rb"\r\nx-amz-target: *\w+\.(\w+)")


class Connection(asyncio.Protocol):
    """One client's connection: requests one after another."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called for a new client."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Called with received bytes."""
        self._received += data
        while not self._busy and (request := self._next_request()):
            self._serve(*request)

    def _next_request(self) -> tuple[str, bytes] | None:
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return None
        head = head.lower()
        length = int(found[1]) if (found := _LENGTH.search(head)) else 0
        if len(rest) < length:
            return None
        self._received = rest[length:]
        return found[1].decode() if (found := _TARGET.search(head)) else "ready", rest[:length]

    def _serve(self, operation: str, raw: bytes) -> None:
        name = _OPERATIONS.get(operation, operation)
        if name != "Counted":
            self._broker.requests[name] += 1
        try:
            body = json_text.read(raw or b"{}")
            if name == "ReceiveMessage":
                self._receive(body)
                return
            call = _CALLS.get(name)
            self._answer(200, call(self._broker, body) if call else {})
        except Refused as error:
            self._refuse(error)

    def _receive(self, body: Json) -> None:
        if taken := self._broker.take(body):
            self._answer(200, {"Messages": taken})  # without a task: the usual case in a measurement
            return
        self._busy = True
        task = asyncio.ensure_future(self._broker.receive(body))
        task.add_done_callback(self._received_done)

    def _received_done(self, task: "asyncio.Task[Json]") -> None:
        self._busy = False
        error = task.exception()
        if isinstance(error, Refused):
            self._refuse(error)
        else:
            self._answer(200, task.result())
        self.data_received(b"")

    def _refuse(self, error: Refused) -> None:
        self._answer(400, {"__type": f"com.amazonaws.sqs#{error.code.rsplit('.')[-1]}", "message": str(error)},
                     query_error=f"{error.code};Sender")  # fmt: skip

    def _answer(self, status: int, body: Json, *, query_error: str = "") -> None:
        if self._transport is None or self._transport.is_closing():
            return
        content = json_text.write(body).encode()
        extra = f"x-amzn-query-error: {query_error}\r\n" if query_error else ""
        self._transport.write(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.0\r\n{extra}"
            f"Content-Length: {len(content)}\r\n\r\n".encode()
            + content
        )


async def serve(port: int) -> None:
    """Serve on that loopback port until the process ends."""
    broker = Broker(f"http://127.0.0.1:{port}")
    server = await asyncio.get_running_loop().create_server(lambda: Connection(broker), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1])))
