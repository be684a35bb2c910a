"""``concordat train oracle``: the body parses and calls one function, which is imported when it runs."""

from __future__ import annotations

import typer

from cluster import flags
from cluster import training_flags as train
from cluster.proposing import flags as oracle
from cluster.rewriting import training_flags as rewriter


def train_oracle(
    context: typer.Context,
    run: flags.RunArgument,
    culture: oracle.Culture,
    config: rewriter.Config = None,
    model: oracle.Model = None,
    start: oracle.Start = None,
    steps: rewriter.Steps = None,
    budget: rewriter.Budget = None,
    group: oracle.Group = None,
    prompts_per_step: oracle.Prompts = None,
    max_tokens: oracle.MaxTokens = None,
    rank: rewriter.Rank = None,
    learning_rate: oracle.LearningRate = None,
    beta: oracle.Beta = None,
    stale: oracle.Stale = None,
    refuse_copies: oracle.RefuseCopies = False,
    held_out: oracle.HeldOut = None,
    workers: rewriter.Workers = None,
    rollouts: rewriter.Rollouts = None,
    judges: rewriter.Judges = None,
    work: oracle.Work = None,
    out: oracle.Out = None,
    device: rewriter.Device = None,
    threads: rewriter.Threads = None,
    seed: train.Seed = None,
    address: train.Address = None,
    dry_run: train.DryRun = False,
    json: flags.Json = False,
) -> None:
    """Train a culture's adapter to propose what answers its opponents best, with GRPO on Ray Train.

    It learns on what the culture saw in the rounds of a finished run. The reward is the game's utility, each term normalised by \
itself; the divergence to the culture's own adapter keeps it in character. 'concordat negotiate --proposer' takes the result. \
After a worker or an actor died, or stopped and given again, the training goes on. It ends with exit status 1, and the adapter \
kept, if too many of the last candidates were copies or malformed.

    [bold]Example[/bold]: concordat train oracle runs/first --culture confucian, then concordat negotiate --cultures confucian \
latin-america --topics examples --proposer confucian=adapters/oracle/confucian
    """
    from cluster.proposing.command import run_command

    given = {name: value for name, value in context.params.items() if name != "json"}
    raise typer.Exit(run_command(given, context.obj))
