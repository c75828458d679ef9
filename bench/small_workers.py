"""byok8s, with workers that ask for little of a processor: so that several are there at once on a small node."""

from __future__ import annotations

from byok8s.cli import main
from byok8s.pods import manifest

CPU_REQUEST_SHARE = 0.05  # of a core for each

if __name__ == "__main__":
    manifest.CPU_REQUEST_SHARE = CPU_REQUEST_SHARE
    main()
