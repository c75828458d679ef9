# mypy: ignore-errors
"""Runs in an environment of its own, with roc-validator and rocrate: says as JSON what is wrong with a crate.

usage: validate_crate.py CRATE PROFILE SEVERITY

No network may be there, so the JSON-LD context of RO-Crate comes from the rocrate package. That is of version 1.3, with
other addresses for the terms of Bioschemas than the 1.1 that the profiles are of.
"""

import importlib.resources
import json
import sys

from requests import Response
from rocrate_validator import models, services
from rocrate_validator.utils.http import HttpRequester

LATER, EARLIER = "https://bioschemas.org/terms/", "https://bioschemas.org/"


def get(_: HttpRequester, url: str, **__: object) -> Response:
    assert url == "https://w3id.org/ro/crate/1.1/context", url
    text = (importlib.resources.files("rocrate") / "data/ro-crate.jsonld").read_text()
    answer = Response()
    answer.status_code, answer.url = 200, url
    answer.headers["Content-Type"] = "application/ld+json"
    answer._content = text.replace(LATER, EARLIER).encode()
    return answer


HttpRequester.get = get
crate, profile, severity = sys.argv[1:]
result = services.validate(
    models.ValidationSettings(
        rocrate_uri=models.URI(crate),
        profile_identifier=profile,
        requirement_severity=models.Severity[severity],
        skip_availability_check=True,
    )
)
issues = [
    f"{issue.severity.name} {issue.check.identifier}: {issue.message} ({issue.violatingEntity})"
    for issue in result.get_issues()
]
print(json.dumps({"issues": sorted(map(str, issues)), "checks": len(result.executed_checks)}))
