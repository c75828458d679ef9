"""Values that go from the controller to a pod arrive as they were."""

import importlib.util
import json
from datetime import date
from pathlib import Path

import pytest
from snakemake.io import AnnotatedString
from snakemake.iocontainers import InputFiles, Namedlist, Params

from byok8s.worker.values import Unsendable, decode, decode_named, encode, encode_named


class Cell:
    """As numpy's scalars are: a value of a table's cell."""

    shape = ()
    dtype = "int64"

    def item(self) -> int:
        return 7


@pytest.mark.parametrize(
    "value",
    [
        *(
            None,
            True,
            False,
            0,
            -1,
            2**70,
            1.5,
            float("inf"),
            "",
            "a b",
            "a\\b",
            "'\"$`\n\t",
            "a\u00a0b,=日本",
        ),
        *([], [1, [2, "x"]], (), (1, (2,)), {"a": {"b": [1]}}, {1: "int key", (1, 2): "tuple key"}),
        *({1, 2}, frozenset({"a"}), b"\x00\xff", Path("a/b"), date(2026, 1, 2), 1 + 2j),
        {"tuple": [1], "dict": 2, "pickle": "no tag"},
    ],
)
def test_a_value_arrives_as_it_was(value: object) -> None:
    there = decode(json.loads(json.dumps(encode(value))))
    assert there == value
    assert type(there) is type(value)


def test_what_snakemake_makes_of_strings_and_lists_is_kept_as_far_as_it_means_something() -> None:
    named = Namedlist(["x", "y", "z"])
    named._set_name("pair", 0, end=2)
    there = decode(json.loads(json.dumps(encode({"list": named, "text": AnnotatedString("t")}))))
    assert isinstance(there, dict)
    assert str(there["list"].pair) == "x y"
    assert type(there["text"]) is str


def test_a_cell_of_a_table_needs_no_numpy_and_is_numpys_where_there_is_one() -> None:
    there = decode(json.loads(json.dumps(encode(Cell()))))
    assert there == 7
    expected = "int64" if importlib.util.find_spec("numpy") else "int"
    assert type(there).__name__ == expected


def test_a_named_list_keeps_its_class_and_names() -> None:
    files = InputFiles(["a", "b", "c"])
    files._set_name("first", 0)
    files._set_name("rest", 1, end=3)
    there = decode_named(json.loads(json.dumps(encode_named(files))), InputFiles, str)
    assert type(there) is InputFiles
    assert list(there) == ["a", "b", "c"]
    assert (vars(there)["first"], list(vars(there)["rest"])) == ("a", ["b", "c"])


def test_what_cannot_be_sent_is_refused_by_its_type() -> None:
    params = Params([lambda: 0])
    with pytest.raises(Unsendable, match="function"):
        encode_named(params)


def test_texts_are_relocated_wherever_they_are() -> None:
    value = {"/here/k": ["/here/a", ("/here", Path("/here/p"))]}
    there = decode(encode(value), lambda text: text.replace("/here", "/there"))
    assert there == {"/there/k": ["/there/a", ("/there", Path("/there/p"))]}
