"""``concordat chat``: the body parses and calls one function, which is imported when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from cluster import flags

_Policy = Annotated[
    str | None,
    typer.Argument(
        metavar="POLICY",
        help="What is asked: the cultures of a table (english-speaking+confucian), the id of a policy, a culture (confucian), or"
        " base. Without it, what is served is listed.",
        show_default=False,
    ),
]
_Url = Annotated[
    str | None,
    typer.Option(
        "--url", metavar="URL", help="The server (default http://127.0.0.1:8000).", show_default=False
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        metavar="KEY",
        envvar="CONCORDAT_API_KEY",
        help="If the server asks for one; better set in the environment, where no list of processes shows it.",
        show_default=False,
    ),
]
_Question = Annotated[
    str | None,
    typer.Option("--question", "-q", metavar="TEXT", help="Ask this and stop.", show_default=False),
]
_Seed = Annotated[
    int | None,
    typer.Option("--seed", min=0, help="Same seed, same guideline drawn, same answer.", show_default=False),
]

CHAT_HELP = """
Ask a consensus policy, and see what the base model would have said.

A policy draws one of its guidelines, the base model answers with it in view, and the answer is moved to the policy's values. \
Both answers are shown with what changed, the guideline with its weight, and the values before and after.
"""

CHAT_EXAMPLES = """
[bold]Examples[/bold]

  concordat serve runs/first                                     (in another terminal)

  concordat chat english-speaking+confucian

One question, also from a pipe; with --json for programs:

  echo "Should everyone have to vote?" | concordat chat english-speaking+confucian --json

A server elsewhere:

  CONCORDAT_API_KEY=... concordat chat confucian --url https://policies.example
"""


def chat_command(
    context: typer.Context,
    policy: _Policy = None,
    question: _Question = None,
    url: _Url = None,
    api_key: ApiKey = None,
    seed: _Seed = None,
    json: flags.Json = False,
) -> None:
    """Ask a server's policies from the terminal; the help is in ``CHAT_HELP``."""
    from cluster.chat.session import Asked, chat

    raise typer.Exit(chat(Asked(policy, question, url, api_key or None, seed), context.obj))
