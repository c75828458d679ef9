"""The process that outlives `byok8s cluster up`: the embedded S3 server, and its port where pods reach it.

    python -m byok8s.local_cluster.s3_server ADDRESS PORT FOLDER

It ends at SIGTERM; the server ends with it, however that is.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Final

from byok8s.errors import Byok8sError
from byok8s.local_cluster import private_file
from byok8s.local_cluster.forward import forward
from byok8s.s3.embedded import embedded_server

ENDPOINT: Final = "endpoint"  # the file in FOLDER that says where it is, once it is there


def main(address: str, port: int, folder: Path) -> None:
    with embedded_server(folder) as server:
        asyncio.run(_serve(address, port, server.port, folder / ENDPOINT))


async def _serve(address: str, port: int, to_port: int, endpoint: Path) -> None:
    terminated = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminated.set)
    port = await forward(address, port, to_port)
    host = f"[{address}]" if ":" in address else address
    private_file.write(endpoint, f"http://{host}:{port}")
    await terminated.wait()


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    except (Byok8sError, OSError) as error:
        sys.exit(str(error))
