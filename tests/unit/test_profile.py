"""What the AWS profile says of the S3 server, as AWS' own tools read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from byok8s.executor import pod_environment
from byok8s.s3 import profile

CONFIG = """
[default]
region = eu-west-3
[profile plain]
endpoint_url = http://plain.example:9000
[profile lab]
region = eu-central-1
endpoint_url = http://everything.example
services = of-the-lab
[profile wary]
endpoint_url = http://wary.example
ignore_configured_endpoint_urls = true
[services of-the-lab]
s3 =
  endpoint_url = http://s3.example:9000
dynamodb =
  endpoint_url = http://other.example
"""
NAMES = ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION")


@pytest.mark.parametrize(
    ("variables", "endpoint", "region"),
    [
        ({}, None, "eu-west-3"),
        ({"AWS_PROFILE": "plain"}, "http://plain.example:9000", None),
        ({"AWS_PROFILE": "lab"}, "http://s3.example:9000", "eu-central-1"),
        ({"AWS_PROFILE": "wary"}, None, None),
        ({"AWS_PROFILE": "no-such"}, None, None),
        ({"AWS_PROFILE": "lab", "AWS_ENDPOINT_URL": "http://said.example"}, None, "eu-central-1"),
        ({"AWS_PROFILE": "lab", "AWS_REGION": "us-west-2"}, "http://s3.example:9000", None),
    ],
)
def test_what_a_profile_says(
    variables: dict[str, str],
    endpoint: str | None,
    region: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "config").write_text(CONFIG)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (profile.endpoint(), profile.region()) == (endpoint, region)
    pods = pod_environment.environment()
    said = variables.get("AWS_ENDPOINT_URL")
    assert (pods.get("AWS_ENDPOINT_URL_S3") or pods.get("AWS_ENDPOINT_URL")) == (said or endpoint)
    assert (pods.get("AWS_REGION") or pods.get("AWS_DEFAULT_REGION")) == (
        variables.get("AWS_REGION") or region
    )


def test_without_any_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    assert profile.environment() == {}
