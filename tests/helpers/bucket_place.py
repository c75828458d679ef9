"""A prefix of the bucket with files in it, and a folder from which byok8s is run on them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from folders import clean_environment, run_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from byok8s import s3
    from counting_proxy import Counter

FILES = {
    "out/a.txt": "one\n",
    "out/b.txt": "two\n",
    "out/deep/c.txt": "three\n",
    "out/deep/er/c.txt": "four\n",
    "out.txt": "beside\n",
    "empty": "",
    "with a blank/ä+#?%41": "odd\n",
    ".hidden": "hidden\n",
    ".byok8s/runs/1/log": "ours\n",
}


class Place:
    """A prefix with files, and a folder."""

    def __init__(self, client: s3.S3Client, keys: s3.Credentials, proxy: Counter, folder: Path) -> None:
        self.client, self._keys, self.proxy, self.folder = client, keys, proxy, folder
        self.prefix = folder.name
        for name, content in FILES.items():
            self.put(name, content)
        client.put_object(Bucket="local", Key=f"{self.prefix}-other/out/a.txt", Body=b"another prefix")

    def put(self, name: str, content: str) -> None:
        self.client.put_object(Bucket="local", Key=f"{self.prefix}/{name}", Body=content.encode())

    @property
    def environment(self) -> Mapping[str, str]:
        return clean_environment() | {
            "AWS_ACCESS_KEY_ID": self._keys.access_key,
            "AWS_SECRET_ACCESS_KEY": self._keys.secret_key,
            "BYOK8S_S3_ENDPOINT_URL": self.proxy.url,
            "BYOK8S_S3_BUCKET": f"local/{self.prefix}",
            "XDG_CONFIG_HOME": str(self.folder),
        }

    def run(self, *arguments: str, expect: int = 0) -> str:
        return run_in(self.folder, [sys.executable, "-m", "byok8s", *arguments], self.environment, expect)

    def here(self, below: str = "") -> dict[str, str]:
        top = self.folder / below
        found = (path for path in top.rglob("*") if path.is_file())
        return {
            str(path.relative_to(top)): path.read_text()
            for path in found
            if not str(path.relative_to(self.folder)).startswith(".byok8s/")
        }

    def gets(self) -> list[str]:
        found = self.proxy.of("GET")
        self.proxy.requests.clear()
        return found
