"""How a Snakefile in a repository is named, and what is refused before anything is asked for."""

from pathlib import Path

import pytest

from byok8s import git
from byok8s.errors import InputError


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.mark.parametrize(
    "words", ["Snakefile", "workflow/Snakefile", "/a/git+b", "gitignore", "https://h/r@v1"]
)
def test_what_does_not_begin_with_git_is_a_file(words: str) -> None:
    assert git.parse(words) is None


@pytest.mark.parametrize(
    ("words", "url", "ref", "snakefile"),
    [
        ("git+https://host/ada/flow@v1.2", "https://host/ada/flow", "v1.2", None),
        ("git+https://host/ada/flow.git@v1.2#a/S.smk", "https://host/ada/flow.git", "v1.2", "a/S.smk"),
        ("git+HTTPS://host:8443/flow@release/1", "https://host:8443/flow", "release/1", None),
        ("git+http://host/flow@v1", "http://host/flow", "v1", None),
        ("git+ssh://git@host/ada/flow@v1.2", "ssh://git@host/ada/flow", "v1.2", None),
        ("git+ssh://git@host:22/~ada/flow@abcdef1", "ssh://git@host:22/~ada/flow", "abcdef1", None),
        ("git+file:///data/flow@v1#Snakefile", "file:///data/flow", "v1", "Snakefile"),
        ("git+/data/a@b/flow@v1", "/data/a@b/flow", "v1", None),
        ("git+./flow@v1", "{here}/flow", "v1", None),
        ("git+../flow@v1#x@2/Snakefile", "{above}/flow", "v1", "x@2/Snakefile"),
        ("git+~/flow@v1", "{here}/home/flow", "v1", None),
        ("git+./flow@v1#", "{here}/flow", "v1", None),
    ],
)
def test_an_address(words: str, url: str, ref: str, snakefile: str | None, tmp_path: Path) -> None:
    address = git.parse(words)
    assert address == git.Address(url.format(here=tmp_path, above=tmp_path.parent), ref, snakefile)
    assert git.parse(str(address)) == address


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("git+https://host/ada/flow", "does not say which commit"),
        ("git+https://host/ada/flow@", "does not say which commit"),
        ("git+ssh://git@host/ada/flow", "does not say which commit"),
        ("git+./flow", "does not say which commit"),
        ("git+./flow@-upload", "no name of a tag"),
        ("git+./flow@a..b", "no name of a tag"),
        ("git+./flow@..", "no name of a tag"),
        ("git+./flow@v1^", "no name of a tag"),
        ("git+./flow@v1:x", "no name of a tag"),
        ("git+./flow@v 1", "no name of a tag"),
        ("git+./flow@v1/", "no name of a tag"),
        ("git+ext::sh -c touch% x@v1", "no address"),
        ("git+ext://sh/x@v1", "no address"),
        ("git+git://host/flow@v1", "no address"),
        ("git+ftp://host/flow@v1", "no address"),
        ("git+git@host:ada/flow@v1", "no address"),
        ("git+flow@v1", "no address"),
        ("git+-flow@v1", "no address"),
        ("git+", "no address"),
        ("git+https:host/flow@v1", "no address"),
        ("git+https:///flow@v1", "no address"),
        ("git+https://[host/flow@v1", "no address"),
        ("git+ssh://-oProxyCommand=x/flow@v1", "no address"),
        ("git+ssh://git@-oProxyCommand=x/flow@v1", "no address"),
        ("git+ssh://-oProxyCommand=x@host/flow@v1", "no address"),
        ("git+file://host/flow@v1", "no address"),
        ("git+./flow\n@v1", "cannot be printed"),
        ("git+./flow@v1#/etc/Snakefile", "no path of a Snakefile"),
        ("git+./flow@v1#../Snakefile", "no path of a Snakefile"),
        ("git+./flow@v1#a/../../Snakefile", "no path of a Snakefile"),
        ("git+./flow@v1#a//Snakefile", "no path of a Snakefile"),
        ("git+./flow@v1#a/", "no path of a Snakefile"),
        ("git+./flow@v1#.", "no path of a Snakefile"),
    ],
)
def test_what_is_refused(words: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        git.parse(words)
    assert said in caught.value.what


def test_a_missing_ref_is_hinted_at_with_the_address_itself() -> None:
    with pytest.raises(InputError) as caught:
        git.parse("git+https://host/ada/flow")
    assert caught.value.hint == (
        "Name a tag or a commit, as in git+https://host/ada/flow@v1.2: a branch moves."
    )


@pytest.mark.parametrize(
    "words",
    [
        "git+https://ada:s3cret@host/flow@v1",
        "git+https://s3cret@host/flow@v1",
        "git+https://s3cret@host/flow",
        "git+http://:s3cret@host/flow@v1",
        "git+ssh://git:s3cret@host/flow@v1#/x",
        "git+ftp://ada:s3cret@host/flow@v1",
        "git+https://host/flow?token=s3cret@v1",
        "git+https://ada:s3cret@[host/flow@v1",
        "git+ada:s3cret@host/flow@v1",
    ],
)
def test_credentials_are_refused_and_not_shown(words: str) -> None:
    with pytest.raises(InputError) as caught:
        git.parse(words)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
