"""What byok8s' boto clients have in common."""

import os
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import DataNotFoundError
from botocore.session import Session

from byok8s.worker import boto


def session() -> boto3.Session:
    core = Session()
    boto.quicken(core)
    return boto3.Session("key", "secret", region_name="eu-1", botocore_session=core)


def test_a_client_looks_into_the_folders_of_its_service_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    boto._loader.cache_clear()
    looked_into, listdir = [], os.listdir

    def listing(path: str) -> list[str]:
        looked_into.append(path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", listing)
    session().resource("s3")
    assert {Path(path).name for path in looked_into} == {"s3"}


def test_a_service_that_boto_does_not_know_is_still_an_error() -> None:
    with pytest.raises(DataNotFoundError, match="nonsense"):
        session().client("nonsense")


def test_another_service_that_credentials_may_need_is_there() -> None:
    assert session().client("sts").meta.service_model.service_name == "sts"
