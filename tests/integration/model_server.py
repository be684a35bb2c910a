"""A small server of the OpenAI chat protocol for tests: its replies are chosen by rule from few sentences."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SUBJECTS = ("Schools", "Courts", "Families", "Employers", "Cities", "Elders", "Neighbours", "Parliaments")
VERBS = ("protect", "decide on", "pay for", "discuss", "limit", "teach about", "vote on", "record")
OBJECTS = (
    "the custom",
    "free speech",
    "shared land",
    "the young",
    "old rites",
    "public money",
    "the newcomers",
)


@dataclass
class ModelServer:
    """What the server does, and what it was asked.

    Attributes:
        url: base URL, ending in /v1.
        garbage: reply with nothing usable.
        garbage_about: reply with nothing usable if this occurs in the prompt.
        delay_s: before each reply.
        status: HTTP status of every reply.
        requests: number of requests so far.
        systems: the system messages so far, each once.
    """

    url: str = ""
    garbage: bool = False
    garbage_about: str = ""
    delay_s: float = 0.0
    status: int = 200
    requests: int = 0
    systems: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reply(self, body: dict[str, Any]) -> str:
        """The text that answers a chat request; the same for the same messages and seed."""
        prompt = "\n".join(message["content"] for message in body["messages"])
        if self.garbage or (self.garbage_about and self.garbage_about in prompt):
            return ""
        key = json.dumps([prompt, body.get("seed")]).encode()
        bits = int.from_bytes(hashlib.sha256(key).digest()[:8], "big")
        words = []
        for choices in (SUBJECTS, VERBS, OBJECTS):
            bits, index = divmod(bits, len(choices))
            words.append(choices[index])
        sentence = f"{words[0]} should {words[1]} {words[2]}."
        if "Propose" not in prompt:
            return sentence
        heading = f"{words[0]} and {words[2]}"
        return f"Heading: {heading}\nReason: {sentence}\nDescription: Each region reports on it yearly."


def _handler(server: ModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server.lock:
                server.requests += 1
                server.systems.add(body["messages"][0]["content"])
            time.sleep(server.delay_s)
            text = server.reply(body)
            self._send(
                {
                    "id": "chatcmpl-1",
                    "object": "chat.completion",
                    "created": 0,
                    "model": body["model"],
                    "choices": [
                        {
                            "index": 0,
                            "message": {"role": "assistant", "content": text},
                            "finish_reason": "stop",
                        }
                    ],
                    "usage": {
                        "prompt_tokens": 50,
                        "completion_tokens": len(text.split()),
                        "total_tokens": 90,
                    },
                }
            )

        def do_GET(self) -> None:
            self._send({"object": "list", "data": [{"id": "scripted", "object": "model"}]})

        def _send(self, tree: dict[str, Any]) -> None:
            data = json.dumps(tree).encode()
            try:
                self.send_response(server.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except ConnectionError:
                self.close_connection = True  # the client was interrupted

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    return Handler


@contextmanager
def serving() -> Iterator[ModelServer]:
    """Run a server on a free port of the loopback interface."""
    server = ModelServer()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
