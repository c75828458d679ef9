"""The bucket: its address, its credentials, whether it can be used, and a server that stands in for one.

Importing this package is cheap on purpose (no boto3 until a function needs it): the command line imports it
for every `--help`.
"""

from __future__ import annotations

from byok8s.s3.check import check_bucket
from byok8s.s3.client import Bucket, Credentials, S3Client, connect, credentials
from byok8s.s3.embedded import EmbeddedS3, embedded_server

__all__ = [
    "Bucket",
    "Credentials",
    "EmbeddedS3",
    "S3Client",
    "check_bucket",
    "connect",
    "credentials",
    "embedded_server",
]
