"""A cheap client, and a measure of what a server spends on answering it."""

import asyncio
import time

import psutil

CLIENTS = 8


async def _ask(port: int, head: bytes, count: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        writer.write(head)
        status, *headers = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        assert b" 200 " in status, status
        length = next(int(line.partition(b":")[2]) for line in headers if line.lower().startswith(b"content-length"))
        await reader.readexactly(length)
    writer.close()


def request(path: str, cookies: dict[str, str] | None = None) -> bytes:
    pairs = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Accept: */*", *([f"Cookie: {pairs}"] if pairs else [])]
    return "\r\n".join([*lines, "", ""]).encode()


def cpu_seconds(process: int) -> float:
    times = psutil.Process(process).cpu_times()
    return times.user + times.system


async def cpu_per_request(process: int, port: int, head: bytes, requests: int) -> float:
    """Return the CPU seconds that a process spends per request, over connections that stay open."""
    before = cpu_seconds(process)
    await asyncio.gather(*[_ask(port, head, requests // CLIENTS) for _ in range(CLIENTS)])
    return (cpu_seconds(process) - before) / requests


async def latencies(port: int, path: str, seconds: float) -> list[float]:
    """Request one path repeatedly, one request after the other, and return how long each took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found, end = [], time.perf_counter() + seconds
    while (started := time.perf_counter()) < end:
        writer.write(request(path))
        await reader.readuntil(b"}")
        found.append(time.perf_counter() - started)
    writer.close()
    return found
