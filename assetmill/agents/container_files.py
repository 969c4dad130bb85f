"""The files of a response's containers: fetched one by one, each kept before the next one is asked for.

A container is another's machine with a life of minutes: its list may be refused where its files are not, one
file may be out of reach for good, and all of them may be gone before anybody looks again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from assetmill.agents.gateway import ContainerFileEntry, Gateway
from assetmill.agents.harvest import MadeFile, examined, handle_of, is_pseudo
from assetmill.agents.outputs import Citation, Produced
from assetmill.errors import HandleExpired, NotSent, ServiceError
from assetmill.fingerprint import Digest
from assetmill.names import safe_name
from assetmill.records import KeptFile
from assetmill.store.blobs import Blobs

Keep = Callable[[MadeFile], None]


@dataclass(frozen=True)
class Fetched:
    """What could be fetched, and in words what could not. `may_pass`: the service may have it a moment later.

    `missed` counts the files of `faults` that a person would miss: no figure shown under its own ID alone.
    """

    files: tuple[MadeFile, ...]
    faults: tuple[str, ...] = ()
    missed: int = 0
    may_pass: bool = False


@dataclass(frozen=True)
class _KnownFile:
    """A file that a listing, a citation or both tell of."""

    container_id: str
    file_id: str
    name: str
    source: str


def fetch_files(
    produced: Produced,
    gateway: Gateway,
    blobs: Blobs,
    *,
    known: Mapping[str, KeptFile],
    given: Collection[Digest],
    keep: Keep,
    cites_first: bool = False,
) -> Fetched:
    """Fetch the container files of a response; `known` ones, by file ID, are not asked for again.

    `keep` records each as soon as its bytes are stored. Where a listing does not say who made a file, one
    with the bytes of something in `given` is an input and no result. `cites_first`: the service was seen to
    list nothing, so what a message cites is fetched before a minute goes by with asking for its lists.
    """
    found = _Finder(gateway, cites_first=cites_first)
    made = list(recalled(known.values(), blobs).files)
    # What was fetched once and lost since is asked for again.
    at_hand = {file.handle.id for file in made}
    for entry in found.entries(produced):
        if entry.file_id in at_hand:
            continue
        try:
            data = gateway.read_container_file(entry.container_id, entry.file_id)
        except ServiceError as error:
            found.miss(entry, error)
            continue
        handle = handle_of("container_file", entry.file_id, gateway.endpoint, entry.container_id)
        file = examined(entry.name, data, handle, blobs)
        if not entry.source and file.blob.digest in given:
            continue
        keep(file)
        made.append(file)
    return Fetched(_sorted(made), tuple(found.faults), found.missed, found.may_pass)


def recalled(files: Iterable[KeptFile], blobs: Blobs) -> Fetched:
    """Return files that earlier passes have fetched and the store has, whatever became of containers."""
    found = ((file, blobs.find(file.blob)) for file in files)
    return Fetched(
        _sorted(examined(file.name, data, file.handle, blobs) for file, data in found if data is not None)
    )


def _sorted(files: Iterable[MadeFile]) -> tuple[MadeFile, ...]:
    return tuple(sorted(files, key=lambda file: (is_pseudo(file), file.name)))


class _Finder:
    """Finds out what there is, and notes what cannot be had."""

    def __init__(self, gateway: Gateway, *, cites_first: bool) -> None:
        self._gateway, self._cites_first = gateway, cites_first
        self.faults: list[str] = []
        self.missed = 0
        self.may_pass = False

    def entries(self, produced: Produced) -> Iterator[_KnownFile]:
        """Yield each file once: as its container lists it, else as a message cites it."""
        ways = [self._by_listing(produced), self._by_citation(produced)]
        seen = set[str]()
        for way in reversed(ways) if self._cites_first else ways:
            for file, is_ours in way:
                if file.file_id not in seen and is_ours:
                    yield file
                seen.add(file.file_id)

    def _by_listing(self, produced: Produced) -> Iterator[tuple[_KnownFile, bool]]:
        """Yield what the containers list, each with whether it may be a result."""
        cited = {citation.file_id: citation for citation in produced.citations}
        for container_id in produced.container_ids:
            for listed in self._listed(container_id):
                yield _of_listing(listed, cited.get(listed.file_id)), listed.source != "user"

    def _by_citation(self, produced: Produced) -> Iterator[tuple[_KnownFile, bool]]:
        for citation in produced.citations:
            name = safe_name(citation.filename or citation.file_id, "file")
            yield _KnownFile(citation.container_id, citation.file_id, name, "assistant"), True

    def _listed(self, container_id: str) -> tuple[ContainerFileEntry, ...]:
        try:
            return self._gateway.list_container_files(container_id)
        except HandleExpired as error:
            self._note(f"its container is gone: {error}", error)
        except ServiceError as error:
            self._note(f"the files of {container_id} cannot be listed: {error}", error)
        self.missed += 1
        return ()

    def miss(self, entry: _KnownFile, error: ServiceError) -> None:
        """Note a file that cannot be read."""
        shown = "" if entry.name.startswith(entry.file_id) else f"{entry.name} "
        verb = "is gone" if isinstance(error, HandleExpired) else "cannot be fetched"
        self._note(f"{shown}({entry.file_id}) {verb}: {error}", error)
        self.missed += bool(shown)

    def _note(self, text: str, error: ServiceError) -> None:
        self.faults.append(text)
        self.may_pass = self.may_pass or isinstance(error, NotSent)


def _of_listing(listed: ContainerFileEntry, citation: Citation | None) -> _KnownFile:
    cited = citation.filename if citation else ""
    # A figure that was shown and not saved is cited by its own ID. That name says what it is, and stays.
    is_shown = cited.startswith(listed.file_id)
    # Services were seen to list files without a path and without a source.
    name = cited if is_shown else listed.path or cited or listed.file_id
    return _KnownFile(listed.container_id, listed.file_id, safe_name(name, "file"), listed.source or "")
