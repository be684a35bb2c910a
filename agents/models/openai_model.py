"""A model behind any OpenAI-compatible server.

Replies come from ``/chat/completions``. Scores come from the same address where the server gives
``prompt_logprobs`` (an extension of vLLM's); other servers cannot score a given text, and that is said.
"""

from __future__ import annotations

import email.utils
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx
import numpy as np

from agents.models.config import OpenAIConfig
from agents.models.protocol import Finish, Generation, GenerationRequest, Message, Score, ScoringRequest
from negotiation.errors import ModelError, ModelServerError

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

_TRANSIENT = frozenset({408, 409, 425, 429})
"""Statuses besides 5xx that may go away by themselves."""
_SEEDS = 2**31
"""Servers differ in the seeds they take; all take those below this."""


class _TransientError(Exception):
    """A fault that may go away; ``after`` is how long the server asks to wait, in seconds."""

    def __init__(self, what: str, after: float | None = None) -> None:
        super().__init__(what)
        self.after = after


class OpenAIModel:
    """A model behind an OpenAI-compatible server; nothing is sent before the first call.

    Args:
        config: address, model name, limits.

    Attributes:
        name: for records, ``MODEL@host:port``.
    """

    def __init__(self, config: OpenAIConfig) -> None:
        self._config = config
        url = httpx.URL(config.base_url)
        self.name = f"{config.model}@{url.netloc.decode()}"
        key = os.environ.get(config.api_key_env)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(headers=headers, timeout=config.timeout_s)
        self._stop = threading.Event()

    def close(self) -> None:
        """Close connections; waits before retries end at once."""
        self._stop.set()
        self._client.close()

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """Write one reply a request, at most ``concurrency`` at once.

        Raises:
            ModelError: a request that the server refuses (status 400, 413 or 422), or an unknown adapter.
            ModelServerError: the server is out of reach after all retries, refuses the key or the model, or
                answers with something else than asked.
        """
        return self._all(self._generate, requests)

    def score(self, requests: Sequence[ScoringRequest]) -> list[Score]:
        """Log-probability of each text as the next assistant turn, without its end-of-turn token.

        Two requests each: the dialogue alone, and the dialogue with the text; the tokens of the first must be
        the beginning of the second, and the rest are the text's.

        Raises:
            ModelServerError: also if the server does not give ``prompt_logprobs``.
        """
        return self._all(self._score, requests)

    def _all(self, function: Callable[[T], R], requests: Sequence[T]) -> list[R]:
        """Results in order; the error of the first request that has one. After an error no more are begun."""
        if not requests:
            return []
        failed = threading.Event()

        def guarded(request: T) -> R | None:
            if failed.is_set():
                return None
            try:
                return function(request)
            except BaseException:
                failed.set()
                raise

        with ThreadPoolExecutor(min(self._config.concurrency, len(requests))) as workers:
            futures = [workers.submit(guarded, request) for request in requests]
        results = []
        for error in (future.exception() for future in futures):
            if error is not None:
                raise error
        for future in futures:
            result = future.result()
            assert result is not None
            results.append(result)
        return results

    def _generate(self, request: GenerationRequest) -> Generation:
        began = time.perf_counter()
        body = {
            "model": self._model_name(request.adapter),
            "messages": _turns(request.messages),
            "max_tokens": request.max_new_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "seed": request.seed % _SEEDS,
        }
        answer = self._post(body, request.seed)
        try:
            choice = answer["choices"][0]
            text, reason = choice["message"]["content"], choice["finish_reason"]
            prompt_tokens = int(answer["usage"]["prompt_tokens"])
            generated_tokens = int(answer["usage"]["completion_tokens"])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise self._nonsense(f"the reply lacks {error}", answer) from error
        if not isinstance(text, str):
            raise self._nonsense("the reply has no text", answer)
        finishes: dict[str, Finish] = {"stop": "stop", "length": "length"}
        if reason not in finishes:
            raise self._nonsense(f"the reply ended with {reason!r} in place of stop or length", answer)
        return Generation(
            text, prompt_tokens, generated_tokens, finishes[reason], time.perf_counter() - began
        )

    def _score(self, request: ScoringRequest) -> Score:
        turns = _turns(request.messages)
        settings = {
            "model": self._model_name(request.adapter),
            "max_tokens": 1,
            "temperature": 0,
            "prompt_logprobs": 0,
        }
        prefix = self._prompt_logprobs(settings | {"messages": turns, "add_generation_prompt": True})
        whole = self._prompt_logprobs(
            settings
            | {
                "messages": [*turns, {"role": "assistant", "content": request.text}],
                "add_generation_prompt": False,
                "continue_final_message": True,
            }
        )
        same = [token for token, _ in whole[: len(prefix)]] == [token for token, _ in prefix]
        if not same or len(whole) == len(prefix):
            raise ModelServerError(
                f"server {self._config.base_url} renders a dialogue differently with and without its answer, so"
                " that the answer's tokens cannot be told; score with a local model"
            )
        return Score.of([logprob for _, logprob in whole[len(prefix) :]])

    def _prompt_logprobs(self, body: Mapping[str, Any]) -> list[tuple[str, float]]:
        """(token id, log-probability) of each prompt token; the first has none and is given 0."""
        answer = self._post(body, 0)
        given = answer.get("prompt_logprobs")
        if not given:
            raise ModelServerError(
                f"server {self._config.base_url} gives no prompt_logprobs, so it cannot score texts;"
                " use a server that does (vLLM), or a local model"
            )
        try:
            return [
                next((token, float(entry["logprob"])) for token, entry in position.items())
                if position
                else ("", 0.0)
                for position in given
            ]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._nonsense(f"prompt_logprobs cannot be read: {error}", answer) from error

    def _model_name(self, adapter: str | None) -> str:
        if adapter is None:
            return self._config.model
        if adapter not in self._config.adapters:
            known = ", ".join(self._config.adapters) or "none"
            raise ModelError(f"adapter {adapter!r} is not served under any name; known are: {known}")
        return self._config.adapters[adapter]

    def _post(self, body: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """The server's answer, after retries of transient faults."""
        data = json.dumps({**self._config.extra_body, **body}).encode()
        # Spreads the retries of a batch; has no part in any result.
        jitter = np.random.Generator(np.random.PCG64(seed))
        tries = self._config.max_retries + 1
        for attempt in range(tries):
            try:
                return self._try(data)
            except _TransientError as fault:
                if attempt + 1 == tries:
                    raise ModelServerError(
                        f"server {self._config.base_url} failed {tries} times, at last with: {fault};"
                        " check that it runs and that the address is right, or raise max_retries or timeout_s"
                    ) from fault.__cause__
                wait = self._config.backoff_s * 2**attempt * jitter.uniform(0.5, 1.0)
                if fault.after is not None:
                    wait = max(wait, fault.after)
                wait = min(wait, self._config.max_wait_s)
                logger.info("%s: %s; again in %.1f s", self._config.base_url, fault, wait)
                if self._stop.wait(wait):
                    raise ModelServerError(f"model {self.name} was closed while waiting to retry") from fault
        raise AssertionError("unreachable")

    def _try(self, data: bytes) -> dict[str, Any]:
        try:
            response = self._client.post(
                f"{self._config.base_url}/chat/completions",
                content=data,
                headers={"Content-Type": "application/json"},
            )
        except httpx.TimeoutException as error:
            raise _TransientError(f"no answer within {self._config.timeout_s:g} s") from error
        except httpx.TransportError as error:
            raise _TransientError(f"{type(error).__name__}: {error}") from error
        status = response.status_code
        said = " ".join(response.text[:300].split())
        if status in _TRANSIENT or status >= 500:
            raise _TransientError(f"status {status}: {said}", _retry_after(response))
        if status in (400, 413, 422):
            raise ModelError(
                f"server {self._config.base_url} refuses a request (status {status}: {said});"
                " change the request or the settings it complains of"
            )
        if status != 200:
            raise self._refused(status, said)
        try:
            answer = response.json()
        except ValueError as error:
            raise self._nonsense("the reply is not JSON", said) from error
        if not isinstance(answer, dict):
            raise self._nonsense("the reply is no JSON object", said)
        return answer

    def _refused(self, status: int, said: str) -> ModelServerError:
        if status in (401, 403):
            mend = f"put a valid key into the environment variable {self._config.api_key_env}"
        elif status == 404:
            mend = (
                f"check the address (it ends in /v1 with most servers) and the model {self._config.model!r}"
            )
        else:
            mend = "check that this is the address of an OpenAI-compatible server"
        return ModelServerError(
            f"server {self._config.base_url} refuses with status {status} ({said}); {mend}"
        )

    def _nonsense(self, what: str, answer: object) -> ModelServerError:
        return ModelServerError(
            f"server {self._config.base_url}: {what} ({str(answer)[:200]}); check that this is the address of an"
            " OpenAI-compatible server"
        )


def _turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that the server asks to wait, given as seconds or as a date; None if it says nothing readable."""
    value = response.headers.get("Retry-After", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
