"""Crates and archives: never trusted before their checksum, and kept once it is right."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import requests

from buildproof.errors import ExitCode, FetchError, InputError, Place, Trouble
from buildproof.manifest import Archive, Crate
from buildproof.sources.download import archive_of

BODY = b"the archive" * 1000
SHA256 = hashlib.sha256(BODY).hexdigest()
WHERE = Place(Path("buildproof.toml"), 3, 1)
CRATE = Crate(name="tool", version="1.2.3", sha256=SHA256)


class Answer:
    """What requests gives for a streamed GET."""

    def __init__(self, body: bytes, *, status: int = 200, broken_off: bool = False) -> None:
        self._body, self._status, self._broken_off = body, status, broken_off

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def raise_for_status(self) -> None:
        if self._status != 200:
            answer = requests.Response()
            answer.status_code = self._status
            raise requests.HTTPError(f"{self._status} Client Error", response=answer)

    def iter_content(self, _size: int) -> Iterator[bytes]:
        yield self._body[:100]
        if self._broken_off:
            raise requests.ConnectionError("connection reset")
        yield self._body[100:]


class Web:
    """Stands in for requests.get: gives its answer, and remembers what was asked."""

    def __init__(self) -> None:
        self.answer: Answer | Exception = Answer(BODY)
        self.asked: list[tuple[str, Any]] = []

    def get(self, address: str, *, stream: bool, timeout: tuple[int, int], verify: Any) -> Answer:
        assert stream
        assert timeout
        self.asked.append((address, verify))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "buildproof" / "sources"


@pytest.fixture
def web(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Web:
    web = Web()
    monkeypatch.setattr(requests, "get", web.get)
    return web


def fetched(source: Crate | Archive, ca_bundle: Path | None = None) -> Path:
    return archive_of(source, ca_bundle=ca_bundle, where=WHERE)


def test_a_crate_is_downloaded_once_and_kept_under_its_checksum(web: Web, cache: Path) -> None:
    path = fetched(CRATE)
    assert path == cache / SHA256
    assert path.read_bytes() == BODY
    assert fetched(CRATE) == path
    assert [address for address, _ in web.asked] == ["https://static.crates.io/crates/tool/1.2.3/download"]
    assert list(cache.iterdir()) == [path]


def test_an_archive_is_asked_for_at_its_address_with_the_ca_bundle(web: Web, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    fetched(Archive(location="https://example.org/a.tgz", sha256=SHA256.upper()), bundle)
    assert web.asked == [("https://example.org/a.tgz", str(bundle))]


def test_without_a_ca_bundle_certificates_are_checked_all_the_same(web: Web) -> None:
    fetched(CRATE)
    assert web.asked[0][1] is True


def test_a_wrong_checksum_tells_both_and_keeps_nothing(web: Web, cache: Path) -> None:
    wrong = "ab" * 32
    with pytest.raises(InputError) as error:
        fetched(Crate(name="tool", version="1.2.3", sha256=wrong))
    assert str(error.value) == (
        "buildproof.toml:3:1: https://static.crates.io/crates/tool/1.2.3/download has another checksum than the "
        f"manifest says\n  expected sha256 {wrong}\n  found    sha256 {SHA256}\n"
        "  next: do not trust the file before you know why; then put the right checksum into the manifest"
    )
    assert list(cache.iterdir()) == []


def test_a_kept_file_that_was_damaged_is_downloaded_again(web: Web, cache: Path) -> None:
    fetched(CRATE).write_bytes(b"damaged")
    assert fetched(CRATE).read_bytes() == BODY
    assert len(web.asked) == 2


@pytest.mark.parametrize(
    ("answer", "said", "trouble"),
    [
        (Answer(BODY, status=404), "cannot download https://static.crates.io/crates/tool/1.2.3/download: 404", "fetch"),
        (Answer(BODY, status=503), "503", "network"),
        (Answer(BODY, status=429), "429", "network"),
        (Answer(BODY, broken_off=True), "connection reset", "network"),
        (requests.ConnectionError("no route"), "no route", "network"),
        (requests.Timeout("too slow"), "too slow", "network"),
        (requests.exceptions.SSLError("EOF occurred in violation of protocol"), "EOF occurred", "network"),
        (requests.exceptions.InvalidURL("no host"), "no host", "fetch"),
    ],
)
def test_a_failed_download_is_infrastructure_and_leaves_nothing(
    web: Web, cache: Path, answer: Answer | Exception, said: str, trouble: str
) -> None:
    web.answer = answer
    with pytest.raises(FetchError, match=r"^buildproof\.toml:3:1: cannot download") as error:
        fetched(CRATE)
    assert said in str(error.value)
    assert error.value.trouble is {"network": Trouble.NETWORK, "fetch": Trouble.FETCH}[trouble]
    assert error.value.exit_code is ExitCode.INFRASTRUCTURE
    assert list(cache.iterdir()) == []


def test_a_certificate_that_is_not_trusted_says_how_to_name_the_bundle(web: Web) -> None:
    web.answer = requests.exceptions.SSLError("self-signed certificate")
    with pytest.raises(FetchError) as error:
        fetched(CRATE)
    assert error.value.trouble is Trouble.FETCH
    assert "answers with a certificate that is not trusted: self-signed" in error.value.what
    assert "--ca-bundle PATH or BUILDPROOF_CA_BUNDLE" in str(error.value.next_step)


def test_a_local_archive_is_used_where_it_lies(web: Web, tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(BODY)
    assert fetched(Archive(location=path, sha256=SHA256.upper())) == path
    with pytest.raises(InputError, match=f"found    sha256 {SHA256}"):
        fetched(Archive(location=path, sha256="cd" * 32))
    assert path.read_bytes() == BODY
    assert web.asked == []


def test_a_local_archive_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.tar"
    with pytest.raises(InputError) as error:
        fetched(Archive(location=path, sha256=SHA256))
    assert str(error.value) == f"buildproof.toml:3:1: cannot read {path}: No such file or directory"
