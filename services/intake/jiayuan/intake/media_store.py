"""Where photos and voice notes lie: a folder, or any store that speaks S3. Files are named by their SHA-256.

`put` has made a file durable when it returns, and may be called again with the same file.
"""

from __future__ import annotations

import io
import os
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import parse_qs, urlsplit

from jiayuan.chassis.aside import aside
from jiayuan.chassis.errors import EXIT_CONFIG, StartError, Transient

_PART: Final = 64 * 1024 * 1024  # above our limits: a file goes in one request
_FORMS: Final = "file:///folder, s3+https://host/bucket?region=r or s3+http://host:port/bucket?region=r"


class Store(Protocol):
    """Files by digest (64 hex digits). `Transient` when the store does not answer."""

    def put(self, digest: str, data: bytes, type_: str) -> None:
        """Keeps a file for good."""

    def get(self, digest: str) -> bytes | None:
        """A file, or None when there is none."""

    def delete(self, digest: str) -> None:
        """Forgets a file; nothing happens when there is none."""


class Folder:
    """A folder on a disk that all replicas share: `ab/cd/abcd…`, written beside and renamed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _file(self, digest: str) -> Path:
        return self.path / digest[:2] / digest[2:4] / digest

    def put(self, digest: str, data: bytes, type_: str) -> None:  # noqa: ARG002  the type is the row's
        """Writes, syncs, renames, syncs the folder: after a crash there is the whole file or none of it."""
        aside(self._put, digest, data)

    def _put(self, digest: str, data: bytes) -> None:
        file = self._file(digest)
        try:
            if file.exists() and file.stat().st_size == len(data):
                return
            missing = [p for p in (file.parent, file.parent.parent, self.path) if not p.exists()]
            file.parent.mkdir(parents=True, exist_ok=True)
            beside = file.with_name(f".{digest[:16]}.{secrets.token_hex(6)}")
            try:
                with beside.open("wb") as out:
                    out.write(data)
                    out.flush()
                    os.fsync(out.fileno())
                beside.replace(file)
            finally:
                beside.unlink(missing_ok=True)
            for folder in (file.parent, *(p.parent for p in missing)):
                _sync(folder)
        except OSError as error:
            raise Transient(f"the media folder can't be written: {error.strerror}") from None

    def get(self, digest: str) -> bytes | None:
        """The file."""
        return aside(self._get, digest)

    def _get(self, digest: str) -> bytes | None:
        try:
            return self._file(digest).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Transient(f"the media folder can't be read: {error.strerror}") from None

    def delete(self, digest: str) -> None:
        """Removes the file."""
        try:
            self._file(digest).unlink(missing_ok=True)
        except OSError as error:
            raise Transient(f"the media folder can't be written: {error.strerror}") from None


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class S3:
    """A bucket of any store with S3's interface; requests are signed with AWS Signature Version 4."""

    def __init__(self, endpoint: str, bucket: str, region: str, key: str, secret: str, *, tls: bool) -> None:
        self.endpoint, self.bucket, self.region, self.tls = endpoint, bucket, region, tls
        self._key, self._secret = key, secret
        self._made: Any = None

    @property
    def _client(self) -> Any:
        if self._made is None:
            # A quarter of a second and 20 MB, which a process without photos need not spend.
            import urllib3
            from minio import Minio

            pool = urllib3.PoolManager(
                timeout=urllib3.Timeout(connect=3, read=20),
                maxsize=8,
                retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
            )
            self._made = Minio(
                endpoint=self.endpoint,
                access_key=self._key,
                secret_key=self._secret,
                region=self.region,
                secure=self.tls,
                http_client=pool,
            )
        return self._made

    def _call(self, run: Any, missing: Any = None) -> Any:
        from minio.error import S3Error, ServerError
        from urllib3.exceptions import HTTPError

        try:
            return run()
        except S3Error as error:
            if error.code in ("NoSuchKey", "NoSuchObject"):
                return missing
            raise Transient(f"the media store refuses: {error.code}") from None
        except (HTTPError, ServerError, OSError) as error:
            raise Transient(f"the media store does not answer: {type(error).__name__}") from None

    def put(self, digest: str, data: bytes, type_: str) -> None:
        """One request; the store has it when it answers 200."""
        client = self._client
        self._call(
            lambda: client.put_object(
                bucket_name=self.bucket,
                object_name=_name(digest),
                data=io.BytesIO(data),
                length=len(data),
                content_type=type_,
                part_size=_PART,
            )
        )

    def get(self, digest: str) -> bytes | None:
        """The object's bytes."""
        client = self._client

        def run() -> bytes:
            response = client.get_object(bucket_name=self.bucket, object_name=_name(digest))
            try:
                return bytes(response.read())
            finally:
                response.close()
                response.release_conn()

        found: bytes | None = self._call(run)
        return found

    def delete(self, digest: str) -> None:
        """Removes the object."""
        client = self._client
        self._call(lambda: client.remove_object(bucket_name=self.bucket, object_name=_name(digest)))


def _name(digest: str) -> str:
    return f"{digest[:2]}/{digest[2:4]}/{digest}"


@lru_cache(maxsize=8)
def store_of(url: str, key: str = "", secret: str = "") -> Store | None:
    """The store of the setting `media`; None when it is empty. StartError when it has no meaning."""
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path.startswith("/") and not parts.netloc:
        return Folder(Path(parts.path))
    bucket = parts.path.strip("/")
    if parts.scheme in ("s3+http", "s3+https") and parts.netloc and bucket and "/" not in bucket:
        if not key or not secret:
            raise StartError(
                EXIT_CONFIG, "media_key and media_secret are missing: the store of media is S3's"
            )
        region = parse_qs(parts.query).get("region", ["us-east-1"])[0]
        return S3(parts.netloc, bucket, region, key, secret, tls=parts.scheme == "s3+https")
    raise StartError(EXIT_CONFIG, f"media: {url!r} is no store; allowed: {_FORMS}")
