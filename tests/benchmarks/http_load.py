"""`python -m tests.benchmarks.http_load URL CONNECTIONS SECONDS [HEADER…]`: sends POST requests as fast as answers
arrive.

It has no body. With headers such as `Authorization: Bearer …` they are sent; one that is `GET` alone makes it a GET.

Bytes over kept connections and nothing else, so that the load costs less than what it measures.
"""

import asyncio
import json
import sys
import time
from urllib.parse import urlsplit

import uvloop


async def connection(host: str, port: int, request: bytes, until: float) -> int:
    """One connection's answers until then."""
    reader, writer = await asyncio.open_connection(host, port)
    answers = 0
    while time.perf_counter() < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith((b"HTTP/1.1 202 ", b"HTTP/1.1 200 ", b"HTTP/1.1 304 ")):
            raise SystemExit(f"not accepted: {head.decode()}")
        size = 0 if b" 304 " in head[:16] else int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(size)
        answers += 1
    writer.close()
    return answers


async def main(url: str, connections: int, seconds: float, *headers: str) -> None:
    """Print the rate."""
    at = urlsplit(url)
    assert at.hostname is not None
    assert at.port is not None
    method = "GET" if "GET" in headers else "POST"
    more = "".join(f"{header}\r\n" for header in headers if header != "GET")
    request = f"{method} {at.path} HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Length: 0\r\n{more}\r\n".encode()
    began = time.perf_counter()
    asked = [connection(at.hostname, at.port, request, began + seconds) for _ in range(connections)]
    answers = sum(await asyncio.gather(*asked))
    print(json.dumps({"rate": answers / (time.perf_counter() - began)}))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:]))
