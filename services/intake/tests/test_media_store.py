"""Where media lie: a folder, and a store with S3's interface that checks every signature itself."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest

from jiayuan.chassis.errors import StartError, Transient
from jiayuan.intake.media_store import Folder, Store, store_of

pytestmark = pytest.mark.unit
KEY, SECRET, REGION, BUCKET = "example-key", "example-secret", "cn-test-1", "photos"
DATA = b"picture " * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()


def _hmac(key: bytes, said: str) -> bytes:
    return hmac.new(key, said.encode(), hashlib.sha256).digest()


class FakeS3(BaseHTTPRequestHandler):
    """Objects in memory; what is signed wrongly, or with another body, is refused."""

    objects: dict[str, tuple[bytes, str]]
    wrong: list[str]
    fail: list[int]

    def _signed(self, body: bytes) -> bool:
        scheme, _, rest = self.headers.get("Authorization", "").partition(" ")
        parts = dict(p.strip().split("=", 1) for p in rest.split(",")) if rest else {}
        if scheme != "AWS4-HMAC-SHA256" or set(parts) != {"Credential", "SignedHeaders", "Signature"}:
            return False
        key, day, region, service, end = parts["Credential"].split("/")
        if (key, region, service, end) != (KEY, REGION, "s3", "aws4_request"):
            return False
        digest = self.headers["x-amz-content-sha256"]
        if digest != hashlib.sha256(body).hexdigest():
            return False
        names = parts["SignedHeaders"].split(";")
        if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names):
            return False
        url = urlsplit(self.path)
        headers = "".join(f"{n}:{' '.join(self.headers[n].split())}\n" for n in names)
        request = [self.command, quote(unquote(url.path)), url.query, headers, ";".join(names), digest]
        scope = f"{day}/{region}/{service}/{end}"
        stamp = self.headers["x-amz-date"]
        hashed = hashlib.sha256("\n".join(request).encode()).hexdigest()
        said = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}"
        secret = _hmac(_hmac(_hmac(_hmac(f"AWS4{SECRET}".encode(), day), region), "s3"), "aws4_request")
        return stamp.startswith(day) and hmac.compare_digest(_hmac(secret, said).hex(), parts["Signature"])

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _error(self, status: int, code: str) -> None:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self._answer(status, body, Content_Type="application/xml")

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.fail:
            self._error(self.fail.pop(), "InternalError")
            return
        if not self._signed(body):
            self.wrong.append(self.path)
            self._error(403, "SignatureDoesNotMatch")
            return
        bucket, _, name = urlsplit(self.path).path.removeprefix("/").partition("/")
        if bucket != BUCKET:
            self._error(404, "NoSuchBucket")
        elif self.command == "PUT":
            self.objects[name] = (body, self.headers["Content-Type"])
            self._answer(200, ETag=f'"{hashlib.md5(body).hexdigest()}"')
        elif self.command == "DELETE":
            self.objects.pop(name, None)
            self._answer(204)
        elif name in self.objects:
            self._answer(200, self.objects[name][0], Content_Type=self.objects[name][1])
        else:
            self._error(404, "NoSuchKey")

    do_GET = do_PUT = do_DELETE = _handle

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def s3() -> Iterator[tuple[str, type[FakeS3]]]:
    handler = type("Handler", (FakeS3,), {"objects": {}, "wrong": [], "fail": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}", handler
    finally:
        server.shutdown()
        server.server_close()


def _store(endpoint: str, secret: str = SECRET, bucket: str = BUCKET) -> Store:
    store = store_of(f"s3+http://{endpoint}/{bucket}?region={REGION}", KEY, secret)
    assert store is not None
    return store


def _behaves(store: Store) -> None:
    assert store.get(DIGEST) is None
    store.delete(DIGEST)
    store.put(DIGEST, DATA, "image/jpeg")
    store.put(DIGEST, DATA, "image/jpeg")
    assert store.get(DIGEST) == DATA
    store.delete(DIGEST)
    assert store.get(DIGEST) is None


def test_a_folder_behaves(tmp_path: Path) -> None:
    store = store_of(f"file://{tmp_path}/media")
    assert store is not None
    _behaves(store)


def test_s3_behaves_and_signs_everything(s3: tuple[str, type[FakeS3]]) -> None:
    endpoint, fake = s3
    _behaves(_store(endpoint))
    assert fake.wrong == []
    store = _store(endpoint)
    store.put(DIGEST, DATA, "image/jpeg")
    assert fake.objects == {f"{DIGEST[:2]}/{DIGEST[2:4]}/{DIGEST}": (DATA, "image/jpeg")}


def test_a_large_file_goes_in_one_request(s3: tuple[str, type[FakeS3]]) -> None:
    data = b"x" * (10 * 1024 * 1024)
    digest = hashlib.sha256(data).hexdigest()
    store = _store(s3[0])
    store.put(digest, data, "audio/wav")
    assert store.get(digest) == data


def test_a_wrong_secret_or_bucket_is_not_a_missing_file(s3: tuple[str, type[FakeS3]]) -> None:
    endpoint, fake = s3
    for store in (_store(endpoint, secret="another"), _store(endpoint, bucket="elsewhere")):
        for call in (lambda s=store: s.get(DIGEST), lambda s=store: s.put(DIGEST, DATA, "image/jpeg")):
            with pytest.raises(Transient, match="refuses"):
                call()
    assert fake.objects == {}


def test_a_store_that_stumbles_is_asked_again_and_one_that_is_down_is_said_to_be(
    s3: tuple[str, type[FakeS3]],
) -> None:
    endpoint, fake = s3
    fake.fail.append(503)
    store = _store(endpoint)
    store.put(DIGEST, DATA, "image/jpeg")
    assert store.get(DIGEST) == DATA
    with pytest.raises(Transient, match="does not answer"):
        _store("127.0.0.1:1").get(DIGEST)


def test_a_folder_holds_whole_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Folder(tmp_path)

    class Killed(BaseException):
        pass

    def die(_handle: int) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("jiayuan.intake.media_store.os.fsync", die)
        with pytest.raises(Killed):
            store.put(DIGEST, DATA, "image/jpeg")
    assert store.get(DIGEST) is None
    store.put(DIGEST, DATA, "image/jpeg")
    assert store.get(DIGEST) == DATA
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [tmp_path / DIGEST[:2] / DIGEST[2:4] / DIGEST]


def test_what_is_no_store_is_named() -> None:
    assert store_of("") is None
    for url in ("media", "file://relative/x", "s3+https://host", "s3+ftp://host/b", "s3+https://host/a/b"):
        with pytest.raises(StartError, match="is no store"):
            store_of(url, KEY, SECRET)
    with pytest.raises(StartError, match="media_key"):
        store_of("s3+https://host/bucket")
