"""``concordat train``: bodies parse and call one function, which is imported when they run."""

from __future__ import annotations

import typer

from cluster import flags
from cluster import training_flags as train
from cluster.proposing.cli import train_oracle
from cluster.rewriting.detector_training import train_detector
from cluster.rewriting.training_cli import train_rewriter

train_app = typer.Typer(no_args_is_help=True, help="Train models.", rich_markup_mode="rich")
train_app.command("rewriter")(train_rewriter)
train_app.command("detector")(train_detector)
train_app.command("oracle")(train_oracle)


@train_app.command("bundle")
def _train_bundle(
    context: typer.Context,
    data: flags.TrainingData,
    work: flags.TrainingWork = None,
    out: flags.TrainingOut = None,
    size: flags.TrainingSize = None,
    tokens: flags.TrainingTokens = None,
    adapter_tokens: flags.AdapterTokens = None,
    device: flags.TrainingDevice = None,
    threads: flags.TrainingThreads = None,
    seed: flags.TrainingSeed = None,
    compile: flags.Compile = None,
    json: flags.Json = False,
) -> None:
    """Train the small model that comes with Concordat, with an adapter for each culture.

    Hours on two cores, minutes on a GPU; stopped, the same command goes on where it was.

    [bold]Example[/bold]: concordat train bundle --data published --size large --device cuda
    """
    from cluster.training import train_bundle

    given = {name: value for name, value in context.params.items() if name != "json"}
    raise typer.Exit(train_bundle(given, context.obj))


@train_app.command("voices")
def _train_voices(
    context: typer.Context,
    culture: train.CultureName,
    profiles: train.Profiles = None,
    out: train.VoicesOut = None,
    model: train.Writer = None,
    judge: train.Judge = None,
    pairs: train.Pairs = None,
    retries: train.Retries = None,
    tolerance: train.Tolerance = None,
    seed: train.Seed = None,
    serial: train.Serial = False,
    actors: train.Actors = None,
    address: train.Address = None,
    dry_run: train.DryRun = False,
    json: flags.Json = False,
) -> None:
    """Make a culture's training text from survey answers: each item's pairs are split by the answers' shares.

    A model writes an open question and an answer in the culture's voice, and a judge drops what lost the option. Every row \
names its item, option, share, model and attempt. Stopped, the same command goes on where it was.

    [bold]Example[/bold]: concordat train voices --culture confucian --profiles mine.json --model ./llama
    """
    from cluster.training import train_voices

    given = {name: value for name, value in context.params.items() if name != "json"}
    raise typer.Exit(train_voices(given, context.obj))


@train_app.command("culture")
def _train_culture(
    context: typer.Context,
    culture: train.CultureName,
    data: train.VoicesData,
    model: train.BaseModel = None,
    out: train.AdapterOut = None,
    work: train.AdapterWork = None,
    workers: train.Workers = None,
    epochs: train.Epochs = None,
    steps: train.Steps = None,
    rank: train.Rank = None,
    learning_rate: train.LearningRate = None,
    batch: train.BatchRows = None,
    device: train.Device = None,
    threads: train.Threads = None,
    seed: train.Seed = None,
    address: train.Address = None,
    dry_run: train.DryRun = False,
    json: flags.Json = False,
) -> None:
    """Train a culture's LoRA adapter on its text, with Ray Train; 'concordat negotiate --adapter' takes the result.

    Some items are held out to measure by. Learning curves go to events.jsonl and TensorBoard in the work folder. After a \
worker died, or stopped and given again, the training goes on from its last checkpoint.

    [bold]Example[/bold]: concordat train culture --culture confucian --data runs/voices/confucian --workers 2
    """
    from cluster.training import train_culture

    given = {name: value for name, value in context.params.items() if name != "json"}
    raise typer.Exit(train_culture(given, context.obj))
