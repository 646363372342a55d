"""The SQS double on a socket: the AWS JSON 1.0 protocol over one set of queues, with faults.

A server may have several doors: each has its own port and its own faults, and all lead to the same queues.
"""

import json
import socket
import threading
import time
from email.message import Message as Headers

from tests.support.faults.plan import NO_FAULTS, Fault, Faults, strike
from tests.support.http_server import LoopbackServer, QuietHandler
from tests.support.sqs.operations import LONGEST_POLL_S, REGION, Body, Call, Queues, name_of, perform, url_of
from tests.support.sqs.rules import Refused

_SILENT_LOOK_S = 0.05


class Door(LoopbackServer):
    """A port that serves until the block ends. `faults` may be changed at any time."""

    def __init__(self, queues: Queues | None = None, *, faults: Faults = NO_FAULTS, late_s: float = 1.0) -> None:
        self.queues = queues or Queues()
        self.faults = faults
        self.late_s = late_s
        """The delay of Fault.LATE."""
        self._pause = threading.Event()
        self.silent = False
        """Messages are delivered through other doors only. No queue promises who receives what."""
        door = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                answer = door._answer(self.headers, self.body(), self.connection)
                if answer is None:
                    self.close_connection = True
                    return
                status, head, content = answer
                self.answer(status, content, {"Content-Type": "application/x-amz-json-1.0", **head})

        super().__init__(Handler)

    def queue_url(self, name: str) -> str:
        """The URL of a queue, through this door."""
        return url_of(self.url, name)

    def environment(self) -> dict[str, str]:
        """Return the standard AWS variables that direct a client here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def _has_messages(self, body: Body, client: socket.socket) -> bool:
        """Wait as long as requested. Also true for a request that will be refused."""
        box = self.queues.boxes.get(name_of(body.get("QueueUrl", "")))
        if box is None or not 0 < float(body.get("WaitTimeSeconds", box.wait_s)) <= LONGEST_POLL_S:
            return True
        give_up_at = time.monotonic() + float(body.get("WaitTimeSeconds", box.wait_s))
        body["WaitTimeSeconds"] = 0
        while (left_s := give_up_at - time.monotonic()) > 0 and _connected(client):
            if self.silent:
                self._pause.wait(min(left_s, _SILENT_LOOK_S))
            elif box.wait_for_message(left_s, lambda: not self.silent and _connected(client)):
                return True
        return False

    def _answer(self, headers: Headers, raw: bytes, client: socket.socket) -> tuple[int, dict[str, str], bytes] | None:
        """Return status, headers and body; None closes the connection instead."""
        operation = headers.get("X-Amz-Target", "").rpartition(".")[2]
        body: Body = json.loads(raw or b"{}")
        if operation == "ReceiveMessage" and not self._has_messages(body, client):
            return 200, {}, b"{}"  # nothing to deliver: no effect, so nothing to break
        fault = self.faults.at(f"sqs {operation}")
        answer: Body | None = None
        try:
            _check_signed(headers)
            if strike(self.faults, fault, before=True) or fault is Fault.NOT_APPLIED:
                return None
            answer = perform(self.queues, self.url, operation, body, fault)
            if strike(self.faults, fault, before=False) or fault is Fault.REPLY_LOST:
                return None
            if fault is Fault.LATE:
                threading.Event().wait(self.late_s)
            return 200, {}, json.dumps(answer).encode()
        except Refused as refused:
            kind = "Sender" if refused.sender_fault else "Receiver"
            named = {"__type": f"com.amazonaws.sqs#{refused.code.rpartition('.')[2]}", "message": refused.message}
            head = {"x-amzn-query-error": f"{refused.code};{kind}"}
            return refused.status, head, json.dumps(named).encode()
        finally:
            name = name_of(body.get("QueueUrl", ""))
            self.queues.calls.append(Call(time.monotonic(), operation, name, body, fault, answer))


def _connected(client: socket.socket) -> bool:
    """False once the client has disconnected: a message must not be delivered then."""
    try:
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def _check_signed(headers: Headers) -> None:
    """Check that there is a signature; only AWS can tell whether it is right."""
    if "AWS4-HMAC-SHA256" not in headers.get("Authorization", ""):
        raise Refused("MissingAuthenticationToken", "the request is not signed", status=403)
