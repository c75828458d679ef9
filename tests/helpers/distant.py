"""A server that is far away: all bytes on their way to another and back take a while, and so does connecting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_CHUNK_BYTES = 256 * 1024


@contextmanager
def distant(server_url: str, address: str, round_trip: float) -> Iterator[str]:
    """Serve at an address of this machine what `server_url` serves, while the block lasts. Yields the url.

    round_trip: seconds to the server and back. Connecting takes one, as TCP's handshake does; a request, one more.
    """
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(_serve(server_url, address, round_trip))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{address}:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(_end(server))
        loop.close()


async def _serve(server_url: str, address: str, round_trip: float) -> asyncio.Server:
    target = urlsplit(server_url)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # the client believes to be connected at once, so what it says first waits for the handshake here
        await asyncio.sleep(round_trip)
        onward_reader, onward_writer = await asyncio.open_connection(target.hostname, target.port)
        way = round_trip / 2
        await asyncio.gather(_carry(reader, onward_writer, way), _carry(onward_reader, writer, way))

    return await asyncio.start_server(handle, address, 0)


async def _end(server: asyncio.Server) -> None:
    """End what is under way. asyncio would print a traceback for each connection that is cut off."""
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    server.close()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter, way: float) -> None:
    """Pass bytes on, each as long after it came as the way takes: many may be on it at once."""
    loop, under_way = asyncio.get_running_loop(), asyncio.Queue[tuple[float, bytes]]()
    arriving = asyncio.ensure_future(_arrive(under_way, target))
    with suppress(OSError):
        while data := await source.read(_CHUNK_BYTES):
            under_way.put_nowait((loop.time() + way, data))
    under_way.put_nowait((loop.time() + way, b""))
    await arriving


async def _arrive(under_way: asyncio.Queue[tuple[float, bytes]], target: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        while True:
            at, data = await under_way.get()
            await asyncio.sleep(max(0.0, at - loop.time()))
            if not data:
                break
            target.write(data)
            await target.drain()
    target.close()
