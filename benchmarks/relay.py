"""A ProxyCommand of ssh that lets every byte wait: python relay.py HOST PORT SECONDS_EACH_WAY."""

from __future__ import annotations

import asyncio
import os
import sys

PIECE = 1 << 16


async def _delayed(reader: asyncio.StreamReader, write: asyncio.Queue[bytes], delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    while data := await reader.read(PIECE):
        loop.call_later(delay_s, write.put_nowait, data)
    loop.call_later(delay_s, write.put_nowait, b"")


async def _to_server(queue: asyncio.Queue[bytes], writer: asyncio.StreamWriter) -> None:
    while data := await queue.get():
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def _to_client(queue: asyncio.Queue[bytes]) -> None:
    while data := await queue.get():
        left = memoryview(data)
        while left:
            left = left[os.write(1, left) :]


async def relay(host: str, port: int, delay_s: float) -> None:
    """Until either side ends."""
    reader, writer = await asyncio.open_connection(host, port)
    stdin = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin.buffer)
    up: asyncio.Queue[bytes] = asyncio.Queue()
    down: asyncio.Queue[bytes] = asyncio.Queue()
    tasks = [_delayed(stdin, up, delay_s), _delayed(reader, down, delay_s), _to_server(up, writer), _to_client(down)]
    await asyncio.wait([asyncio.ensure_future(task) for task in tasks][3:])


if __name__ == "__main__":
    asyncio.run(relay(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
