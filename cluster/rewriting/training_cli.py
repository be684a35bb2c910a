"""``concordat train rewriter``: the body parses and calls one function, which is imported when it runs."""

from __future__ import annotations

import typer

from cluster import flags
from cluster import training_flags as train
from cluster.rewriting import training_flags as rewriter


def train_rewriter(
    context: typer.Context,
    data: rewriter.Data,
    config: rewriter.Config = None,
    method: rewriter.Method = None,
    model: train.BaseModel = None,
    start: rewriter.Start = None,
    steps: rewriter.Steps = None,
    budget: rewriter.Budget = None,
    group: rewriter.Group = None,
    prompts_per_step: rewriter.Prompts = None,
    max_tokens: rewriter.MaxTokens = None,
    batch: rewriter.Batch = None,
    rank: rewriter.Rank = None,
    learning_rate: rewriter.LearningRate = None,
    beta: rewriter.Beta = None,
    stale: rewriter.Stale = None,
    detector: rewriter.Detector = None,
    consistency: rewriter.Consistency = None,
    workers: rewriter.Workers = None,
    rollouts: rewriter.Rollouts = None,
    judges: rewriter.Judges = None,
    work: rewriter.Work = None,
    out: rewriter.Out = None,
    material: rewriter.MaterialFolder = None,
    device: rewriter.Device = None,
    threads: rewriter.Threads = None,
    seed: train.Seed = None,
    address: train.Address = None,
    dry_run: train.DryRun = False,
    json: flags.Json = False,
) -> None:
    """Train the rewriter's LoRA adapter, with Ray Train: it moves a text to other values and keeps its facts.

    GRPO has actors that write completions and others that reward them while the workers learn. Curves go to events.jsonl, \
TensorBoard and Ray's metrics. After a worker or an actor died, or stopped and given again, the training goes on. It ends with \
exit status 1, and the adapter kept, if the last steps had too many copies or collapses.

    [bold]Example[/bold]: concordat train rewriter --data shared --method sft --work runs/sft, then concordat train rewriter \
--data shared --start runs/sft/adapter --rollouts 2
    """
    from cluster.rewriting.training_command import run

    given = {name: value for name, value in context.params.items() if name != "json"}
    raise typer.Exit(run(given, context.obj))
