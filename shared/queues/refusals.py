"""What SQS's errors mean, for the operator. The request itself is never quoted: it is signed."""

from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from shared.queues.interface import QueueDenied, QueueMissing, QueueUnavailable

_MISSING = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
# Codes in SQS's two protocols for operations that a policy does not allow ("Common Errors", read 2026-11-28).
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


def code(error: ClientError | BotoCoreError) -> str:
    """Return SQS's name of the error, or botocore's if SQS said nothing."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "Unknown"))
    return type(error).__name__


def words(error: ClientError | BotoCoreError) -> str:
    """Return what is wrong, without the error's name; for a queue that is missing, with the remedy."""
    return str(QueueMissing(_bare(error))) if _is_missing(error) else _bare(error)


def reason(error: ClientError | BotoCoreError) -> str:
    """Return the error's name and what is wrong."""
    return f"{code(error)}: {words(error)}"


def _bare(error: ClientError | BotoCoreError) -> str:
    return str(error.response.get("Error", {}).get("Message", "")) if isinstance(error, ClientError) else str(error)


def _is_missing(error: Exception) -> bool:
    return isinstance(error, ClientError) and code(error) in _MISSING


def told(error: ClientError | BotoCoreError, operation: str, *, queue_url: str, endpoint_url: str) -> QueueUnavailable:
    """Return a call's error as one of ours: QueueDenied if a policy does not allow the operation, QueueMissing if there
    is no such queue."""
    why = f"{code(error)}: {_bare(error)}"
    said = f"SQS {operation} on {queue_url} failed: {why}{_other_address(queue_url, endpoint_url)}"
    if isinstance(error, ClientError) and code(error) in _DENIED:
        # Policies know no batch actions.
        return QueueDenied(f"sqs:{operation.removesuffix('Batch')}", said)
    return QueueMissing(said) if _is_missing(error) else QueueUnavailable(said)


def _other_address(queue_url: str, endpoint_url: str) -> str:
    """Return the end of a message for the case that requests do not go to the queue's own address."""
    queue, endpoint = urlsplit(queue_url), urlsplit(endpoint_url)
    if queue.netloc == endpoint.netloc or queue.netloc.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
        return ""
    address = f"{queue.scheme}://{queue.netloc}"
    return (
        f"; requests go to {endpoint_url}, and SQS_QUEUE_URL is at {address}: if that is an emulator, "
        f"set AWS_ENDPOINT_URL={address}"
    )
