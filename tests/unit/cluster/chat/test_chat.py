"""``concordat chat`` against a stand-in for the server."""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cluster.chat.client import PolicyClient, Served, find_model
from cluster.chat.session import _talk
from cluster.chat.show import Exchange, compared, plain, show_exchange, weight_bar
from cluster.cli import run_command
from cluster.serving.schema import PolicyAnswer
from negotiation.errors import ConfigurationError, ModelServerError
from tests.policy_server import BASE, EVIL, MOVED, PolicyServer, answer, serving

TABLE = "english-speaking+confucian"
SERVED = (
    Served(f"consensus/{TABLE}", "alias", "English-Speaking and Confucian"),
    Served("consensus/duty-1", "policy", "Should voting be a duty?"),
    Served("culture/confucian", "culture", "Confucian"),
    Served("base", "base", "the bundled model"),
)


@pytest.fixture
def server() -> Iterator[PolicyServer]:
    with serving(PolicyServer(pace_s=0.0)) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONCORDAT_API_KEY", raising=False)


def piped(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_json_has_the_answer_and_how_it_came_about(
    server: PolicyServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    piped(monkeypatch, "Should everyone have to vote?\n")
    assert run_command(["chat", TABLE, "--url", server.url, "--seed", "7", "--json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert (tree["model"], tree["question"], tree["answer"]) == (
        f"consensus/{TABLE}",
        "Should everyone have to vote?",
        MOVED,
    )
    assert tree["concordat"]["base"] == BASE
    assert tree["concordat"]["guideline"]["weight"] == 0.63
    assert server.asked == [
        {
            "model": f"consensus/{TABLE}",
            "messages": [{"role": "user", "content": "Should everyone have to vote?"}],
            "stream": True,
            "seed": 7,
        }
    ]


def test_a_question_on_the_command_line_is_answered_for_people(
    server: PolicyServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    assert run_command(["chat", "duty-1", "-q", "Why?", "--url", f"{server.url}/v1/"]) == 0
    out = capsys.readouterr().out
    assert "Base model" in out.splitlines()[0]
    assert "The policy" in out.splitlines()[0]
    assert "Registration by default, no fines  (english-speaking)" in out
    assert "63%" in out
    assert "forward 0.81" in out
    rows = [line for line in out.splitlines() if line.startswith("Security")]
    assert len(rows) == 1
    assert rows[0].split()[-1] == f"{answer(server).values_after['Security']:+.2f}"  # type: ignore[index]


def test_another_model_answers_with_its_text_alone(
    server: PolicyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["chat", "confucian", "-q", "Why?", "--url", server.url]) == 0
    assert capsys.readouterr().out.strip() == BASE
    assert server.asked[0]["model"] == "culture/confucian"


def test_without_a_policy_what_is_served_is_listed(
    server: PolicyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["chat", "--url", server.url, "--json"]) == 0
    models = json.loads(capsys.readouterr().out)["models"]
    assert {"id": "culture/confucian", "kind": "culture", "name": "Confucian"} in models
    assert run_command(["chat", "--url", server.url]) == 0
    assert TABLE in capsys.readouterr().out


def test_an_unknown_policy_is_told_with_names_near_it(
    server: PolicyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["chat", "english-speaking+confuzian", "-q", "Why?", "--url", server.url]) == 2
    assert f"did you mean {TABLE}" in capsys.readouterr().err
    assert server.asked == []


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        (TABLE, f"consensus/{TABLE}"),
        ("consensus/duty-1", "consensus/duty-1"),
        ("duty-1", "consensus/duty-1"),
        ("confucian", "culture/confucian"),
        ("Confucian+English-Speaking", f"consensus/{TABLE}"),
        ("base", "base"),
    ],
)
def test_names_of_models(name: str, id_: str) -> None:
    assert find_model(name, SERVED).id == id_


def test_no_server_says_how_to_start_one(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as held:  # bound and not listening: nobody else can answer there
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        assert run_command(["chat", "base", "-q", "Why?", "--url", url]) == 1
    error = capsys.readouterr().err
    assert f"no server answers at {url}; start one with 'concordat serve RUN'" in error


def test_a_run_folder_is_no_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policies").mkdir()
    assert run_command(["chat", str(tmp_path), "-q", "Why?", "--json"]) == 2
    out, error = capsys.readouterr()
    assert f"'concordat serve {tmp_path}'" in error
    assert json.loads(out)["error"]["type"] == "ConfigurationError"


def test_keys(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(PolicyServer(key="sesame", pace_s=0.0)) as server:
        line = ["chat", "base", "-q", "Why?", "--url", server.url]
        assert run_command(line) == 2
        assert "asks for an API key; set CONCORDAT_API_KEY" in capsys.readouterr().err
        monkeypatch.setenv("CONCORDAT_API_KEY", "sesam")
        assert run_command(line) == 2
        error = capsys.readouterr().err
        assert "does not take this API key" in error
        assert "sesam" not in error
        monkeypatch.setenv("CONCORDAT_API_KEY", "sesame")
        assert run_command(line) == 0


def test_a_key_that_no_header_can_hold_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError, match="the API key holds") as told:
        PolicyClient(key="se\nsame")
    assert "same" not in str(told.value).replace("the same", "")


def test_a_key_in_the_clear_is_noticed() -> None:
    with PolicyClient("http://policies.example", "sesame") as client:
        assert client.shows_key
    with PolicyClient("https://policies.example", "sesame") as client:
        assert not client.shows_key


@pytest.mark.parametrize("url", ["", "http://", "ftp://here", "http://[", "file:///etc/passwd"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is no address"):
        PolicyClient(url)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_no_question(
    server: PolicyServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    piped(monkeypatch, text)
    assert run_command(["chat", "base", "--url", server.url]) == 2
    assert "standard input holds no question" in capsys.readouterr().err


def test_a_busy_server_says_when_to_come_back(
    server: PolicyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.trouble = 503
    assert run_command(["chat", "base", "-q", "Why?", "--url", server.url]) == 1
    assert "is busy; try again in 7 s" in capsys.readouterr().err


def test_an_answer_that_breaks_off_is_an_error(
    server: PolicyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.breaks_off = True
    assert run_command(["chat", "base", "-q", "Why?", "--url", server.url]) == 1
    assert "broke off" in capsys.readouterr().err


@contextmanager
def raw(status: int, body: bytes, kind: str = "application/json") -> Iterator[str]:
    """A server that says the same to everybody."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_address[1]}"
        web.shutdown()


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>"), (200, b"[]"), (200, b'{"data": [1]}'), (404, b"nothing"), (500, b"{}"), (302, b"")],
)
def test_another_kind_of_server(status: int, body: bytes) -> None:
    with raw(status, body) as url, PolicyClient(url) as client, pytest.raises(ModelServerError):
        client.models()


@pytest.mark.parametrize(
    "line",
    [
        b"data: {\n\n",
        b"data: []\n\n",
        b'data: {"choices": [{"delta": 3}]}\n\n',
        b'data: {"choices": [], "concordat": {"policy": 1}}\n\n',
        b'data: {"error": {"message": "out of memory"}}\n\n',
    ],
)
def test_a_stream_that_cannot_be_read(line: bytes) -> None:
    with (
        raw(200, line, "text/event-stream") as url,
        PolicyClient(url) as client,
        pytest.raises(ModelServerError),
    ):
        list(client.ask("base", []))


def test_models_of_a_server_that_says_nothing_of_them() -> None:
    with raw(200, b'{"data": [{"id": "llama"}]}') as url, PolicyClient(url) as client:
        assert client.models() == [Served("llama", "model", "llama")]


def talk(server: PolicyServer, monkeypatch: pytest.MonkeyPatch, *lines: str) -> str:
    """What a person sees who types these lines."""
    shown = io.StringIO()
    console = Console(file=shown, width=100)
    waiting = iter(lines)

    def typed(*_: Any, **__: Any) -> str:
        try:
            return next(waiting)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr(console, "input", typed)
    with PolicyClient(server.url) as client:
        assert _talk(client, SERVED[0], 0, console) == 0
    return shown.getvalue()


def test_a_talk_goes_on_until_the_end_of_input(server: PolicyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = talk(server, monkeypatch, "Why?", "", "And then?", "/new", "Again?")
    assert shown.count("Guideline in view") == 3
    assert [len(body["messages"]) for body in server.asked] == [1, 3, 1]
    assert server.asked[1]["messages"][1] == {"role": "assistant", "content": MOVED}


def test_an_error_does_not_end_a_talk(server: PolicyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.trouble = 429
    shown = talk(server, monkeypatch, "Why?", "And now?", "/quit", "never asked")
    assert shown.count("takes no more requests of this key for now; try again in 7 s") == 2
    assert [len(body["messages"]) for body in server.asked] == [1, 1]


def test_ctrl_c_stops_an_answer_and_not_the_talk(
    server: PolicyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any) -> Generator[str, None, None]:
        yield "Voting"
        raise KeyboardInterrupt

    monkeypatch.setattr(PolicyClient, "ask", stopped)
    assert talk(server, monkeypatch, "Why?", "Why?").count("Stopped.") == 2


def note(**changed: Any) -> PolicyAnswer:
    return answer(PolicyServer()).model_copy(update=changed)


def shown(exchange: Exchange, width: int) -> str:
    out = io.StringIO()
    show_exchange(Console(file=out, width=width, force_terminal=True, color_system="standard"), exchange)
    return out.getvalue()


def test_texts_stand_below_each_other_where_there_is_no_room() -> None:
    narrow = shown(Exchange("m", "q", MOVED, note()), 60)
    assert narrow.index("Base model") < narrow.index("The policy")
    assert "Base model" in narrow.splitlines()[0]
    assert "The policy" not in narrow.splitlines()[0]
    assert "\u2026" not in narrow  # nothing is cut: numbers without bars
    assert "-0.44" in narrow


def test_an_answer_that_was_not_rewritten_says_why() -> None:
    text = shown(
        Exchange("m", "q", BASE, note(fault="it repeats itself", values_after=None, consistency=None)), 100
    )
    assert "The base answer was not rewritten: it repeats itself" in text
    assert "Consistency" not in text
    assert "+0.67" in text  # the target is there


def test_what_changed_is_marked() -> None:
    left, right = compared("All may vote now.", "All must vote now.")
    assert [(left.plain[s.start : s.end], s.style) for s in left.spans] == [("may", "strike red")]
    assert [(right.plain[s.start : s.end], s.style) for s in right.spans] == [("must", "underline green")]
    assert (left.plain, right.plain) == ("All may vote now.", "All must vote now.")


def test_a_server_cannot_command_the_terminal() -> None:
    evil = f"{EVIL}\x1b]0;title\x07\x1b[2J\u202etxt\x9b31m[bold]"
    text = shown(Exchange("m", "q", evil, note(base=evil, fault=evil)), 200)
    assert "\x1b]" not in text
    assert "\x1b[2J" not in text
    assert "\u202e" not in text
    assert "\x9b" not in text
    assert "[bold]" in text  # nor does it write markup
    assert plain("a\r\nb") == "a\nb"


def test_bars_of_weights() -> None:
    assert weight_bar(0.0).count("\u2501") == 0
    assert weight_bar(1.0).count("\u2501") == 20
    assert weight_bar(0.63).count("\u2501") == 13
