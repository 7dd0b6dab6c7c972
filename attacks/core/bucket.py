"""An S3 server on loopback (moto's), and the environment in which a program finds it.

S3 decides a conditional put in one step. moto looks and stores in two, so its requests are handled one at a time
here; nothing else about it is changed. `Lossy` breaks single requests: before they are done, or after.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "evidence"
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass
class Lossy:
    """A WSGI layer that handles one request at a time, and may lose one.

    Attributes:
        asked: methods and paths of requests so far. lose: called with (number, method, path); "before" drops the request,
            "after" does it and drops the answer, both as a server error that the client may retry.
    """

    inner: Application
    asked: list[tuple[str, str]] = field(default_factory=list)
    lose: Callable[[int, str, str], str] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        with self._lock:
            what = environ["REQUEST_METHOD"], environ["PATH_INFO"]
            self.asked.append(what)
            fate = self.lose(len(self.asked) - 1, *what) if self.lose else ""
            if fate == "before":
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            else:
                answer = [b"".join(self.inner(environ, (lambda *_: None) if fate else start))]
                if not fate:
                    return answer
            start("500 Internal Server Error", [("Content-Length", "0")])
            return [b""]


@dataclass(frozen=True)
class Server:
    """A running server with one empty bucket."""

    url: str
    layer: Lossy

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to reach it."""
        return {
            "AWS_ENDPOINT_URL": self.url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing",
        }  # fmt: skip

    def names(self, prefix: str = "") -> list[str]:
        """Keys in the bucket."""
        text = httpx.get(f"{self.url}/{BUCKET}", params={"list-type": "2", "prefix": prefix}).text
        return re.findall(r"<Key>(.*?)</Key>", text)


@contextmanager
def server() -> Iterator[Server]:
    """Serve until the block ends."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # no line for each request
    layer = Lossy(DomainDispatcherApplication(create_backend_app))  # type: ignore[arg-type]
    http = make_server("127.0.0.1", 0, layer, threaded=True)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{http.server_port}"
    try:
        httpx.post(f"{url}/moto-api/reset").raise_for_status()
        httpx.put(f"{url}/{BUCKET}").raise_for_status()
        layer.asked.clear()
        yield Server(url, layer)
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
