"""A client of the server: which models there are, and their answers as they come."""

from __future__ import annotations

import difflib
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from cluster.serving.schema import PolicyAnswer
from negotiation.errors import ConfigurationError, ModelServerError

DEFAULT_URL = "http://127.0.0.1:8000"
KEY_VARIABLE = "CONCORDAT_API_KEY"

CONNECT_S, ANSWER_S = 5.0, 300.0
"""How long a server may take to be reached, and between two pieces of an answer."""

NEAR = 5
"""Names that are proposed for one that is not served."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Served:
    """A model that can be asked.

    Attributes:
        id: as requests name it.
        kind: policy, alias (a table's policies), culture or base; model for one of another server.
        name: for people.
    """

    id: str
    kind: str
    name: str

    @property
    def label(self) -> str:
        """The id without what its kind says already.

        >>> Served("consensus/duty-1", "policy", "Should voting be a duty?").label
        'duty-1'
        """
        return self.id.partition("/")[2] if self.kind in ("policy", "alias", "culture") else self.id


def find_model(name: str, served: Sequence[Served]) -> Served:
    """The model of a name: its id, or the id without ``consensus/`` or ``culture/``; cultures of a table in any order.

    Raises:
        ConfigurationError: naming those that are near.
    """
    by_name = {model.label: model for model in served} | {model.id: model for model in served}
    if name in by_name:
        return by_name[name]
    members = sorted(name.removeprefix("consensus/").lower().split("+"))
    for model in served:
        if model.kind == "alias" and sorted(model.label.split("+")) == members:
            return model
    folded = {label.lower(): label for label in by_name}
    near = difflib.get_close_matches(name.lower(), folded, NEAR, 0.5)
    near += [label for label in folded if name.lower() in label and label not in near]
    labels = list(dict.fromkeys(by_name[folded[label]].label for label in near))[:NEAR]
    proposal = f"did you mean {', '.join(labels)}? " if labels else ""
    raise ConfigurationError(f"{name!r} is not served; {proposal}'concordat chat' alone lists what is")


class PolicyClient:
    """Asks one server. To be used as a context manager.

    Args:
        url: of the server, with or without ``/v1``.
        key: API key, if the server asks for one.
        flag: of the command line that gives the URL, for errors.

    Raises:
        ConfigurationError: if the URL is none, or the key cannot be sent.
    """

    def __init__(self, url: str = DEFAULT_URL, key: str | None = None, flag: str = "--url") -> None:
        self.url, self._flag = _base(url, flag), flag
        if key is not None and not (key.isascii() and key.isprintable()):
            raise ConfigurationError("the API key holds characters that no key has; copy it again")
        self._has_key = key is not None
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        # Settings of proxies in the environment are for other machines than this one.
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            trust_env=self.host not in _LOOPBACK,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    @property
    def host(self) -> str:
        """The machine that is asked."""
        return httpx.URL(self.url).host

    @property
    def shows_key(self) -> bool:
        """Whether the key travels in the clear."""
        return self._has_key and self.url.startswith("http:") and self.host not in _LOOPBACK

    def tree(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What the server answers, as plain JSON values.

        Args:
            method: of HTTP.
            path: from the root, with what stands in it quoted.
            body: sent as JSON; none if None.

        Raises:
            ModelServerError: if the server cannot be reached, fails, is busy, or answers no JSON.
            ConfigurationError: if it does not take the key, or refuses.
        """
        with self._told():
            response = self._http.request(method, path, json=None if body is None else dict(body))
            self._check(response)
        try:
            return response.json()
        except ValueError as error:
            raise ModelServerError(f"{self.url} is no server of policies: it answers no JSON") from error

    def models(self) -> list[Served]:
        """What can be asked, in the server's order.

        Raises:
            ModelServerError: if the server cannot be reached, or does not answer as one of policies does.
            ConfigurationError: if it does not take the key.
        """
        with self._told():
            response = self._http.get("/v1/models")
            self._check(response)
        try:
            rows = response.json()["data"]
            found = [_served(row) for row in rows]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelServerError(
                f"{self.url} is no server of policies: its list of models cannot be read"
            ) from error
        return [model for model in found if model.kind != "embedder"]

    def ask(
        self, model: str, messages: Sequence[Mapping[str, str]], seed: int | None = None
    ) -> Generator[str | PolicyAnswer, None, None]:
        """The pieces of an answer as they come; at the end what a policy says of it. Closing the iterator stops the server.

        Raises:
            ModelServerError: if the server fails, is busy, or breaks off.
            ConfigurationError: if it does not take the key, or refuses the question.
        """
        body: dict[str, Any] = {"model": model, "messages": list(messages), "stream": True}
        if seed is not None:
            body["seed"] = seed
        with self._told(), self._http.stream("POST", "/v1/chat/completions", json=body) as response:
            self._check(response)
            for line in response.iter_lines():
                if not line.startswith("data:"):
                    continue
                data = line.removeprefix("data:").strip()
                if data == "[DONE]":
                    return
                yield from self._pieces(data)
        raise ModelServerError(f"the answer of {self.url} broke off; ask again")

    def _pieces(self, data: str) -> Iterator[str | PolicyAnswer]:
        try:
            chunk = json.loads(data)
            if "error" in chunk:
                raise ModelServerError(f"the server failed while it answered: {chunk['error']['message']}")
            for choice in chunk["choices"]:
                if choice.get("delta", {}).get("content"):
                    yield str(choice["delta"]["content"])
            if chunk.get("concordat") is not None:
                # A stream leaves out what is null.
                blank = {"values_before": None, "values_after": None, "consistency": None}
                yield PolicyAnswer.model_validate(blank | chunk["concordat"])
        except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
            raise ModelServerError(f"{self.url} sent a piece of an answer that cannot be read") from error

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of the connection in plain words."""
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ModelServerError(
                f"no server answers at {self.url}; start one with 'concordat serve RUN', or name another one with {self._flag}"
            ) from error
        except httpx.TimeoutException as error:
            raise ModelServerError(f"{self.url} took longer than {ANSWER_S:.0f} s; ask again") from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise ModelServerError(f"the connection to {self.url} broke off ({error}); ask again") from error

    def _check(self, response: httpx.Response) -> None:
        """Raises what a status that is no success stands for."""
        if response.is_success:
            return
        response.read()
        status, said = response.status_code, _message(response)
        if status in (401, 403):
            if self._has_key:
                raise ConfigurationError(f"{self.url} does not take this API key; look at {KEY_VARIABLE}")
            raise ConfigurationError(f"{self.url} asks for an API key; set {KEY_VARIABLE} to yours")
        if status in (429, 503):
            wait = response.headers.get("Retry-After", "")
            again = f"try again in {wait} s" if wait.isdigit() else "try again in a moment"
            what = "takes no more requests of this key for now" if status == 429 else "is busy"
            raise ModelServerError(f"{self.url} {what}; {again}")
        if status in (400, 409, 413, 422):
            raise ConfigurationError(f"the server refuses the request: {said}")
        if status == 404 and said:
            raise ConfigurationError(f"{self.url}: {said}")
        if status == 404:
            raise ModelServerError(f"{self.url} is no server of policies: it knows no {response.url.path}")
        raise ModelServerError(f"{self.url} failed with status {status}: {said or 'it does not say why'}")


def _base(url: str, flag: str) -> str:
    """The address of a server as given, without ``/v1``; a bare ``host:port`` is spoken to by http."""
    given = url.strip() if "://" in url else f"http://{url.strip()}"
    try:
        parts = urlsplit(given)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(f"{flag} {url!r} is no address; give one such as {DEFAULT_URL}")
    return given.rstrip("/").removesuffix("/v1")


def _served(row: Any) -> Served:
    note = row.get("concordat") or {}
    return Served(str(row["id"]), str(note.get("kind", "model")), str(note.get("name", row["id"])))


def _message(response: httpx.Response) -> str:
    """What a server says of an error in OpenAI's form; empty if it says nothing in it."""
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return ""
