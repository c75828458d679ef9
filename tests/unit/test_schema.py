"""Schemas of params files: what is filled in, every fault by its path, and what is shown to people."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from snakemake.utils import validate

from byok8s import params, schema
from byok8s.errors import InputError
from byok8s.schema import Parameter
from byok8s.workspace import Source

DRAFT = "https://json-schema.org/draft/2020-12/schema"
SAMPLES = {
    "type": "object",
    "required": ["samples"],
    "additionalProperties": False,
    "properties": {
        "samples": {"type": "array", "items": {"$ref": "#/$defs/sample"}, "description": "What to map"},
        "reads": {
            "type": "object",
            "default": {},
            "properties": {
                "length": {"type": "integer", "minimum": 1, "maximum": 300, "default": 100},
                "mode": {"enum": ["paired", "single"], "default": "paired"},
            },
        },
        "filter": {
            "type": "object",
            "required": ["tool"],
            "properties": {"tool": {"type": "string"}, "quality": {"type": "number", "default": 20.5}},
        },
        "lanes": {
            "type": "object",
            "patternProperties": {"^L": {"type": "integer"}},
            "additionalProperties": False,
        },
        "threshold": {"oneOf": [{"const": "auto"}, {"type": "number"}]},
    },
    "$defs": {
        "sample": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {"name": {"type": "string"}, "reads": {"type": "string"}, "tags": {"default": []}},
        }
    },
}
CASES = {
    "properties": {
        "where": {
            "oneOf": [
                {
                    "properties": {"at": {"const": "s3"}, "bucket": {"type": "string"}},
                    "required": ["at", "bucket"],
                },
                {
                    "properties": {"at": {"const": "disk"}, "depth": {"type": "integer", "default": 2}},
                    "required": ["at"],
                },
            ]
        }
    }
}


def write(folder: Path, content: object, name: str = "params.schema.json") -> Path:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder / name


def filled(folder: Path, described: object, given: Mapping[str, object]) -> Mapping[str, object]:
    return schema.apply(write(folder, described), folder / "params.yaml", given)


@pytest.mark.parametrize(
    ("described", "given"),
    [
        (SAMPLES, {"samples": []}),
        (SAMPLES, {"samples": [{"name": "a"}, {"name": "b", "tags": ["x"]}], "reads": {"mode": "single"}}),
        (SAMPLES, {"samples": [], "filter": {"tool": "fastp"}}),
        ({"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"default": 1}}}, {}),
        ({"allOf": [{"properties": {"a": {"default": 1}}}, {"properties": {"b": {"default": None}}}]}, {}),
        ({"properties": {"a": {"properties": {"b": {"default": 1}}}}}, {}),
        ({"if": {"required": ["a"]}, "then": {"properties": {"b": {"default": 1}}}}, {"a": 1}),
        ({"if": {"required": ["a"]}, "then": {"properties": {"b": {"default": 1}}}}, {}),
        ({"anyOf": [{"properties": {"b": {"default": [{"c": 1}]}}}]}, {}),
    ],
)
def test_defaults_are_filled_in_as_snakemake_does(
    described: dict[str, object], given: dict[str, object], tmp_path: Path
) -> None:
    expected = copy.deepcopy(given)
    validate(expected, str(write(tmp_path, {"$schema": DRAFT} | described)))
    before = copy.deepcopy(given)
    assert filled(tmp_path, described, given) == expected
    assert given == before


def test_a_default_is_given_before_what_is_required_is_looked_for(tmp_path: Path) -> None:
    described = {"required": ["a"], "properties": {"a": {"default": 1}}}
    assert filled(tmp_path, described, {}) == {"a": 1}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"at": "disk"}, {"at": "disk", "depth": 2}),
        ({"at": "s3", "bucket": "b"}, {"at": "s3", "bucket": "b"}),
    ],
)
def test_only_the_alternative_that_fits_gives_its_defaults(
    given: dict[str, object], expected: dict[str, object], tmp_path: Path
) -> None:
    assert filled(tmp_path, CASES, {"where": given}) == {"where": expected}


FAULTS: list[tuple[object, object, list[str]]] = [
    (SAMPLES, {}, ["samples: is required, and missing"]),
    (
        SAMPLES,
        {"sampels": []},
        [
            "sampels: is not a name that the schema knows; did you mean samples?",
            "samples: is required, and missing; there is sampels",
        ],
    ),
    (
        SAMPLES,
        {
            "samples": [{"name": "a"}, {"tag": []}, {"name": "c", "reads": 3}],
            "reads": {"length": 1000, "mode": "singel"},
            "filter": {"quality": True},
            "lanes": {"L1": 1, "l2": 2, "L.3": "x"},
        },
        [
            "filter.quality: true is not of type 'number'",
            "filter.tool: is required, and missing",
            'lanes["L.3"]: "x" is not of type \'integer\'',
            "lanes.l2: is not a name that the schema knows",
            "reads.length: 1000 is greater than the maximum of 300",
            'reads.mode: "singel" is not one of "paired", "single"; did you mean "single"?',
            "samples[1].name: is required, and missing",
            "samples[1].tag: is not a name that the schema knows; did you mean tags?",
            "samples[2].reads: 3 is not of type 'string'",
        ],
    ),
    (
        SAMPLES,
        {"samples": [], "threshold": "automatic"},
        ['threshold: "automatic" is not "auto"; and "automatic" is not of type \'number\''],
    ),
    (CASES, {"where": {"at": "s3", "bucket": 3}}, ["where.bucket: 3 is not of type 'string'"]),
    (CASES, {"where": {"at": "disk", "depth": "x"}}, ["where.depth: \"x\" is not of type 'integer'"]),
    (
        {"properties": {"a": {"oneOf": [{"type": "number"}, {"type": "integer"}]}}},
        {"a": 3},
        ["a: 3 fits more than one of the alternatives in oneOf"],
    ),
    ({"properties": {"a": False}}, {"a": 1}, ["a: is not allowed here"]),
    (
        {"properties": {"a": {"not": {"type": "string"}}}},
        {"a": "x"},
        ['a: "x" is what the schema excludes with not'],
    ),
    ({"minProperties": 2}, {}, ["the file: {} does not have enough properties"]),
    (
        {"properties": {"a": {"type": "string", "default": 3}}},
        {},
        ["a: 3 is not of type 'string' (it is the schema's default)"],
    ),
]


@pytest.mark.parametrize(("described", "given", "expected"), FAULTS, ids=[words[0] for _, _, words in FAULTS])
def test_every_fault_is_said_with_its_path(
    described: object, given: dict[str, object], expected: list[str], tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        filled(tmp_path, described, given)
    assert caught.value.exit_code == 2
    assert caught.value.what == "params.yaml does not fit params.schema.json."
    first, *lines = caught.value.where.splitlines()
    assert first == f"In {tmp_path}/params.yaml:"
    assert [line.strip() for line in lines] == expected


def test_a_schema_that_refers_to_itself_describes_what_is_as_deep_as_people_write(tmp_path: Path) -> None:
    described = {
        "properties": {"leaf": {"default": 1}, "under": {"anyOf": [{"$ref": "#"}]}},
        "required": ["leaf"],
    }
    given: dict[str, object] = {}
    for _ in range(35):
        given = {"under": given}
    assert json.dumps(filled(tmp_path, described, given)).count('"leaf": 1') == 36


def test_what_yaml_reads_otherwise_than_was_meant(tmp_path: Path) -> None:
    given = yaml.safe_load("day: 2024-01-01\nlanes: {2: a, on: b}\n")
    with pytest.raises(InputError) as caught:
        filled(tmp_path, {}, given)
    assert "lanes: the name 2 is no text, as YAML reads it: put it in quotes" in caught.value.where
    assert "lanes: the name true is no text" in caught.value.where
    del given["lanes"]
    with pytest.raises(InputError, match="2024-01-01 is not of type 'string': YAML reads it as a date"):
        filled(tmp_path, {"properties": {"day": {"type": "string"}}}, given)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("a: [b\n", ["params.schema.yaml is not valid YAML"]),
        ("- a\n", ["params.schema.yaml must hold names and values"]),
        ("properties:\n  1: {}\n", ["names that are no text", "properties: the name 1 is no text"]),
        (
            "properties:\n  depth: {type: integr, minimum: low}\n",
            ["is not a JSON Schema", "properties.depth.minimum: \"low\" is not of type 'number'",
             'properties.depth.type: "integr" is not one of'],
        ),
        ("properties: {a: {pattern: '['}}\n", ["is not a JSON Schema", "properties.a.pattern:", "'regex'"]),
        ("properties: {a: {$ref: '#/no'}}\n", ["refers to what is not there", "properties.a.$ref: #/no"]),
        ("properties: {a: {$ref: none.yaml}}\n", ["refers to what is not there", "properties.a.$ref: none.yaml"]),
        ("items: {$ref: broken.yaml}\n", ["broken.yaml is not valid YAML"]),
        ("items: {$ref: 'other.yaml#/odd'}\n", ["is not a JSON Schema", "items.$ref: other.yaml#/odd", "type:"]),
        ("items: {$ref: 'http://127.0.0.1:9/x.json'}\n", ["refers to what is not there", "nothing is fetched"]),
        ("$ref: '#/$defs/a'\n$defs: {a: {$ref: '#/$defs/a'}}\n", ["refers to itself without end"]),
        ("$defs: {a: {properties: {b: {$ref: '#/$defs/a', default: {}}}}}\n$ref: '#/$defs/a'\n", ["without end"]),
    ],
)  # fmt: skip
def test_a_schema_that_is_none_is_said_with_its_place(written: str, words: list[str], tmp_path: Path) -> None:
    write(tmp_path, "a: [b\n", "broken.yaml")
    write(tmp_path, "odd: {type: strng}\n", "other.yaml")
    path = write(tmp_path, written, "params.schema.yaml")
    with pytest.raises(InputError) as caught:
        schema.apply(path, tmp_path / "params.yaml", {})
    assert str(tmp_path) in caught.value.where
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "draft", [DRAFT, "http://json-schema.org/draft-07/schema#", "http://json-schema.org/draft-04/schema#"]
)
def test_a_schema_may_refer_to_files_beside_it(draft: str, tmp_path: Path) -> None:
    described = {
        "$schema": draft,
        "$id": "https://lab.example.org/params",
        "id": "https://lab.example.org/params",
    }
    described |= {"properties": {"a": {"$ref": "parts/more.yaml#/definitions/a"}}}  # type: ignore[dict-item]
    (tmp_path / "parts").mkdir()
    more = "definitions: {a: {properties: {b: {default: 1}, c: {$ref: 'least.json'}}}}\n"
    write(tmp_path, f'$schema: "{draft}"\n{more}', "parts/more.yaml")
    write(tmp_path, {"type": "integer", "description": "The least"}, "parts/least.json")
    assert filled(tmp_path, described, {"a": {"c": 3}}) == {"a": {"c": 3, "b": 1}}
    with pytest.raises(InputError, match=r"a\.c: \"x\" is not of type 'integer'"):
        filled(tmp_path, described, {"a": {"c": "x"}})
    assert [one.description for one in schema.parameters(write(tmp_path, described))] == ["", "", "The least"]


def row(one: Parameter) -> tuple[str, str, str]:
    default = "required" if one.required else one.default
    return one.path, one.kind, f"({default})" if default and one.conditional else default


@pytest.mark.parametrize(
    ("described", "rows"),
    [
        (
            SAMPLES,
            [
                ("samples", "list of mapping", "required"),
                ("samples[].name", "string", "required"),
                ("samples[].reads", "string", ""),
                ("samples[].tags", "any value", "[]"),
                ("reads", "mapping", "{}"),
                ("reads.length", "integer 1 to 300", "100"),
                ("reads.mode", "one of paired, single", "paired"),
                ("filter", "mapping", ""),
                ("filter.tool", "string", "(required)"),
                ("filter.quality", "number", "(20.5)"),
                ("lanes", "mapping of integer", ""),
                ("threshold", '"auto" or number', ""),
            ],
        ),
        (
            CASES,
            [
                ("where", "mapping", ""),
                ("where.at", '"s3" or "disk"', "(required)"),
                ("where.bucket", "string", "(required)"),
                ("where.depth", "integer", "(2)"),
            ],
        ),
        (
            {
                "allOf": [{"$ref": "#/$defs/more"}],
                "properties": {"a": {"type": ["string", "null"], "default": ""}, "b.c": {"pattern": "^x"}},
                "$defs": {
                    "more": {"properties": {"d": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.5}}},
                },
            },
            [
                ("a", "string or null", "''"),
                ('["b.c"]', "string like ^x", ""),
                ("d", "number above 0 in steps of 0.5", ""),
            ],
        ),
        (
            {"properties": {"tree": {"$ref": "#/$defs/tree"}},
             "$defs": {"tree": {"properties": {"name": {}, "under": {"items": {"$ref": "#/$defs/tree"}}}}}},
            [
                ("tree", "mapping", ""),
                ("tree.name", "any value", ""),
                ("tree.under", "list of mapping", ""),
                ("tree.under[].name", "any value", ""),
                ("tree.under[].under", "list of mapping", ""),
            ],
        ),
        (
            {"properties": {"of": {"additionalProperties": {"properties": {"x": {"type": "integer", "maximum": 1}}}}}},
            [("of", "mapping of mapping", ""), ("of.*.x", "integer up to 1", "")],
        ),
    ],
)  # fmt: skip
def test_parameters(described: object, rows: list[tuple[str, str, str]], tmp_path: Path) -> None:
    assert [row(one) for one in schema.parameters(write(tmp_path, described))] == rows


def test_the_table_keeps_to_80_columns_and_breaks_no_name(tmp_path: Path) -> None:
    name = "a_name_that_is_longer_than_its_column_is_wide"
    described = {"properties": {name: {"description": "Many words. " * 30, "default": "x" * 40}}}
    found = schema.table(schema.parameters(write(tmp_path, described)))
    assert max(map(len, found.splitlines())) <= 80
    assert name in found.splitlines()
    assert found.count("Many") == 30


@pytest.mark.parametrize("described", [SAMPLES, CASES], ids=["samples", "cases"])
def test_the_skeleton_says_what_the_defaults_say(described: dict[str, object], tmp_path: Path) -> None:
    lax = {**described, "required": []}
    path = write(tmp_path, lax)
    said = schema.skeleton(schema.parameters(path))
    read = yaml.safe_load(said) or {}
    assert schema.apply(path, tmp_path / "p", read) == schema.apply(path, tmp_path / "p", {})


def test_what_is_commented_out_in_the_skeleton_fits_once_it_has_values(tmp_path: Path) -> None:
    path = write(tmp_path, SAMPLES)
    said = schema.skeleton(schema.parameters(path))
    block = said[said.index("# samples:") :].partition("\n\n")[0]
    bare = "\n".join(line.removeprefix("# ") for line in block.splitlines()).replace("name:", "name: a")
    assert schema.apply(path, tmp_path / "p", yaml.safe_load(bare)) == {
        "samples": [{"name": "a", "tags": []}],
        "reads": {"length": 100, "mode": "paired"},
    }
    assert "# What to map\n# list of mapping; required\n# samples:\n" in said


@pytest.mark.parametrize(
    ("name", "written", "params_given", "expected"),
    [
        ("p.json", b'{"a":1}', {"a": 1}, b'{"a":1}'),
        ("p.yaml", b"a: 1 # one\n", {"a": 1}, b"a: 1 # one\n"),
        ("p.yaml", b"", {}, b"{}"),
        ("p.json", b'{"a":1}', {"a": 1, "b": "\u00e4"}, '{\n  "a": 1,\n  "b": "\u00e4"\n}\n'.encode()),
        ("p.yaml", b"a: 1 # one\n", {"a": 1, "b": [1.5e-07]}, b"a: 1\nb:\n- 1.5e-07\n"),
        ("p", b"a: 2024-01-01", {"a": None}, b"a: null\n"),
    ],
)
def test_the_copy_is_the_file_itself_where_nothing_was_filled_in(
    name: str, written: bytes, params_given: dict[str, object], expected: bytes, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(written)
    assert params.copy(tmp_path / name, params_given) == expected


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        (["params.schema.json", "wf/params.schema.yaml"], "params.schema.json"),
        (["params.schema.json", "params.schema.yml"], "params.schema.yml"),
        (["wf/params.schema.json", "wf/workflow/params.schema.yaml"], "wf/workflow/params.schema.yaml"),
        (["wf/params.schema.json"], "wf/params.schema.json"),
    ],
)
def test_where_the_schema_is_looked_for(
    places: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    snakefile = tmp_path / "wf" / "workflow" / "Snakefile"
    snakefile.parent.mkdir(parents=True)
    snakefile.touch()
    for place in places:
        Path(place).touch()
    assert params.find_schema(params.folders(snakefile, None)) == tmp_path / expected


@pytest.mark.parametrize(
    ("packaged", "expected"), [(True, "params.schema.yaml"), (False, "there/params.schema.yaml")]
)
def test_a_repositorys_schema_is_its_own(
    packaged: bool, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for place in ("params.schema.yaml", "there/params.schema.yaml", "there/workflow/Snakefile"):
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).touch()
    source = Source("there", tmp_path / "there", packaged=packaged)
    assert params.find_schema(params.folders(Path("workflow/Snakefile"), source)) == tmp_path / expected


def test_without_a_schema_jsonschema_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"a": 1}')
    code = (
        "import sys; from pathlib import Path; from byok8s import params, request;"
        "assert params.read(Path('p.json'), [Path()]) == {'a': 1};"
        "print('jsonschema' in sys.modules, 'referencing' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False False\n"
