"""A small OpenID provider on this machine: its discovery document and its keys, which a test changes."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl


class Provider:
    def __init__(self):
        self.keys: list[dict] = []
        self.document: dict = {}
        self.asked: list[str] = []
        self.url = ""
        self.answers: dict[str, dict] = {}
        self.posted: list[tuple[str, dict[str, str], str]] = []


@contextmanager
def serving() -> Iterator[Provider]:
    """A provider that answers while the block runs."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked.append(self.path)
            documents = {"/jwks": {"keys": provider.keys}, **provider.answers}
            self.answer(documents.get(self.path, provider.document))

        def do_POST(self) -> None:
            form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            provider.posted.append((self.path, form, self.headers.get("Authorization", "")))
            self.answer(provider.answers.get(self.path, {"error": "invalid_grant"}))

        def answer(self, body: dict) -> None:
            content = json.dumps(body).encode()
            self.send_response(400 if "error" in body else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    provider.document = {"issuer": provider.url, "jwks_uri": f"{provider.url}/jwks"}
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield provider
    server.shutdown()
    thread.join()
    server.server_close()
