"""Images at addresses: a server in this process, and fsspec's own memory."""

import io
import sys
import threading
import types
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from transferkit import Classifier, FeatureExtractor
from transferkit.errors import BadImageError, InvalidInputError, MissingDependencyError
from transferkit.extraction import ExtractionReport
from transferkit.images import Limits, _remote, as_image_list, is_single_image, load_image, read_source

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def server(pictures):
    """The pictures at addresses; files may be replaced."""
    pytest.importorskip("aiohttp")
    files = {f"/{path.name}": path.read_bytes() for path in pictures[0]}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.partition("?")[0]
            self.send_response(200 if name in files else 500 if name == "/broken" else 404)
            self.send_header("Content-Length", str(len(files.get(name, b""))))
            self.end_headers()
            self.wfile.write(files.get(name, b""))

        def do_HEAD(self):
            self.send_response(405)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
    thread.start()
    home = f"http://127.0.0.1:{httpd.server_port}"
    yield home, files
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.mark.slow
def test_rows_of_addresses_are_those_of_the_files(server, pictures, tiny, engine):
    home, files = server
    paths, labels = pictures
    addresses = [home + name for name in files]
    clf = Classifier(**tiny).fit(addresses, labels)
    calls = engine.calls
    same = Classifier(**tiny).fit(paths, labels)
    assert engine.calls == calls  # known by their content
    np.testing.assert_array_equal(clf.predict_proba(addresses[:3]), same.predict_proba(paths[:3]))
    assert is_single_image(addresses[0] + "?size=1")
    assert len(clf.predict(addresses[0] + "?size=1")) == 1


def test_an_address_is_never_stale(server, tiny):
    home, files = server
    extractor = FeatureExtractor(**tiny, grid=1)
    before = extractor.transform(home + "/0000.png")
    files["/0000.png"] = files["/0001.png"]
    after = extractor.transform(home + "/0000.png")
    assert (before != after).any()
    np.testing.assert_array_equal(after, extractor.transform(home + "/0001.png"))


@pytest.mark.slow
def test_a_failure_is_one_failed_image(server, pictures, tiny):
    home, files = server
    labels = pictures[1]
    files["/empty.png"] = b""
    bad = [
        f"{home}/none.png",
        f"{home}/broken",
        f"{home}/empty.png",
        "foo://1.png",
        "http://127.0.0.1:1/1.png",
    ]
    addresses = [*bad, *(home + name for name in list(files)[:60])]
    clf = Classifier(**tiny).fit(addresses, [*["left"] * 5, *labels])
    report: ExtractionReport = clf.report_
    assert [failure.category for failure in report.failures] == [
        "not_found", "unreadable", "empty", "unreadable", "unreadable",
    ]  # fmt: skip
    assert report.failures[0].path == bad[0]
    with pytest.raises(BadImageError, match="Image 0: .*none.png: does not exist"):
        clf.predict(bad)


def test_reading_stops_at_the_limit(monkeypatch):
    class Endless(io.RawIOBase):
        given = 0

        def read(self, n=-1):
            self.given += n
            assert self.given <= 3 << 20
            return bytes(n)

    filesystem = types.SimpleNamespace(open=lambda path, mode: Endless(), invalidate_cache=lambda path: None)
    monkeypatch.setattr(_remote, "_open", lambda address: (filesystem, ""))
    with pytest.raises(BadImageError) as caught:
        read_source("http://127.0.0.1/large.png", limits=Limits(max_bytes=1_000_000))
    assert caught.value.category == "too_large"


def test_passwords_are_not_shown(monkeypatch):
    def refuse(address):
        raise PermissionError(f"no access to {address}")

    monkeypatch.setattr(fsspec.core, "url_to_fs", refuse)
    with pytest.raises(BadImageError) as caught:
        load_image("foo://me:secret@host/1.png")
    assert "secret" not in str(caught.value)


def test_patterns_of_addresses(pictures, tiny):
    paths, labels = pictures
    memory = fsspec.filesystem("memory")
    for path in paths:
        memory.pipe(f"/shades/{path.name}", path.read_bytes())
    try:
        addresses = as_image_list("memory://shades/*.png")
        assert addresses == [f"memory:///shades/{path.name}" for path in paths]
        clf = Classifier(**tiny).fit("memory://shades/*.png", labels)
        assert clf.score("memory://shades/*.png", labels) == clf.score(paths, labels)
        with pytest.raises(
            InvalidInputError, match="No file matches the pattern 'memory://shades/"
        ) as caught:
            Classifier(**tiny).fit("memory://shades/*.gif", labels)
        assert len(caught.value.problems) == 1
    finally:
        memory.rm("/shades", recursive=True)


def test_a_pattern_of_addresses_is_files_alone(tmp_path):
    memory = fsspec.filesystem("memory")
    for name in ("1.png", "._1.png", "more/2.png"):
        memory.pipe(f"/mixed/{name}", b"x")
    try:
        assert as_image_list("memory://mixed/*") == ["memory:///mixed/1.png"]
    finally:
        memory.rm("/mixed", recursive=True)
    Image.new("RGB", (8, 8), "red").save(tmp_path / "1.png")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "1.png", "1.png")
    addresses = as_image_list(f"zip://*.png::{tmp_path / 'all.zip'}")
    assert load_image(addresses[0]).pixels[0, 0].tolist() == [255, 0, 0]


class Listing:
    """A file system that remembers what it listed, and whose addresses have no server."""

    known, unstrip_protocol = True, staticmethod("ftp://{}".format)

    def invalidate_cache(self, path=None):
        self.known = False

    def glob(self, path, detail):
        assert detail
        assert not self.known
        return {"/1.png": {"type": "file"}}

    def open(self, path, mode):
        assert not self.known
        return io.BytesIO(b"new")


def test_listings_are_made_anew_and_addresses_keep_their_server(monkeypatch):
    monkeypatch.setattr(_remote, "_open", lambda address: (Listing(), "/*.png"))
    with pytest.raises(InvalidInputError, match="what is listed there has no address of its own") as caught:
        as_image_list("ftp://me:secret@host/*.png")
    assert "secret" not in str(caught.value)
    assert _remote.read_address("ftp://host/1.png", Limits()) == b"new"


def test_missing_packages_are_named(monkeypatch, tiny):
    with pytest.raises(MissingDependencyError, match="needs s3fs, .*Run: pip install s3fs"):
        FeatureExtractor(**tiny, on_error="skip").extract(["s3://bucket/1.png", "s3://bucket/2.png"])
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "transferkit\[remote\]"'):
        load_image("https://127.0.0.1/1.png")


def test_an_image_of_the_memory_is_decoded():
    Image.new("RGB", (8, 8), "red").save(file := fsspec.filesystem("memory").open("/red.png", "wb"), "PNG")
    file.close()
    try:
        assert load_image("memory://red.png").pixels[0, 0].tolist() == [255, 0, 0]
    finally:
        fsspec.filesystem("memory").rm("/red.png")
