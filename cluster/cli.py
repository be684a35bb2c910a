"""The command ``concordat``: bodies parse and call one function, which is imported when they run."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

import typer

from cluster import __version__, flags
from cluster.arguments import settings_of_flags, spread_values
from cluster.bargaining.cli import bargain_command, play_command
from cluster.chat.cli import CHAT_EXAMPLES, CHAT_HELP, chat_command
from cluster.comparison.export_cli import export_command
from cluster.comparison.sweep_cli import sweep_command
from cluster.console import INTERRUPTED, MISUSED, OK, Output, status_of
from cluster.dashboard.cli import dashboard_command
from cluster.evaluation_cli import evaluate_app
from cluster.jobs.cli import jobs_app, submit_command
from cluster.replay.cli import replay_command
from cluster.rewriting.rewrite_cli import REWRITE_EXAMPLES, REWRITE_HELP, rewrite
from cluster.rewriting.values_cli import VALUES_EXAMPLES, VALUES_HELP, values
from cluster.serving.cli import SERVE_EXAMPLES, SERVE_HELP, serve_command, serve_key_command
from cluster.status.cli import status_command
from cluster.training_cli import train_app
from negotiation.errors import ConcordatError

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What the parser raises for flags that it does not know; not exported by typer under a name of its own."""

app = typer.Typer(
    name="concordat",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Negotiations between cultural agents, solved as games.",
    epilog="Exit status: 0 done; 1 a negotiation failed; 2 wrong settings or run folder; 130 Ctrl-C.",
)
culture_app = typer.Typer(
    no_args_is_help=True, help="The cultures that can negotiate.", rich_markup_mode="rich"
)
NEGOTIATING, COMPARING, USING = "Negotiate", "Compare", "Use what was agreed"
LEARNING, ON_CLUSTERS = "Cultures and models", "On a cluster"
"""Panels of the list of commands."""

app.add_typer(culture_app, name="culture", rich_help_panel=LEARNING)
app.add_typer(train_app, name="train", rich_help_panel=LEARNING)
app.add_typer(evaluate_app, name="evaluate", rich_help_panel=COMPARING)
app.add_typer(jobs_app, name="jobs", rich_help_panel=ON_CLUSTERS)

NEGOTIATE_HELP = """
Let cultures negotiate questions to an equilibrium, and write a report.

Each culture is a language model. It states its position, proposes guidelines and answers those of the \
others; the guidelines form a game, which is solved every round, until nobody gains by a new one. \
Everything is kept in the run folder.
"""

NEGOTIATE_EXAMPLES = """
[bold]Examples[/bold]

Two cultures, one question, the model that comes with Concordat:

  concordat negotiate --cultures english-speaking confucian --topic "Should voting be a duty?"

The thirty questions that come with it; after Ctrl-C, add --resume:

  concordat negotiate --cultures confucian latin-america --topics examples --out runs/first

Your own model and adapter; first see what would be done:

  concordat negotiate --config mine.yaml --model ./llama --adapter confucian=./lora --dry-run

The game and the methods it is compared with, from the same first statements:

  concordat negotiate --cultures confucian latin-america --topics examples --method all

A model server:

  concordat negotiate --config mine.yaml --model openai:llama@http://localhost:8000/v1

Every setting has its place in the file of --config; environment variables such as \
CONCORDAT_GAME__ALPHA=0.7 go over the file, and flags over both. --dry-run shows all of them.
"""


@app.callback(invoke_without_command=True)
def _root(version: flags.Version = False) -> None:
    if version:
        typer.echo(f"concordat {__version__}")
        raise typer.Exit(OK)


@app.command("negotiate", rich_help_panel=NEGOTIATING, help=NEGOTIATE_HELP, epilog=NEGOTIATE_EXAMPLES)
def _negotiate(
    context: typer.Context,
    cultures: flags.Cultures = None,
    pairs: flags.Pairs = None,
    topic: flags.TopicTexts = None,
    topics: flags.TopicsFile = None,
    method: flags.Methods = None,
    model: flags.Model = None,
    adapter: flags.Adapters = None,
    proposer: flags.Proposers = None,
    proposing: flags.ProposingWay = None,
    embedder: flags.Embedder = None,
    profiles: flags.ShownProfiles = None,
    seed: flags.Seed = None,
    seeds: flags.Seeds = None,
    solver: flags.Solver = None,
    alpha: flags.Alpha = None,
    beta: flags.Beta = None,
    gamma: flags.Gamma = None,
    epsilon: flags.Epsilon = None,
    rounds: flags.Rounds = None,
    config: flags.ConfigFile = None,
    out: flags.Out = None,
    resume: flags.Resume = False,
    retry_quarantined: flags.RetryQuarantined = False,
    dry_run: flags.DryRun = False,
    serial: flags.Serial = False,
    concurrency: flags.Concurrency = None,
    address: flags.Address = None,
    dashboard: flags.Dashboard = False,
    json: flags.Json = False,
) -> None:
    from cluster.commands import Way, negotiate

    way = Way(config, resume, dry_run, serial, address, dashboard, retry_quarantined)
    raise typer.Exit(negotiate(settings_of_flags(context.params), way, context.obj))


app.command("status", rich_help_panel=NEGOTIATING)(status_command)


@app.command("report", rich_help_panel=NEGOTIATING)
def _report(
    context: typer.Context,
    run: flags.RunArgument,
    json: flags.Json = False,
) -> None:
    """Write a run's report.html anew, e.g. after an interruption.

    [bold]Example[/bold]: concordat report runs/first
    """
    from cluster.commands import report

    raise typer.Exit(report(run, context.obj))


app.command("bargain", rich_help_panel=NEGOTIATING)(bargain_command)
app.command("play", rich_help_panel=NEGOTIATING)(play_command)
app.command("sweep", rich_help_panel=COMPARING)(sweep_command)
app.command("replay", rich_help_panel=COMPARING)(replay_command)
app.command("values", rich_help_panel=USING, help=VALUES_HELP, epilog=VALUES_EXAMPLES)(values)
app.command("rewrite", rich_help_panel=USING, help=REWRITE_HELP, epilog=REWRITE_EXAMPLES)(rewrite)
app.command("export", rich_help_panel=USING)(export_command)
app.command("serve", rich_help_panel=USING, help=SERVE_HELP, epilog=SERVE_EXAMPLES)(serve_command)
app.command("serve-key", rich_help_panel=USING)(serve_key_command)
app.command("chat", rich_help_panel=USING, help=CHAT_HELP, epilog=CHAT_EXAMPLES)(chat_command)
app.command("submit", rich_help_panel=ON_CLUSTERS)(submit_command)
app.command("dashboard", rich_help_panel=ON_CLUSTERS)(dashboard_command)


@culture_app.command("list")
def _culture_list(context: typer.Context, json: flags.Json = False) -> None:
    """Name the cultures, with their descriptions and countries."""
    from cluster.commands import list_cultures

    raise typer.Exit(list_cultures(context.obj))


@culture_app.command("show")
def _culture_show(
    context: typer.Context,
    names: flags.CultureNames,
    out: flags.PictureOut = None,
    profiles: flags.Profiles = None,
    json: flags.Json = False,
) -> None:
    """Show what surveys found about cultures: their values, their place on the map, and the sources.

    The standard errors of regions are those between their countries.

    [bold]Example[/bold]: concordat culture show confucian protestant-europe --out values.png
    """
    from cluster.culture.commands import show

    raise typer.Exit(show(names, out, profiles, context.obj))


@culture_app.command("map")
def _culture_map(
    context: typer.Context,
    out: flags.PictureOut = None,
    profiles: flags.Profiles = None,
    json: flags.Json = False,
) -> None:
    """Show the Inglehart-Welzel map: where regions and countries lie between four kinds of values.

    [bold]Example[/bold]: concordat culture map --out map.html
    """
    from cluster.culture.commands import show_map

    raise typer.Exit(show_map(out, profiles, context.obj))


@culture_app.command("profile")
def _culture_profile(
    context: typer.Context,
    survey: flags.SurveyFile,
    out: flags.ProfilesOut,
    countries: flags.Countries = None,
    unweighted: flags.Unweighted = False,
    vsm_constants: flags.VsmConstants = None,
    json: flags.Json = False,
) -> None:
    """Read a survey file of your own to profiles of its countries and of the regions.

    Takes WVS wave 7 and 6, the EVS/WVS joint and time-series files (CSV or SPSS), VSM 2013 answers, and GlobalOpinionQA.

    [bold]Example[/bold]: concordat culture profile WVS_Wave_7.csv --out profiles.json
    """
    from cluster.culture.profiling import profile

    raise typer.Exit(profile(survey, out, countries or [], not unweighted, vsm_constants or [], context.obj))


def run_command(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit status.

    Errors become one message on standard error (with --json also an object on standard output).
    """
    spread = spread_values(arguments)
    own = spread[: spread.index("--")] if "--" in spread else spread  # what follows is another program's
    with Output(as_json="--json" in own) as output:
        try:
            status = int(app(spread, prog_name="concordat", standalone_mode=False, obj=output) or OK)
            if status == INTERRUPTED and output.awaits_result:  # the parser takes Ctrl-C for itself
                return output.error("Interrupted", "stopped", INTERRUPTED)
            return status
        except UsageError as error:
            message = getattr(error, "format_message", error.__str__)()
            return output.error("UsageError", f"{message} (see 'concordat --help')", MISUSED)
        except ConcordatError as error:
            return output.error(type(error).__name__, str(error), status_of(error))
        except KeyboardInterrupt:
            return output.error("Interrupted", "stopped", INTERRUPTED)


def _interrupt(signum: int, frame: FrameType | None) -> Any:
    raise KeyboardInterrupt


def run_as_program(arguments: Sequence[str]) -> int:
    """Run one command line as a program that may be asked to stop; returns the exit status."""
    signal.signal(signal.SIGTERM, _interrupt)  # a stop request from a batch system is as good as Ctrl-C
    return run_command(arguments)


def leave(status: int) -> NoReturn:
    """End the process."""
    if status == INTERRUPTED:
        # A thread may still compute a batch that nobody waits for; a normal exit would wait for it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def main() -> None:
    """Entry point of the console script."""
    leave(run_as_program(sys.argv[1:]))


if __name__ == "__main__":
    main()
