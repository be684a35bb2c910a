"""``concordat serve`` and ``concordat serve-key``: the bodies parse and call one function, which is imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cluster import flags

_WHAT, _WHERE, _WHO = "What is served", "Where", "Who may ask"

SERVE_HELP = """
Serve a run's consensus policies: behind the API that OpenAI's clients speak, and as a page.

A model is a policy (consensus/ID), a table of cultures (consensus/A+B), a culture (culture/ID) or the base model (base). A \
policy's answer is the base model's, written with one of its guidelines in view and then moved to its values by the rewriter.

What 'concordat bargain' found on the run is served too: on the page, and for 'concordat play --server'.
"""

SERVE_EXAMPLES = """
[bold]Examples[/bold]

  concordat serve runs/first

On other machines' networks keys are needed; make one first:

  concordat serve-key alice >> keys.txt
  concordat serve runs/first --host 0.0.0.0 --api-keys keys.txt

Another base model, settings from a file:

  concordat serve runs/first --model Qwen/Qwen3-4B --config serve.yaml
"""

_Policies = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        metavar="ID",
        help="Serve only this negotiation's policy; repeat for more.",
        rich_help_panel=_WHAT,
    ),
]
_Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="The base model: 'bundled' (default), a folder, a hub name, vllm:NAME, or openai:NAME@URL.",
        rich_help_panel=_WHAT,
    ),
]
_Config = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="Settings in YAML; flags go over them.", rich_help_panel=_WHAT
    ),
]
_NoPage = Annotated[bool, typer.Option("--no-page", help="Serve the API alone.", rich_help_panel=_WHAT)]
_Host = Annotated[
    str,
    typer.Option(
        "--host", help="Address to listen at; others than this machine's need keys.", rich_help_panel=_WHERE
    ),
]
_Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port.", rich_help_panel=_WHERE)]
_Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="A running Ray cluster to serve from (default: a local one).",
        rich_help_panel=_WHERE,
    ),
]
_Keys = Annotated[
    Path | None,
    typer.Option(
        "--api-keys",
        metavar="FILE",
        help="API keys, as 'concordat serve-key' writes them; also taken from CONCORDAT_SERVE_KEYS.",
        rich_help_panel=_WHO,
    ),
]
_Open = Annotated[
    bool, typer.Option("--open", help="Let everybody in who reaches the address.", rich_help_panel=_WHO)
]
_Cors = Annotated[
    list[str] | None,
    typer.Option(
        "--cors",
        metavar="ORIGIN",
        help="Let pages of this origin call the API; repeat for more (default: none).",
        rich_help_panel=_WHO,
    ),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the settings; serve nothing.")]


def serve_command(
    context: typer.Context,
    run: flags.RunArgument,
    policy: _Policies = None,
    model: _Model = None,
    config: _Config = None,
    no_page: _NoPage = False,
    host: _Host = "127.0.0.1",
    port: _Port = 8000,
    address: _Address = None,
    api_keys: _Keys = None,
    open: _Open = False,
    cors: _Cors = None,
    dry_run: _DryRun = False,
    json: flags.Json = False,
) -> None:
    """The command ``concordat serve``."""
    from cluster.serving.command import Place, serve_config, serve_run

    given = {
        "run": run,
        "policies": policy,
        "model": model,
        "page": False if no_page else None,
        "api_keys": api_keys,
        "cors": cors,
    }
    place = Place(host, port, address, open)
    raise typer.Exit(serve_run(serve_config(given, config), place, dry_run, context.obj))


def serve_key_command(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is; logs say this name.")],
    json: flags.Json = False,
) -> None:
    """Make an API key: the line for the file of keys on standard output, the key itself on standard error, once.

    [bold]Example[/bold]: concordat serve-key alice >> keys.txt
    """
    from cluster.serving.command import new_key

    raise typer.Exit(new_key(name, context.obj))
