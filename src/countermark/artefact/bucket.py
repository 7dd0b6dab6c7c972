"""Objects in a bucket as sources: listed once, read in windows, and refused when they change in between.

S3, Google Cloud Storage or Azure by way of obstore (``[team]`` extra). Credentials come from the environment, as obstore
finds them there; a URL never holds any.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from countermark.errors import FormatRefused, MissingExtra, Unusable
from countermark.formats.limits import Malformed

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

MOST_OBJECTS = 1_000_000
SCHEMES = ("s3://", "gs://", "az://")
WINDOW_BYTES = 4 << 20
_URL = re.compile(r"(?:s3|gs|az)://[0-9A-Za-z._-]+(?:/[0-9A-Za-z._=+ -]+)*/?")
_QUERY = re.compile(r"\?\S+")
_PATIENCE = timedelta(seconds=30)


class Listed(NamedTuple):
    """An object: its name below the URL, its length in bytes, and its version as the store tags it."""

    name: str
    size: int
    tag: str


class Bucket:
    """What lies below a URL."""

    def __init__(self, url: str) -> None:
        """Take an ``s3://``, ``gs://`` or ``az://`` URL; nothing is asked yet.

        Raises:
            Unusable: another URL, or one with credentials or a query. MissingExtra: obstore is absent.
        """
        if not _URL.fullmatch(url):
            shown = re.sub(r"//[^/]*@", "//...@", url).partition("?")[0]
            raise Unusable(f"nothing can be read at {shown!r:.200}", why="it is no s3://, gs:// or az:// URL of plain characters",
                           mend="s3://BUCKET/PREFIX; credentials belong into the environment")  # fmt: skip
        try:
            from obstore.store import from_url
        except ImportError:
            raise MissingExtra("obstore is not installed", mend="pip install 'countermark[team]'") from None
        self.url = url.rstrip("/")
        with _trouble(self.url):
            parent, _, self._last = self.url.partition("://")[2].rpartition("/")
            scheme = self.url.partition("://")[0]
            # The last part may be an object or a folder; the store stands one above, and lists what begins with it.
            place = f"{scheme}://{parent}" if parent else self.url
            self._last = self._last if parent else ""
            self._store: ObjectStore = from_url(place, retry_config={"max_retries": 5, "retry_timeout": _PATIENCE})

    def files(self) -> Iterator[Listed]:
        """Objects below the URL, or the one that it names, in the order of their names.

        Raises:
            Unusable: there are none, more than 1,000,000, or the store cannot be asked.
        """
        found: list[Listed] = []
        with _trouble(self.url):
            for page in self._store.list(prefix=self._last or None):
                found += [_listed(one) for one in page if one["size"]]
                if len(found) > MOST_OBJECTS:
                    raise Unusable(f"more than {MOST_OBJECTS} objects below {self.url}", mend="name a folder of fewer")
            if not found and self._last:  # no folder: it may be an object
                with contextlib.suppress(FileNotFoundError):
                    found = [_listed(self._store.head(self._last))]
        if not found:
            raise Unusable(f"there is nothing at {self.url}")
        return iter(sorted(found))

    def below(self, one: Listed) -> str:
        """The name of an object below the URL; its own last part where the URL names it."""
        rest = one.name.removeprefix(self._last).lstrip("/")
        return rest or one.name.rpartition("/")[2]

    def opened(self, one: Listed) -> ObjectSource:
        """An object as a source."""
        return ObjectSource(self._store, one, self.url)


class ObjectSource:
    """An object, read in windows of 4 MiB; every window must come from the version that was listed.

    Attributes:
        size: length in bytes.
    """

    def __init__(self, store: ObjectStore, one: Listed, url: str) -> None:
        self._store, self._one, self._url = store, one, url
        self._window: tuple[int, bytes] = (-1, b"")
        self.size = one.size

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes at `offset`.

        Raises:
            FormatRefused: they are not there, or the object was replaced meanwhile. Unusable: the store cannot be asked.
        """
        if offset < 0 or count < 0 or offset + count > self.size:
            raise Malformed("truncated", f"{count} bytes at byte {offset} of {self.size}", offset=self.size)
        if not count:
            return b""
        if count > WINDOW_BYTES:
            return self._get(offset, offset + count)
        start = offset - offset % WINDOW_BYTES
        pieces = b"".join(self._windowed(at) for at in range(start, offset + count, WINDOW_BYTES))
        return pieces[offset - start : offset - start + count]

    def whole(self, most: int) -> bytes:
        """All of it.

        Raises:
            As `read`; FormatRefused: it is longer than `most` bytes.
        """
        if self.size > most:
            raise FormatRefused(f"{self._one.name} has {self.size} bytes; the limit is {most}")
        return self._get(0, self.size)

    def _windowed(self, at: int) -> bytes:
        if self._window[0] != at:
            self._window = (at, self._get(at, min(at + WINDOW_BYTES, self.size)))
        return self._window[1]

    def _get(self, start: int, end: int) -> bytes:
        from obstore.exceptions import PreconditionError

        changed = FormatRefused(f"{self._one.name} was replaced while it was being read", mend="try again")
        with _trouble(self._url):
            try:
                options = {"range": (start, end), **({"if_match": self._one.tag} if self._one.tag else {})}
                found = self._store.get(self._one.name, options=options)  # type: ignore[arg-type]
                data = bytes(found.bytes())
            except PreconditionError:
                raise changed from None
        if len(data) != end - start or found.meta["size"] != self.size:
            raise changed
        return data


def _listed(one: ObjectMeta) -> Listed:
    return Listed(one["path"], one["size"], one["e_tag"] or "")


@contextlib.contextmanager
def _trouble(url: str) -> Iterator[None]:
    """Whatever obstore raises is trouble of the medium; its texts name the request, whose query may be a secret."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, FileNotFoundError, NotImplementedError) as error:
        raise Unusable(f"{url} cannot be read", why=_QUERY.sub("?...", str(error).split("\n", 1)[0])[:500]) from None
