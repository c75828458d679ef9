"""Plain paths: in a workspace a file's local path is its key without the prefix, as in a run without a bucket.

What is there is the mirror's business (mirror.py); this is what the provider does with it.
"""

from __future__ import annotations

import filecmp
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_storage_plugins.io import WILDCARD_REGEX

from byok8s.worker.boto import transfers
from snakemake_storage_plugin_byok8s import watch
from snakemake_storage_plugin_byok8s.mirror import Mirror
from snakemake_storage_plugin_byok8s.offers import Offers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snakemake_storage_plugin_byok8s import StorageProvider
    from snakemake_storage_plugin_byok8s.facts import Facts
    from snakemake_storage_plugin_byok8s.objects import StorageObject
    from snakemake_storage_plugin_byok8s.offers import Offer

_SMALL: Final = 1_000_000
_MOST_BYTES: Final = 50_000_000
_MOST_FILES: Final = 10_000


class Workspace:
    """What is where in the workspace. prefix: bucket and key, with a slash behind, of what has plain paths."""

    def __init__(self, provider: StorageProvider, folder: Path, prefix: str) -> None:
        self._provider = provider
        self._prefix = f"{prefix.removeprefix('s3://').rstrip('/')}/"
        watching = watch.current()
        if watching is None or watching.mirror.root != str(folder):
            watching = watch.watch(Mirror.load(folder))
        self._watch, self.mirror = watching, watching.mirror
        watching.fetch, watching.look, watching.stat = self._fetch, self._look, self._stat
        self._parsing = True
        self.workflow: Any = None  # Snakemake's, once a file of it has come along
        self._noticed: list[StorageObject] = []
        self._names: dict[str, str] = {}  # what has only its name here: path within the mirror -> query
        self._queries: dict[str, str] = {}  # of all files of the workflow: path within the mirror -> query
        self._in_folders: dict[str, list[str]] = {}  # the same, by the folders that they are in
        self._brought: set[str] = set()
        # those with the name of a file of the user's: who lists a folder goes on to see it
        self._were_here: set[str] = set()
        self._whole: set[str] = set()
        uploads = watching.uploads
        self.offers = Offers(provider, uploads) if uploads else None
        self._made: set[str] = set()  # places of what the Snakefile has made, while it was parsed
        self._planning = True
        self._lent: dict[str, str] = {}  # links to files of the user's that were read: places -> queries
        # what was read while parsing and is not what the bucket has, by places
        self._disagreeing: dict[str, WorkflowError] = {}

    def path(self, file: StorageObject) -> str | None:
        """Return the plain path of a file; None for one of another bucket or prefix."""
        full = f"{file.bucket}/{file.key}"
        return full[len(self._prefix) :] if full.startswith(self._prefix) else None

    def notice(self, file: StorageObject) -> None:
        """Take away what is at a file's place: now, or when the Snakefile was parsed, which may read it."""
        path = self.path(file)
        if path is None or WILDCARD_REGEX.search(path):
            return
        if self._parsing:
            self._noticed.append(file)
        else:
            self._withdraw(file, path)

    def parsed(self) -> None:
        """The Snakefile is parsed: from now on files are the bucket's. Scripts are read later."""
        if self._parsing:
            self._parsing = self._watch.parsing = False
            if self.workflow:
                from snakemake_storage_plugin_byok8s.compat import scripts

                self._watch.opened.update(filter(None, map(self.mirror.path_of, scripts(self.workflow))))
            for file in self._noticed:
                self._withdraw(file, self.path(file) or "")
            self._noticed.clear()

    def may_offer(self, file: StorageObject, *, is_source: bool) -> bool:
        """Tell whether a file that is here might stand for one in the bucket.

        is_source: whether no rule makes it: then it may be the user's. What the Snakefile has made may be any.
        """
        self.parsed()  # Snakemake plans, and may ask this before all else
        return self.offers is not None and (is_source or self._place(file) in self._made)

    def offer(self, file: StorageObject) -> bool:
        """Let a file that is here stand for one in the bucket; return whether it does since now."""
        path, place = self.path(file), self._place(file)
        if self.offers is None or not path or not place:
            return False
        if not self.offers.offer(file, place, path, self._origin(place), made=place in self._made):
            return False
        self._disagreeing.pop(place, None)
        return True

    def give(self, needed: Iterable[StorageObject], made_again: Iterable[StorageObject]) -> None:
        """Have in the bucket what jobs need, and what the Snakefile has made that they do not make again.

        Raises WorkflowError, and what who has the say raises.
        """
        self._planning = False
        for error in self._disagreeing.values():
            raise error
        if self.offers:
            places = [place for place in map(self._place, needed) if place]
            self.offers.give(places, {place for place in map(self._place, made_again) if place})
        self._take_back()

    def _is_made(self, place: str) -> bool:
        """Tell whether the Snakefile has made what is there: as long as no job has begun, nobody else has."""
        here = Path(self.mirror.root, place)
        brought = any(each in self._brought for each in (place, *self.mirror.above(place)))
        users = here.is_dir() and Path(self.mirror.of, place).is_dir()
        return self._planning and here.exists() and not brought and not users

    def _origin(self, place: str) -> Path | None:
        """Return what the Snakefile has made there, or the user's file of that place; None if there is none.

        A folder in which there are files of the workflow is none: what is in it is theirs to say.
        """
        if place in self.mirror.folders_of_keys:
            return None
        origin = Path(self.mirror.root if place in self._made else self.mirror.of, place)
        return origin if origin.is_file() or origin.is_dir() else None

    def is_kept(self, file: StorageObject) -> bool:
        """Tell whether the local copy stays until the end.

        Input functions and the Snakefile look at what was brought for them; and what is a directory of one job's may
        hold the file of another's.
        """
        path = self.path(file)
        place = self.mirror.path_of(path) if path else None
        if not place:
            return False
        above = list(self.mirror.above(place))
        return (
            place in self.mirror.folders_of_keys
            or place in self._were_here
            or any(folder in self.mirror.keys for folder in above)
            or any(each in self._brought for each in (place, *above))
        )

    def expect(self, file: StorageObject) -> None:
        """Note that a local copy is about to be made."""
        if place := self._place(file):
            self.mirror.expect(place)

    def mark_whole(self, file: StorageObject) -> None:
        """Note that all that the bucket has of a file is here."""
        if place := self._place(file):
            self._whole.add(place)

    def is_part(self, file: StorageObject) -> bool:
        """Tell whether there may be more of a directory than is here."""
        facts = self._provider.facts(file.bucket, file.key, "kind")
        return facts is not None and facts.is_dir and self._place(file) not in self._whole

    def forget(self, file: StorageObject) -> None:
        """Take away what was brought of a file, as it is made again."""
        place = self._place(file)
        self._whole.discard(place or "")
        if place and place in self._brought:
            self._brought.discard(place)
            _remove(Path(self.mirror.root, place))

    def remove_local(self, file: StorageObject) -> None:
        """Take away what a job is to make and the Snakefile, or an earlier job, has left here."""
        place = self._place(file)
        if place and place not in self.mirror.folders_of_keys and not self.mirror.is_name(place):
            _remove(Path(self.mirror.root, place))

    def make_way(self, file: StorageObject) -> None:
        """Leave nothing where a job is about to write."""
        if place := self._place(file):
            self._empty(place)
            self._names.pop(place, None)

    def bring(self, file: StorageObject) -> None:
        """Have a checkpoint's output here: the small files with their content, the others as names."""
        place = self._place(file)
        if not place:
            return
        facts = self._provider.facts(file.bucket, file.key, "kind")
        there = Path(self.mirror.root, place).exists()
        if facts is None or (there and (not facts.is_dir or place in self._brought | self._whole)):
            return  # of what is missing Snakemake speaks
        self._empty(place)
        if facts.is_dir:
            self._directory(file, place, facts)
        else:
            self._content(file.bucket, {place: (file.key, facts)})
        self._brought.add(place)

    def _empty(self, place: str) -> None:
        self.mirror.expect(place)
        self.mirror.withdraw(place)
        self.mirror.clear(place)

    def _directory(self, file: StorageObject, place: str, its: Facts) -> None:
        local = Path(self.mirror.root, place)
        local.mkdir(parents=True, exist_ok=True)
        wanted: dict[str, tuple[str, Facts]] = {}
        left = _MOST_BYTES
        for key, facts in self._provider.listing(file.bucket, f"{file.key}/").items():
            inside = f"{place}/{file.within(key)}"
            if Path(self.mirror.root, inside).exists():
                continue
            if facts.size <= min(_SMALL, left) and len(wanted) < _MOST_FILES:
                left -= facts.size
                wanted[inside] = key, facts
            else:
                self._name(inside, f"s3://{file.bucket}/{key}")
        self._content(file.bucket, wanted)
        os.utime(local, (its.mtime, its.mtime))

    def _content(self, bucket: str, wanted: dict[str, tuple[str, Facts]]) -> None:
        """Fetch files, in parallel. wanted: key and facts by path within the mirror."""

        def fetch(place: str) -> None:
            key, facts = wanted[place]
            local = Path(self.mirror.root, place)
            local.parent.mkdir(parents=True, exist_ok=True)
            with self._provider.connection.explained("GetObject", f"s3://{bucket}/{key}"):
                self._provider.client.download_file(bucket, key, str(local), Config=transfers())
            os.utime(local, (facts.mtime, facts.mtime))

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(fetch, wanted))

    def _place(self, file: StorageObject) -> str | None:
        path = self.path(file)
        if path is None:
            return None
        place = self.mirror.path_of(path)
        if place is None:
            raise WorkflowError(
                f"The working folder of the workflow is {Path.cwd()}, outside of the folder that byok8s runs it in. "
                "A workdir: must lie within the folder of the workflow."
            )
        return place

    def _withdraw(self, file: StorageObject, path: str) -> None:
        place = self._place(file)
        if not place or place in self.mirror.keys:
            return
        origin = self.mirror.withdraw(place)
        self._queries[place] = file.query
        for folder in (*self.mirror.above(place), ""):
            self._in_folders.setdefault(folder, []).append(place)
        if not self.mirror.is_name(place):
            if self._is_made(place):
                self._made.add(place)
            return
        self._names[place] = file.query
        self._were_here.add(place)
        if origin and place in self._watch.opened and origin.is_file():
            self._agree(file, place, path, origin)

    def _agree(self, file: StorageObject, place: str, path: str, origin: Path) -> None:
        """What was read while parsing stays readable, if it is what the bucket has."""
        facts = self._provider.facts(file.bucket, file.key, "existence")
        if facts is None:
            return
        if not facts.is_dir and facts.size == origin.stat().st_size:
            self._fetch(place)
            if filecmp.cmp(origin, Path(self.mirror.root, place), shallow=False):
                return
            self._brought.discard(place)
            self._name(place, file.query)
        error = WorkflowError(
            f"{path} was read from your folder while the Snakefile was parsed, and it is a file of the workflow, too, "
            f"which is taken from the bucket: there {file.query} has another content. "
            "Make the two the same, or give one of them another name."
        )
        if self.offers is None:
            raise error
        self._disagreeing[place] = error  # unless the user's is going to replace it

    def _fetch(self, place: str) -> None:
        """Bring the content of what has only its name here, as somebody is about to read it."""
        query = self._names.get(place)
        if query is None:
            return
        file = self._provider.object(query)
        facts = self._provider.facts(file.bucket, file.key, "kind")
        if facts is None or facts.is_dir:
            return
        if offer := self.offers.of(place) if self.offers else None:
            self._lend(place, offer)
            return
        if facts.size > _MOST_BYTES:
            raise WorkflowError(
                f"{place} is in the bucket, and with {facts.size} bytes too large to be fetched where it is only "
                "looked at. Name it as an input of the rule that reads it."
            )
        local = Path(self.mirror.root, place)
        self.mirror.expect(place)
        with TemporaryDirectory(dir=local.parent, prefix=".byok8s-") as folder:
            half = Path(folder, "half")
            with self._provider.connection.explained("GetObject", query):
                self._provider.client.download_file(file.bucket, file.key, str(half), Config=transfers())
            os.utime(half, (facts.mtime, facts.mtime))
            half.replace(local)
        self._names.pop(place, None)
        self._brought.add(place)

    def _look(self, place: str) -> None:
        """Have here what the bucket is known to have of a place: as names, and directories with what is in them."""
        for each in (place, *self.mirror.above(place), *self._in_folders.get(place, ())):
            if (
                each not in self._queries
                or Path(self.mirror.root, each).exists()
                or self.mirror.is_name(each)
            ):
                continue
            file = self._provider.object(self._queries[each])
            facts = self._provider.known(file.bucket, file.key)
            if facts is None:
                continue
            if facts.is_dir:
                self.bring(file)
            else:
                self.mirror.expect(each)
                self._name(each, file.query)

    def _stat(self, place: str) -> os.stat_result | None:
        """Return what os.stat tells of a file of which only the name is here; None if it is not in the bucket."""
        self._look(place)
        if (query := self._names.get(place)) is None:
            here = Path(self.mirror.root, place)
            return here.stat() if here.exists() else None
        file = self._provider.object(query)
        facts = self._provider.facts(file.bucket, file.key, "kind")
        if facts is None:
            return None
        mode = stat.S_IFDIR | 0o755 if facts.is_dir else stat.S_IFREG | 0o644
        return os.stat_result(
            (mode, 0, 0, 1, os.getuid(), os.getgid(), facts.size, facts.mtime, facts.mtime, facts.mtime)
        )

    def _lend(self, place: str, offer: Offer) -> None:
        """Let the user's own file be read, while Snakemake plans."""
        self.mirror.clear(place)
        link = Path(self.mirror.root, place)
        link.symlink_to(offer.files[0].path)
        planned = min(offer.facts.mtime, int(time.time()))  # what it is planned with may be yet to come
        os.utime(link, (planned, planned), follow_symlinks=False)
        self._lent[place] = self._names.pop(place)

    def _take_back(self) -> None:
        """From now on jobs run, which might write to what they find."""
        for place, query in self._lent.items():
            _remove(Path(self.mirror.root, place))
            self._name(place, query)
        self._lent.clear()

    def _name(self, place: str, query: str) -> None:
        self.mirror.name(place)
        self._names[place] = query


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        rmtree(path)
    else:
        path.unlink(missing_ok=True)
