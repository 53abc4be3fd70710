"""A small bulk server, which can be told to behave badly. It shares no code with the gateway."""

import contextlib
import hashlib
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Server:
    """What the server holds and how it behaves. ``files`` are name → bytes; ``asked`` counts what was asked for.

    ``behaviour`` names what it does wrong; each is done as often as ``times`` says.
    """

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.deleted: dict[str, bytes] = {}
        self.errors: dict[str, bytes] = {}
        self.until = "2026-01-01T00:00:00.000Z"
        self.asked: Counter[str] = Counter()
        self.times: Counter[str] = Counter()
        self.queries: list[dict[str, list[str]]] = []
        self.forms: list[dict[str, list[str]]] = []
        self.elsewhere = self.status_elsewhere = self.token_elsewhere = ""
        self.polls = 0
        self.says_digests = True

    def behaves(self, how: str) -> bool:
        if self.times[how] <= 0:
            return False
        self.times[how] -= 1
        return True

    def manifest(self, base: str) -> dict:
        def lines(files: dict[str, bytes]) -> list[dict]:
            return [self._line(base, name, content) for name, content in files.items()]

        manifest = {
            "transactionTime": self.until, "request": f"{base}/fhir/$export", "requiresAccessToken": True,
            "output": lines(self.files), "deleted": lines(self.deleted), "error": lines(self.errors),
        }  # fmt: skip
        if self.behaves("goes on"):
            manifest["link"] = [{"relation": "next", "url": f"{base}/more"}]
        return manifest

    def _line(self, base: str, name: str, content: bytes) -> dict:
        here = self.elsewhere or base
        line = {"type": name.partition(".")[0], "url": f"{here}/files/{name}", "count": content.count(b"\n")}
        if self.says_digests:
            line["sha256"] = hashlib.sha256(content).hexdigest()
        return line


@contextlib.contextmanager
def serving(state: Server):
    """Serve; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self):
            state.asked["token"] += 1
            state.forms.append(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            token = {"access_token": f"token-{state.asked['token']}", "expires_in": 300, "token_type": "bearer"}
            self.answer(200, json.dumps(token).encode())

        def do_DELETE(self):
            state.asked["forgotten"] += 1
            self.answer(202)

        def do_GET(self):
            base, path = f"http://{self.headers['Host']}", urlsplit(self.path).path
            if path.endswith("/.well-known/smart-configuration"):
                smart = {"token_endpoint": f"{state.token_elsewhere or base}/token", "capabilities": ["permission-v2"]}
                return self.answer(200, json.dumps(smart).encode())
            if self.headers.get("Authorization") != f"Bearer token-{state.asked['token']}":
                state.asked["stranger"] += 1
                return self.answer(401)
            if state.behaves("token is none"):
                return self.answer(401)
            if path.endswith("/$export") and "_since" in self.path and state.behaves("no since"):
                return self.answer(400)
            if path.endswith("/$export"):
                state.asked["export"] += 1
                state.queries.append(parse_qs(urlsplit(self.path).query))
                return self.answer(
                    202, Content_Location=f"{state.status_elsewhere or base}/jobs/{state.asked['export']}"
                )
            if path.startswith("/jobs/"):
                return self.status(base)
            return self.file(path.rpartition("/")[2])

        def status(self, base: str) -> None:
            if state.behaves("lost"):
                return self.answer(404)
            if state.polls > 0:
                state.polls -= 1
                return self.answer(202, Retry_After="7")
            if state.behaves("too many"):
                return self.answer(429, Retry_After="3")
            return self.answer(200, json.dumps(state.manifest(base)).encode())

        def file(self, name: str) -> None:
            state.asked[name] += 1
            content = {**state.files, **state.deleted, **state.errors}[name]
            if state.behaves("redirect"):
                return self.answer(302, Location="http://169.254.169.254/latest")
            for how, status in (("refused", 403), ("gone", 410), ("taken away", 409)):
                if state.behaves(how):
                    return self.answer(status)
            if b"kept" in content and state.behaves("changed"):
                content = content.replace(b"kept", b"KEPT")
            if state.behaves("compressed"):
                return self.answer(200, content, Content_Encoding="gzip")
            start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
            etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            if start and self.headers.get("If-Range") == etag:
                state.asked["rest"] += 1
                shown = 0 if state.behaves("other part") else start
                return self.answer(206, content[start:], Content_Range=f"bytes {shown}-{len(content) - 1}/{len(content)}", ETag=etag)  # fmt: skip
            if state.behaves("broken off"):
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("ETag", etag)
                self.end_headers()
                self.wfile.write(content[: len(content) // 2])
                self.wfile.flush()
                self.close_connection = True
                return None
            return self.answer(200, content, ETag=etag)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
