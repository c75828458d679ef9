"""A run as a Provenance Run RO-Crate: its metadata, out of the figures of a report. Values in, values out.

The profiles are of https://www.researchobject.org/workflow-run-crate/: a run is an action whose instrument is the
workflow; each job is one whose instrument is its rule, and which a step of the workflow controls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from mimetypes import guess_type
from typing import Final
from urllib.parse import quote, unquote

from byok8s.history.event import COMPLETE
from byok8s.history.state import Try
from byok8s.report import phrases
from byok8s.report.figures import Figures
from byok8s.shown import visible

Entity = dict[str, object]

METADATA: Final = "ro-crate-metadata.json"
_BASE: Final = "https://w3id.org/ro/crate/1.1"
_WORKFLOW: Final = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
_PROFILES: Final[Mapping[str, str]] = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    _WORKFLOW: "Workflow RO-Crate",
}
_TERMS: Final = "https://w3id.org/ro/terms/workflow-run#"
_OWN_TERMS: Final = ("ContainerImage", "containerImage", "registry", "tag", "resourceUsage", "sha256")
_SNAKEMAKE: Final = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
_COMPLETED: Final = "http://schema.org/CompletedActionStatus"
_MEASURES: Final = (
    "https://snakemake.readthedocs.io/en/stable/snakefiles/rules.html#benchmark-rules:"  # its names
)
_UNITS: Final[Mapping[str, str]] = {
    "max_rss": "https://qudt.org/vocab/unit/MegaBYTE",
    "cpu_time": "https://qudt.org/vocab/unit/SEC",
}
_FAILED: Final = "http://schema.org/FailedActionStatus"
_UNSTATED: Final = "No licence is stated: ask the authors of the workflow before you use it or pass it on."
_MOST_ERROR: Final = 1_000


@dataclass(frozen=True)
class Contents:
    """What a crate is made of, besides the figures.

    snakefile: its path in the crate. licence: that of the workflow's licence file in the crate; empty without one.
    beside: other files of the crate, with what each is. now: seconds since 1970.
    """

    snakefile: str
    licence: str
    beside: Mapping[str, str]
    now: float


def metadata(found: Figures, contents: Contents) -> Entity:
    """Return the whole of ro-crate-metadata.json."""
    graph: dict[str, Entity] = {}
    for entity in _entities(found, contents):
        graph.setdefault(str(entity["@id"]), entity)
    terms = {term: f"{_TERMS}{term}" for term in _OWN_TERMS}
    return {"@context": [f"{_BASE}/context", terms], "@graph": list(graph.values())}


def _entities(found: Figures, contents: Contents) -> Iterator[Entity]:
    jobs = [each for each in found.tries.values() if each.ended is not None]
    outputs = {each.id: _addresses(found, each) for each in jobs}
    made = dict.fromkeys(address for each in jobs for address in outputs[each.id])
    yield {
        **_entity(METADATA, "CreativeWork"),
        "conformsTo": [_to(_BASE), _to(_WORKFLOW)],
        "about": _to("./"),
    }
    yield from _root(found, contents, made)
    for address, name in _PROFILES.items():
        yield {**_entity(address, "CreativeWork"), "name": name, "version": address.rpartition("/")[2]}
    yield from _workflow(found, contents)
    yield from _run(found, contents, jobs, made)
    for each in jobs:
        yield from _job(found, each, outputs[each.id])
    yield from _images(found)
    yield from (_file(address, visible(unquote(address.rpartition("/")[2]))) for address in made)


def _root(found: Figures, contents: Contents, made: Iterable[str]) -> Iterator[Entity]:
    files = [contents.snakefile, *filter(None, [contents.licence]), *contents.beside]
    yield {
        **_entity("./", "Dataset"),
        "name": f"Run {found.run} of {_name(found, contents)}",
        "description": phrases.methods(found),
        "datePublished": _time(contents.now * 1000),
        "license": _to(contents.licence or "#licence"),
        "conformsTo": [_to(address) for address in _PROFILES],
        "hasPart": [_to(path) for path in [*files, *made]],
        "mainEntity": _to(contents.snakefile),
        "mentions": [_to(f"#{found.run}"), _to("#execution")],
    }
    if contents.licence:
        yield _file(contents.licence, "Licence of the workflow")
    else:
        yield {**_entity("#licence", "CreativeWork"), "name": "Licence", "description": _UNSTATED}
    yield from (_file(path, name) for path, name in contents.beside.items())


def _workflow(found: Figures, contents: Contents) -> Iterator[Entity]:
    rules = _rules(found)
    commit = found.facts.get("commit")
    modified = " with changes that are not committed" if found.facts.get("modified") else ""
    yield {
        **_entity(contents.snakefile, "File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"),
        "name": _name(found, contents),
        "encodingFormat": "text/plain",
        "programmingLanguage": _to(_SNAKEMAKE),
        **_all("hasPart", map(_tool, rules)),
        **_all("step", map(_step, rules)),
        **({"version": f"{commit}{modified}"} if commit else {}),
    }
    yield {
        **_entity(_SNAKEMAKE, "ComputerLanguage"),
        "name": "Snakemake",
        "identifier": _to("https://doi.org/10.1093/bioinformatics/bts480"),
        "url": _to("https://snakemake.github.io"),
        "version": str(found.facts.get("snakemake") or phrases.UNKNOWN),
    }
    for number, rule in enumerate(rules, start=1):
        yield {**_entity(_tool(rule), "SoftwareApplication"), "name": visible(rule)}
        yield {
            **_entity(_step(rule), "HowToStep"),
            "position": str(number),
            "workExample": _to(_tool(rule)),
        }


def _run(found: Figures, contents: Contents, jobs: Sequence[Try], made: Iterable[str]) -> Iterator[Entity]:
    """Yield the run, and that byok8s has carried it out."""
    times = {"startTime": _time(found.first), "endTime": _time(found.until)}
    yield {
        **_entity(f"#{found.run}", "CreateAction"),
        "name": f"Run {found.run}",
        "description": phrases.summary(found),
        "instrument": _to(contents.snakefile),
        **times,
        **_status(found.state, ""),
        **_all("result", made),
    }
    yield {
        **_entity("#execution", "OrganizeAction"),
        "name": f"byok8s carries out run {found.run}",
        "instrument": _to("#byok8s"),
        **times,
        **_status(found.state, ""),
        **_all("object", [f"#control-{each.id}" for each in jobs]),
        "result": _to(f"#{found.run}"),
    }
    yield {
        **_entity("#byok8s", "SoftwareApplication"),
        "name": "byok8s",
        "version": str(found.facts.get("byok8s") or phrases.UNKNOWN),
    }


def _job(found: Figures, job: Try, outputs: Sequence[str]) -> Iterator[Entity]:
    """Yield a try of a job, how the workflow had it made, and what it has used."""
    measured = {"max_rss": job.max_rss, "cpu_time": job.cpu_time}
    usage = {name: value for name, value in measured.items() if value is not None}
    images = [image.digest for image in found.images if {*job.rules} & {*image.rules}]
    yield {
        **_entity(f"#job-{job.id}", "CreateAction"),
        "name": visible(job.name),
        "description": visible(_told(job)),
        "instrument": _to(_tool(_rule(job))),
        **_times(job),
        **_status(job.state, job.why),
        **_all("result", outputs),
        **_all("resourceUsage", [f"#{name}-{job.id}" for name in usage]),
        **_all("containerImage", [_image(digest) for digest in images]),
    }
    yield {
        **_entity(f"#control-{job.id}", "ControlAction"),
        "name": visible(f"Run {job.name}"),
        "instrument": _to(_step(_rule(job))),
        "object": _to(f"#job-{job.id}"),
        **_status(job.state, job.why),
    }
    for name, value in usage.items():
        yield {
            **_entity(f"#{name}-{job.id}", "PropertyValue"),
            "name": name,
            "propertyID": f"{_MEASURES}{name}",
            "value": str(value),
            "unitCode": _to(_UNITS[name]),
        }


def _images(found: Figures) -> Iterator[Entity]:
    for image in found.images:
        first, _, rest = image.name.partition("/")
        named = rest and ("." in first or ":" in first or first == "localhost")
        registry, path = (first, rest) if named else ("docker.io", image.name)
        name, _, tag = path.partition("@")[0].partition(":")
        yield {
            **_entity(_image(image.digest), "ContainerImage"),
            "additionalType": _to(f"{_TERMS}DockerImage"),
            "registry": registry,
            "name": name,
            **({"tag": tag} if tag else {}),
            "sha256": image.digest.rpartition(":")[2],
        }


def _entity(id_: str, *types: str) -> Entity:
    return {"@id": id_, "@type": types[0] if len(types) == 1 else list(types)}


def _to(id_: str) -> Entity:
    return {"@id": id_}


def _all(name: str, ids: Iterable[str]) -> Entity:
    """Return a property with all of its links; one alone is no list."""
    links = [_to(id_) for id_ in ids]
    return {name: links[0] if len(links) == 1 else links} if links else {}


def _file(id_: str, name: str) -> Entity:
    kind, coded = guess_type(id_.rpartition("/")[2])
    known = kind if kind and not coded else "application/octet-stream"
    return {**_entity(id_, "File"), "name": name, "encodingFormat": known}


def _told(job: Try) -> str:
    wildcards = ", ".join(f"{name}={value}" for name, value in job.wildcards.items())
    return f"A job of {_rule(job)}" + (f" with {wildcards}" if wildcards else "")


def _times(job: Try) -> Entity:
    times = {"startTime": job.began or job.given, "endTime": job.ended}
    return {name: _time(time) for name, time in times.items() if time is not None}


def _status(state: str, why: str) -> Entity:
    if state == COMPLETE:
        return {"actionStatus": _COMPLETED}
    words = why or phrases.STATES.get(state) or "failed"
    return {"actionStatus": _FAILED, "error": visible(words)[:_MOST_ERROR]}


def _time(milliseconds: float) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def _rules(found: Figures) -> list[str]:
    return list(dict.fromkeys(map(_rule, found.tries.values())))


def _rule(job: Try) -> str:
    """Return the rule of a job; of a group's those of all its jobs."""
    return " + ".join(dict.fromkeys(job.rules)) or job.rule


def _tool(rule: str) -> str:
    return f"#rule-{quote(rule, safe='')}"


def _step(rule: str) -> str:
    return f"#step-{quote(rule, safe='')}"


def _image(digest: str) -> str:
    return f"#image-{quote(digest, safe=':')}"


def _name(found: Figures, contents: Contents) -> str:
    return visible(str(found.facts.get("source") or contents.snakefile))


def _addresses(found: Figures, job: Try) -> list[str]:
    """Return the addresses of what a job has made; of a run without a bucket of the user's there are none."""
    bucket = str(found.facts.get("bucket") or "")
    paths = job.outputs if bucket and job.state == COMPLETE else ()
    return [quote(path if "://" in path else f"{bucket}/{path}", safe=":/") for path in paths]
