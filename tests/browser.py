"""A headless Chromium that runs the page of the examples, and posts what it finds to a server of our own."""

import http.server
import json
import os
import shutil
import subprocess
import threading
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

PAGE = Path(__file__).parent.parent / "examples" / "exported" / "browser"
PACKAGE = Path("node_modules/onnxruntime-web")

# Loads modules as index.html does. The script may use openModel, readPixels, pick and page (index.html).
_HARNESS = """<!doctype html>
<iframe src="index.html"></iframe>
<script type="module">
  const page = document.querySelector("iframe");
  const post = (found) => fetch("/found", { method: "POST", body: JSON.stringify(found) });
  async function pick(name) {
    const at = (id) => page.contentDocument?.getElementById(id);
    while (!at("file") || at("file").disabled) await new Promise((go) => setTimeout(go, 20));
    const files = new DataTransfer();
    files.items.add(new File([await (await fetch(name)).blob()], name));
    at("file").files = files.files;
    at("file").dispatchEvent(new Event("change"));
    while (at("file").disabled) await new Promise((go) => setTimeout(go, 20));
    const rows = [...at("answers").rows].map((row) => [...row.cells].map((cell) => cell.textContent));
    return { state: at("state").textContent, rows };
  }
  try {
    const { openModel, readPixels } = await import("./model.js");
    post(await (async () => { SCRIPT })());
  } catch (error) {
    post({ error: String(error.stack ?? error) });
  }
</script>
"""


def chromium():
    """Return the path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def package():
    """Return the folder of the npm package onnxruntime-web, or None.

    It is where ``npm install`` puts it, in the folder of the page or a folder above, or what the environment
    variable ONNXRUNTIME_WEB says.
    """
    stated = os.environ.get("ONNXRUNTIME_WEB")
    places = [Path(stated)] if stated else [folder / PACKAGE for folder in (PAGE, *PAGE.parents)]
    return next((each for each in places if (each / "dist" / "ort.wasm.min.mjs").is_file()), None)


def run_in_browser(script, files, *, isolated=False, timeout=60):
    """Return what a script of the page returns, as JSON.

    Parameters
    ----------
    script : str
        Body of an asynchronous function in JavaScript.
    files : mapping of str to bytes or Path
        What lies beside the page.
    isolated : bool
        Whether threads may share memory: ONNX Runtime then runs on several.
    """
    index = (PAGE / "index.html").read_text(encoding="utf-8")
    imports = index[index.index('<script type="importmap">') :]
    imports = imports[: imports.index("</script>") + len("</script>")]
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name) / "site"
        shutil.copytree(PAGE, folder, ignore=shutil.ignore_patterns("node_modules"))
        (folder / PACKAGE).parent.mkdir()
        (folder / PACKAGE).symlink_to(package().resolve())
        harness = imports + _HARNESS.replace("SCRIPT", script)
        (folder / "harness.html").write_text(harness, encoding="utf-8")
        for path, content in files.items():
            if isinstance(content, Path):
                (folder / path).symlink_to(content.resolve())
            else:
                (folder / path).write_bytes(content)
        found, done = [], threading.Event()

        class Handler(_Files):
            shares_memory = isolated

            def do_POST(self):
                found.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()
                done.set()

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [
            chromium(),
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={name}/profile",
            f"http://127.0.0.1:{server.server_port}/harness.html",
        ]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, **quiet) as process:
            try:
                assert done.wait(timeout), f"nothing was heard from the page in {timeout} s"
            finally:
                process.kill()
                server.shutdown()
                server.server_close()
    assert "error" not in found[0], found[0]["error"]
    return found[0]


class _Files(http.server.SimpleHTTPRequestHandler):
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript"}
    shares_memory = False

    def end_headers(self):
        if self.shares_memory:
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_):
        """Say nothing."""
