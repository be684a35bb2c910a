"""A play on a server of ``concordat serve``."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from cluster.bargaining.play import PlayAsked, chosen_side, named
from cluster.chat.client import PolicyClient
from cluster.console import Output
from cluster.serving.bargaining_schema import PlayReply
from cluster.serving.schema import PolicyList
from negotiation.errors import ConfigurationError, ModelServerError, RunError

Answer = TypeVar("Answer", bound=BaseModel)


class RemoteTable:
    """A play on a server, which deals the types and moves the others.

    Args:
        client: of the server.
        policy: id of the policy.
        side: that the person speaks for.

    Raises:
        ModelServerError: if the server fails or does not answer.
        ConfigurationError: if it refuses.
    """

    def __init__(self, client: PolicyClient, policy: str, side: str) -> None:
        self._client = client
        path = f"/v1/policies/{quote(policy, safe='')}/bargain"
        self._view = _read(PlayReply, client.tree("POST", path, {"side": side}), client)

    def view(self) -> PlayReply:
        """As the server last told it."""
        return self._view

    def move(self, action: int) -> PlayReply:
        """Make the person's move.

        Raises:
            ModelServerError: if the server fails or does not answer.
            ConfigurationError: if it refuses the move, or has given up the play.
        """
        path = f"/v1/bargain/{quote(self._view.id, safe='')}"
        body = {"action": action, "after": len(self._view.said)}
        self._view = _read(PlayReply, self._client.tree("POST", path, body), self._client)
        return self._view


def remote_table(asked: PlayAsked, stack: ExitStack, output: Output) -> RemoteTable:
    """The play that is asked for; the connection is closed with the stack.

    Raises:
        RunError: if the server has no bargaining policies.
        ConfigurationError: if the negotiation or the side is not there, or flags do not go together.
        ModelServerError: if the server fails or does not answer.
    """
    assert asked.server is not None
    if asked.seed is not None:
        raise ConfigurationError(
            "--seed and --server do not go together: a server draws by itself, so that nobody can know the others' types"
        )
    if asked.place is not None and asked.negotiation is not None:
        raise ConfigurationError(
            f"{asked.place} and --negotiation {asked.negotiation} both name a negotiation; give one"
        )
    client = stack.enter_context(PolicyClient(asked.server, asked.key, flag="--server"))
    if client.shows_key:
        output.side_console.print(
            f"The API key goes to {client.host} unencrypted; use https.", style="yellow"
        )
    rows = _read(PolicyList, client.tree("GET", "/v1/policies"), client).data
    players = {row.id: tuple(row.cultures) for row in rows if row.bargaining}
    if not players:
        raise RunError(
            f"{client.url} serves no bargaining policies; run 'concordat bargain' on the run that it serves"
        )
    policy = named(list(players), asked.place or asked.negotiation)
    return RemoteTable(client, policy, chosen_side(players[policy], asked.side))


def _read(kind: type[Answer], tree: Any, client: PolicyClient) -> Answer:
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise ModelServerError(
            f"{client.url} answered in a form that is not known here; is it as new?"
        ) from error
