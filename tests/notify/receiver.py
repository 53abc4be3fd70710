"""A receiver of notifications: a real HTTP server in a thread, which answers as a test wants."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def status(self) -> dict:
        """The parameters of the Bundle's status, by name; of several the last."""
        entry = msgspec.json.decode(self.body)["entry"][0]["resource"]
        return {
            row["name"]: next(v for k, v in row.items() if k not in ("name", "part"))
            for row in entry["parameter"]
            if "part" not in row
        }  # noqa: E501

    @property
    def focus(self) -> list[str]:
        """``Type/id`` of what changed."""
        entry = msgspec.json.decode(self.body)["entry"][0]["resource"]
        events = [row["part"] for row in entry["parameter"] if row["name"] == "notification-event"]
        named = [part["valueReference"]["reference"] for event in events for part in event if part["name"] == "focus"]
        return ["/".join(reference.split("/")[-2:]) for reference in named]


@dataclass
class Receiver:
    """``answers`` are the next statuses, 200 when there is none left; ``during`` is done while a request waits."""

    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> "Receiver":
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.received.append(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(outer.answers.pop(0) if outer.answers else 200)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def taken(self) -> list[Received]:
        """What came since it was last asked."""
        came, self.received = self.received, []
        return came
