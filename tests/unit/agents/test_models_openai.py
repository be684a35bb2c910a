"""The model behind a server, against a real HTTP server on the loopback interface."""

from __future__ import annotations

import email.utils
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from agents.models import GenerationRequest, Message, OpenAIConfig, ScoringRequest, load_model
from negotiation.errors import ModelError, ModelServerError
from tests.unit.agents.tiny import TinyModel

Answer = tuple[int, dict[str, str], bytes]
REQUEST = GenerationRequest(
    messages=(Message("system", "You speak."), Message("user", "Why?")),
    max_new_tokens=20,
    temperature=0.8,
    top_p=0.9,
    seed=2**40 + 5,
)


def reply(text: str | None = "Because.", finish: str = "stop", **more: Any) -> Answer:
    body = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    }
    return 200, {}, json.dumps(body | more).encode()


def fault(status: int, **headers: str) -> Answer:
    return status, headers, b'{"error": {"message": "told why"}}'


@dataclass
class Server:
    """Answers in turn, the last one again and again; ``handle`` overrides them."""

    url: str = ""
    answers: list[Answer] = field(default_factory=lambda: [reply()])
    handle: Callable[[dict[str, Any]], Answer] | None = None
    delay_s: float = 0.0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    busy: int = 0
    most_busy: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: dict[str, Any], headers: dict[str, str]) -> Answer:
        with self.lock:
            self.bodies.append(body)
            self.headers.append(headers)
            self.times.append(time.monotonic())
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        time.sleep(self.delay_s)
        with self.lock:
            self.busy -= 1
        return answer if self.handle is None else self.handle(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "CONCORDAT_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/chat/completions"
            status, headers, data = state.answer(body, dict(self.headers))
            try:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(data)
            except ConnectionError:
                self.close_connection = True  # the client gave up

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    state.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield state
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def model(server: Server) -> Iterator[Callable[..., Any]]:
    made: list[Any] = []

    def make(**settings: Any) -> Any:
        defaults = {"model": "small", "base_url": server.url, "backoff_s": 0.01, "max_retries": 2}
        made.append(load_model(OpenAIConfig(**{**defaults, **settings})))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_reply_and_what_was_sent(server: Server, model: Callable[..., Any]) -> None:
    subject = model(extra_body={"chat_template_kwargs": {"enable_thinking": False}})
    [answer] = subject.generate([REQUEST])
    assert (answer.text, answer.prompt_tokens, answer.generated_tokens, answer.finish) == (
        "Because.",
        11,
        3,
        "stop",
    )
    assert server.bodies == [
        {
            "model": "small",
            "messages": [{"role": "system", "content": "You speak."}, {"role": "user", "content": "Why?"}],
            "max_tokens": 20,
            "temperature": 0.8,
            "top_p": 0.9,
            "seed": 5,
            "chat_template_kwargs": {"enable_thinking": False},
        }
    ]
    assert subject.name == "small@" + server.url.removeprefix("http://").removesuffix("/v1")
    assert "Authorization" not in server.headers[0]


def test_order_and_bounded_concurrency(server: Server, model: Callable[..., Any]) -> None:
    server.delay_s = 0.02
    server.handle = lambda body: reply(f"to {body['seed']}", "length")
    requests = [replace(REQUEST, seed=seed) for seed in range(12)]
    answers = model(concurrency=3).generate(requests)
    assert [answer.text for answer in answers] == [f"to {seed}" for seed in range(12)]
    assert {answer.finish for answer in answers} == {"length"}
    assert 1 < server.most_busy <= 3


def test_no_requests(server: Server, model: Callable[..., Any]) -> None:
    assert model().generate([]) == []
    assert server.bodies == []


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_transient_faults_are_retried(server: Server, model: Callable[..., Any], status: int) -> None:
    server.answers = [fault(status), fault(status), reply()]
    assert model().generate([REQUEST])[0].text == "Because."
    assert len(server.bodies) == 3
    assert server.times[2] - server.times[1] > 0.009  # the wait doubles: at least half of 0.02 s


def test_retries_are_bounded(server: Server, model: Callable[..., Any]) -> None:
    server.answers = [fault(500)]
    with pytest.raises(
        ModelServerError, match=r"127\.0\.0\.1.* failed 3 times, at last with: status 500.*told"
    ):
        model().generate([REQUEST])
    assert len(server.bodies) == 3


@pytest.mark.parametrize(
    ("status", "mend"),
    [
        (401, "variable MY_KEY"),
        (403, "variable MY_KEY"),
        (404, "the model 'small'"),
        (302, "OpenAI-compatible"),
    ],
)
def test_refusals_are_not_retried(server: Server, model: Callable[..., Any], status: int, mend: str) -> None:
    server.answers = [fault(status)]
    with pytest.raises(ModelServerError, match=rf"status {status} .*told why.*{mend}"):
        model(api_key_env="MY_KEY").generate([REQUEST])
    assert len(server.bodies) == 1


def test_a_refused_request_is_the_requests_fault(server: Server, model: Callable[..., Any]) -> None:
    server.answers = [fault(400)]
    with pytest.raises(ModelError, match=r"refuses a request .status 400"):
        model().generate([REQUEST])
    assert len(server.bodies) == 1


def test_a_server_that_is_down(model: Callable[..., Any]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    with pytest.raises(
        ModelServerError, match=rf"server {url} failed 3 times.*ConnectError.*check that it runs"
    ):
        model(base_url=url).generate([REQUEST])


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((200, {}, b"<html>hello</html>"), "not JSON"),
        ((200, {}, b"[1, 2]"), "no JSON object"),
        ((200, {}, b'{"choices": []}'), "lacks"),
        (reply(usage=None), "lacks"),
        (reply(None), "no text"),
        (reply("...", "content_filter"), "ended with 'content_filter'"),
    ],
)
def test_nonsense(server: Server, model: Callable[..., Any], answer: Answer, problem: str) -> None:
    server.answers = [answer]
    with pytest.raises(ModelServerError, match=f"{problem}.*OpenAI-compatible"):
        model().generate([REQUEST])
    assert len(server.bodies) == 1


def test_timeouts_are_retried(server: Server, model: Callable[..., Any]) -> None:
    server.delay_s = 0.5
    with pytest.raises(ModelServerError, match=r"failed 2 times, at last with: no answer within 0\.05 s"):
        model(timeout_s=0.05, max_retries=1).generate([REQUEST])
    assert len(server.bodies) == 2


def test_retry_after_is_honoured_within_a_bound(server: Server, model: Callable[..., Any]) -> None:
    server.answers = [fault(429, Retry_After="0.3"), reply()]
    model().generate([REQUEST])
    assert 0.3 <= server.times[1] - server.times[0] < 5
    server.times.clear()
    server.answers = [fault(429, Retry_After="3600"), reply()]
    model(max_wait_s=0.1).generate([REQUEST])
    assert 0.1 <= server.times[1] - server.times[0] < 5


def test_retry_after_as_a_date_or_nonsense(server: Server, model: Callable[..., Any]) -> None:
    date = email.utils.formatdate(time.time() + 3600, usegmt=True)
    server.answers = [fault(503, Retry_After=date), fault(503, Retry_After="soon"), reply()]
    model(max_wait_s=0.1).generate([REQUEST])
    assert server.times[1] - server.times[0] >= 0.1


def test_the_key_comes_from_the_environment_and_is_never_told(
    server: Server,
    model: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MY_KEY", "s3cret-value")
    caplog.set_level(logging.DEBUG)
    server.answers = [fault(500), fault(401)]
    subject = model(api_key_env="MY_KEY")
    with pytest.raises(ModelServerError) as caught:
        subject.generate([REQUEST])
    assert server.headers[0]["Authorization"] == "Bearer s3cret-value"
    assert "s3cret" not in caplog.text + str(caught.value) + repr(caught.value) + repr(vars(subject))


def test_one_failure_ends_the_batch_early(server: Server, model: Callable[..., Any]) -> None:
    server.answers = [fault(401)]
    with pytest.raises(ModelServerError):
        model(concurrency=1).generate([replace(REQUEST, seed=seed) for seed in range(50)])
    assert len(server.bodies) == 1


def test_adapters_are_served_under_other_names(server: Server, model: Callable[..., Any]) -> None:
    subject = model(adapters={"east": "small-east"})
    subject.generate([replace(REQUEST, adapter="east")])
    assert server.bodies[0]["model"] == "small-east"
    with pytest.raises(ModelError, match="'west' is not served under any name; known are: east"):
        subject.generate([replace(REQUEST, adapter="west")])


def test_closing_ends_waits(server: Server, model: Callable[..., Any]) -> None:
    server.answers = [fault(503, Retry_After="30")]
    subject = model(max_wait_s=60)
    threading.Timer(0.2, subject._stop.set).start()
    began = time.monotonic()
    with pytest.raises(ModelServerError, match="closed while waiting"):
        subject.generate([REQUEST])
    assert time.monotonic() - began < 10


def _scoring(tiny: TinyModel, shifted: bool = False) -> Callable[[dict[str, Any]], Answer]:
    """A server that gives prompt_logprobs as vLLM does, computed by the tiny model."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = AutoModelForCausalLM.from_pretrained(tiny.path)
    tokenizer = AutoTokenizer.from_pretrained(tiny.path)

    def handle(body: dict[str, Any]) -> Answer:
        *turns, last = body["messages"]
        final = bool(body.get("continue_final_message"))
        ids = tokenizer.apply_chat_template(
            turns if final else body["messages"], add_generation_prompt=True, return_dict=False
        )
        if final:
            ids = ([3] if shifted else []) + ids + tokenizer(last["content"])["input_ids"]
        with torch.no_grad():
            logprobs = base(torch.tensor([ids])).logits[0].log_softmax(-1)
        given = [None] + [
            {str(ids[k]): {"logprob": float(logprobs[k - 1, ids[k]]), "rank": 1, "decoded_token": "?"}}
            for k in range(1, len(ids))
        ]
        assert body["prompt_logprobs"] == 0
        return reply("x", "length", prompt_logprobs=given)

    return handle


def test_scores_equal_those_of_the_same_model_here(
    server: Server, model: Callable[..., Any], tiny: TinyModel, tiny_model: Any
) -> None:
    server.handle = _scoring(tiny)
    requests = [ScoringRequest(REQUEST.messages, text) for text in ("Trust grows slowly.", "No.")]
    for there, here in zip(model().score(requests), tiny_model.score(requests), strict=True):
        assert there.tokens == here.tokens
        assert there.token_logprobs == pytest.approx(here.token_logprobs, abs=1e-4)


def test_servers_that_cannot_score(server: Server, model: Callable[..., Any], tiny: TinyModel) -> None:
    request = ScoringRequest(REQUEST.messages, "No.")
    with pytest.raises(ModelServerError, match=r"gives no prompt_logprobs.*vLLM"):
        model().score([request])
    server.handle = _scoring(tiny, shifted=True)
    with pytest.raises(ModelServerError, match="renders a dialogue differently"):
        model().score([request])
    server.handle = lambda body: reply("x", prompt_logprobs=[None, 3])
    with pytest.raises(ModelServerError, match="prompt_logprobs cannot be read"):
        model().score([request])
