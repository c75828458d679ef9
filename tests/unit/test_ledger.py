"""What a run knows of its keys, and what a write makes doubtful."""

from snakemake_storage_plugin_byok8s.facts import Facts
from snakemake_storage_plugin_byok8s.ledger import Ledger

FACTS = Facts(1, 2)


def test_what_was_told_is_known_until_it_is_written() -> None:
    ledger = Ledger()
    assert ledger.told("b", "k") == (False, None)
    assert ledger.is_as_planned("b", "k")
    ledger.note("b", "k", FACTS)
    assert ledger.told("b", "k") == (True, FACTS)
    ledger.forget("b", "k")
    assert not ledger.told("b", "k")[0]
    assert not ledger.is_as_planned("b", "k")
    ledger.learn("b", "k", FACTS)
    assert ledger.told("b", "k") == (True, FACTS)
    assert not ledger.told("another", "k")[0]


def test_a_directory_changes_with_its_files_and_they_with_it() -> None:
    ledger = Ledger()
    for key in ("d", "d/e", "d/e/f", "d/g", "dd"):
        ledger.note("b", key, FACTS)
    ledger.learn("b", "d/e", Facts(3, 4, is_dir=True))
    known = [key for key in ("d", "d/e", "d/e/f", "d/g", "dd") if ledger.told("b", key)[0]]
    assert known == ["d/e", "d/g", "dd"]
    assert not ledger.is_as_planned("b", "d/e/new")
    assert ledger.is_as_planned("b", "d/new")
