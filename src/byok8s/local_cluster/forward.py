"""One port of this machine handed on to another of its ports.

The S3 server has ports that ask nobody who they are, so all of it stays on 127.0.0.1 and only the port of S3, which
wants keys, is to be had elsewhere. What is signed, the Host header among it, passes unchanged.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from typing import Final

_CHUNK: Final = 1 << 18


async def forward(address: str, port: int, to_port: int) -> int:
    """Connections are handed on from now on; returns the port that takes them.

    port: another one is taken where this is another program's, or 0. to_port: of 127.0.0.1.
    Raises OSError for an address that this machine does not have.
    """

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", to_port)
            with contextlib.closing(inner_writer):
                await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))

    try:
        server = await asyncio.start_server(connected, address, port, limit=_CHUNK)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        server = await asyncio.start_server(connected, address, 0, limit=_CHUNK)
    return int(server.sockets[0].getsockname()[1])


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
