"""A ledger in an object store: S3, Google Cloud Storage or Azure, by way of obstore (``[team]`` extra).

There is no lock. A commit is one conditional put of the object ``.journal``, which holds the commit whole and
replaces only the one that this writer saw last: that put decides, between any number of writers, who goes on
from a head. Only then do tiles and bundles get objects of their own, and last of all the head. So whatever a
reader finds under the head is there, whoever loses the race has written nothing, and what a dead writer left
half done is ended by the next. A reader sees no head before its tiles; after a crash it may see the head
before the last one, whose commit had not been reported.

Where tiles were put first and a conditional put of the head decided, tiles of a writer that lost or died would
stand in the way of the one that won, under the same names and with other contents.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType
from typing import TYPE_CHECKING

from countermark.errors import MissingExtra, Unusable
from countermark.ledger.note import MAX_NOTE_BYTES
from countermark.ledger.stores import journal
from countermark.ledger.stores.journal import SESSION_BYTES, Journal, Record, digest
from countermark.ledger.stores.protocol import HEAD, Object, head_moved

if TYPE_CHECKING:
    import obstore
    from obstore.store import ObjectStore as Bucket

MAX_COMMIT_BYTES = 64 << 20
_URL = re.compile(r"(?:s3|gs|az)://[0-9A-Za-z._-]+(?:/[0-9A-Za-z._=-]+)*/?")
_QUERY = re.compile(r"\?\S+")
_AT_ONCE = 16
_PATIENCE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Version:
    """An object as it was read or put: its bytes, and what a conditional put names it by."""

    data: bytes
    tag: obstore.UpdateVersion


@dataclass(slots=True)
class _Writer:
    """What one holder of `lock` has seen and done."""

    session: bytes
    number: int
    journal: Version | None
    head: Version | None
    sure: bool = True


class ObjectStore:
    """`Store` in a bucket, or in a folder of one. Credentials come from the environment, as obstore finds them there."""

    def __init__(self, bucket: Bucket) -> None:
        """Take a store of obstore that puts conditionally: all but `LocalStore` and `HTTPStore`."""
        self._api = _obstore()
        self._bucket = bucket
        self._writer: _Writer | None = None

    @classmethod
    def at(cls, url: str) -> ObjectStore:
        """The store at ``s3://``, ``gs://`` or ``az://``, then bucket (or account and container) and prefix.

        Raises:
            Unusable: another URL, or one with credentials in it. MissingExtra: obstore is not installed.
        """
        check_url(url)
        _obstore()
        from obstore.store import from_url

        try:
            bucket = from_url(url, retry_config={"max_retries": 5, "retry_timeout": _PATIENCE})
        except Exception as error:  # obstore has no common type for what an environment lacks
            raise Unusable(f"no object store at {url}", why=str(error)) from error
        return cls(bucket)

    def read(self, name: str, limit: int) -> bytes | None:
        """As `Store.read`; too long an object is not downloaded."""
        found = self._get(name, limit)
        return found.data if found else None

    def commit(self, objects: Sequence[Object], head: bytes, replaces: bytes | None) -> None:
        """As `Store.commit`."""
        writer = self._held()
        if replaces != (writer.head.data if writer.head else None):
            raise head_moved("the head is not the one that this writer saw last")
        record = Record(writer.number + 1, writer.session, digest(replaces), head, tuple(objects))
        if journal.size_of(objects, head) > MAX_COMMIT_BYTES:
            raise OSError(f"a commit of over {MAX_COMMIT_BYTES} bytes; append fewer entries at once")
        writer.sure = False
        writer.journal, writer.number = self._decide(record.to_bytes(), writer.journal), record.number
        writer.head = self._publish(record, writer.head)
        writer.sure = True

    def discard(self, folder: str) -> None:
        """As `Store.discard`."""
        self._held()
        with self._trouble():
            inside = [found["path"] for page in self._api.list(self._bucket, prefix=folder) for found in page]
            direct = [path for path in inside if path.rpartition("/")[0] == folder]
            if direct:
                self._api.delete(self._bucket, direct)

    @contextlib.contextmanager
    def lock(self, wait_s: float) -> Iterator[None]:
        """As `Store.lock`, but admits everybody: whoever commits first goes on, and the others are refused."""
        # The journal first: what is read after it is as new or newer, never older than the journal's beginning.
        seen = self._get(journal.NAME, MAX_COMMIT_BYTES)
        found = Journal.from_bytes(seen.data if seen else b"")
        head = self._get(HEAD, MAX_NOTE_BYTES)
        for record in found.pending(head.data if head else None):
            head = self._publish(record, head)
        self._writer = _Writer(secrets.token_bytes(SESSION_BYTES), found.number, seen, head)
        try:
            yield
        finally:
            self._writer = None

    def _held(self) -> _Writer:
        if self._writer is None or not self._writer.sure:
            raise OSError("the ledger is not opened for writing, or a write failed half way")
        return self._writer

    def _decide(self, record: bytes, seen: Version | None) -> Version:
        """Put the journal in place of the one seen: this is the commit.

        Raises:
            LedgerRefused: another writer did so first. OSError: it is unknown whether it stands.
        """
        done = self._put(journal.NAME, record, seen)
        # The answer to a put that was done may be lost; the put is repeated then, and finds itself.
        done = done or self._get(journal.NAME, MAX_COMMIT_BYTES)
        if done is None or done.data != record:
            raise head_moved("its journal was replaced meanwhile")
        return done

    def _publish(self, record: Record, before: Version | None) -> Version:
        """Give the objects of a commit their own places, then the head; whoever else does so does the same."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._create, record.objects))
        done = self._put(HEAD, record.head, before) or self._get(HEAD, MAX_NOTE_BYTES)
        if done is None or not (done.data == record.head or journal.older(record.head, done.data)):
            raise OSError("the head in the bucket was replaced by one that does not follow from this commit")
        return Version(record.head, done.tag)

    def _create(self, one: Object) -> None:
        name, data = one
        if self._put(name, data, None) is None:
            there = self._get(name, len(data))
            if there is None or there.data != data:
                raise OSError(f"{name} is there already, with another content")

    def _put(self, name: str, data: bytes, replaces: Version | None) -> Version | None:
        """Put an object in place of a version, or of none; None where another one is there."""
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._trouble():
            try:
                # Never in parts, however long: those know no condition.
                mode = replaces.tag if replaces else "create"
                done = self._api.put(self._bucket, name, data, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return None
            return Version(data, _tag(done["e_tag"], done["version"]))

    def _get(self, name: str, limit: int) -> Version | None:
        with self._trouble():
            try:
                found = self._api.get(self._bucket, name)
            except FileNotFoundError:
                return None
            if found.meta["size"] > limit:
                raise OSError(f"{name} is {found.meta['size']} bytes; the limit is {limit}")
            return Version(bytes(found.bytes()), _tag(found.meta["e_tag"], found.meta["version"]))

    @contextlib.contextmanager
    def _trouble(self) -> Iterator[None]:
        """Whatever obstore raises is trouble of the medium; its texts name the request, whose query may be a secret."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, NotImplementedError) as error:
            raise OSError(_QUERY.sub("?...", str(error).split("\n", 1)[0])[:500]) from None


def check_url(url: str) -> None:
    """Refuse what is no place for a ledger in an object store.

    Raises:
        Unusable: another scheme, credentials, a query, or characters that a bucket's folder should not have.
    """
    if not _URL.fullmatch(url):
        shown = re.sub(r"//[^/]*@", "//...@", url)
        raise Unusable(
            f"a ledger cannot be kept at {shown!r:.200}", why="it is no s3://, gs:// or az:// URL of plain characters",
            mend="s3://BUCKET/PREFIX; credentials belong into the environment; a folder needs no setting",
        )  # fmt: skip


def _tag(e_tag: str | None, version: str | None) -> obstore.UpdateVersion:
    tag: obstore.UpdateVersion = {}
    if e_tag is not None:
        tag["e_tag"] = e_tag
    if version is not None:
        tag["version"] = version
    return tag


def _obstore() -> ModuleType:
    try:
        import obstore
    except ImportError as error:
        raise MissingExtra("obstore is not installed", mend="pip install 'countermark[team]'") from error
    return obstore
