"""One chat: where questions come from, and what is done with answers."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.chat.client import DEFAULT_URL, PolicyClient, Served, find_model
from cluster.chat.show import Exchange, models_table, plain, show_exchange
from cluster.console import OK, Output
from negotiation.errors import ConfigurationError, ModelServerError

if TYPE_CHECKING:
    from rich.console import Console


QUIT, AFRESH = "/quit", "/new"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says.

    Attributes:
        policy: name of what is asked; None to list what there is.
        question: the one question; None to take it from standard input.
        url: of the server.
        key: API key.
        seed: of answers.
    """

    policy: str | None
    question: str | None = None
    url: str | None = None
    key: str | None = None
    seed: int | None = None


def chat(asked: Asked, output: Output) -> int:
    """List what is served, answer one question, or talk until the user has enough.

    Raises:
        ConfigurationError: if the policy is unknown, or there is no question.
        ModelServerError: if the server does not answer.
    """
    if asked.policy is not None:
        _check_no_folder(asked.policy)
    with PolicyClient(asked.url or DEFAULT_URL, asked.key) as client:
        if client.shows_key:
            output.side_console.print(
                f"The API key goes to {client.host} unencrypted; use https.", style="yellow"
            )
        served = client.models()
        if asked.policy is None:
            return _list(served, output)
        model = find_model(asked.policy, served)
        question = _question(asked, output)
        if question is None:
            return _talk(client, model, asked.seed, output.table_console)
        exchange = _ask(
            client, model, [_said("user", question)], asked.seed, output.table_console, not output.as_json
        )
        if output.as_json:
            output.result(tree(exchange))
        else:
            show_exchange(output.table_console, exchange)
        return OK


def tree(exchange: Exchange) -> dict[str, Any]:
    """An answer as a JSON object."""
    note = exchange.note
    return {
        "model": exchange.model,
        "question": exchange.question,
        "answer": exchange.text,
        "concordat": None if note is None else note.model_dump(mode="json"),
    }


def _check_no_folder(name: str) -> None:
    folder = Path(name)
    if (folder / "policies").is_dir() or (folder / "config.yaml").is_file():
        raise ConfigurationError(
            f"{name} is a run folder; start a server with 'concordat serve {name}', then ask it: 'concordat chat' lists what it"
            " serves"
        )


def _list(served: list[Served], output: Output) -> int:
    if output.as_json:
        output.result({"models": [asdict(model) for model in served]})
    else:
        output.table_console.print(models_table(served))
    return OK


def _question(asked: Asked, output: Output) -> str | None:
    """The one question; None if a person is to be asked for them."""
    if asked.question is not None:
        question, source = asked.question, "--question"
    elif sys.stdin.isatty():
        if output.as_json:
            raise ConfigurationError("--json answers one question: give it with --question, or pipe it in")
        return None
    else:
        question, source = sys.stdin.read(), "standard input"
    if not question.strip():
        raise ConfigurationError(f"{source} holds no question; write one")
    return question.strip()


def _said(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def _ask(
    client: PolicyClient,
    model: Served,
    messages: list[dict[str, str]],
    seed: int | None,
    console: Console,
    shown: bool = True,
) -> Exchange:
    """One answer; while it comes, a terminal shows what there is of it."""
    from rich.live import Live
    from rich.text import Text

    text, note = "", None
    pieces = client.ask(model.id, messages, seed)
    live = (
        Live(Text("…", style="dim"), console=console, transient=True)
        if shown and console.is_terminal
        else None
    )
    try:
        if live is not None:
            live.start()
        for piece in pieces:
            if not isinstance(piece, str):
                note = piece
                continue
            text += piece
            if live is not None:
                live.update(Text(plain(text.lstrip())))
    finally:
        if live is not None:
            live.stop()
        pieces.close()  # leaves the server, which stops then
    return Exchange(model.id, messages[-1]["content"], text, note)


def _talk(client: PolicyClient, model: Served, seed: int | None, console: Console) -> int:
    """Questions and answers, until the end of the input."""
    from rich.text import Text

    _edit_lines()
    console.print(Text.assemble((plain(model.name), "bold"), (f"  {model.id} at {client.url}", "dim")))
    console.print(
        Text(f"An empty line is passed over; {AFRESH} begins again, {QUIT} or Ctrl-D ends.\n", style="dim")
    )
    messages: list[dict[str, str]] = []
    while True:
        try:
            question = console.input(Text("you> ", style="bold cyan")).strip()
        except EOFError:
            console.print()
            return OK
        if question == QUIT:
            return OK
        if question == AFRESH:
            messages = []
            continue
        if not question:
            continue
        messages.append(_said("user", question))
        exchange = _one_of_many(client, model, messages, seed, console)
        if exchange is None:
            messages.pop()
        else:
            messages.append(_said("assistant", exchange.text))
            show_exchange(console, exchange)
            console.print()


def _one_of_many(
    client: PolicyClient, model: Served, messages: list[dict[str, str]], seed: int | None, console: Console
) -> Exchange | None:
    """An answer; None if it failed or was stopped, and the user has been told."""
    from rich.text import Text

    try:
        return _ask(client, model, messages, seed, console)
    except (ModelServerError, ConfigurationError) as error:
        console.print(Text(f"{plain(str(error))}\n", style="red"))
    except KeyboardInterrupt:
        console.print(Text("Stopped.\n", style="dim"))
    return None


def _edit_lines() -> None:
    """Arrow keys and earlier questions at the prompt, where Python has them."""
    try:
        import readline  # noqa: F401 - its import is what it does
    except ImportError:
        return
