"""The making of a culture's training text: whose answers, which models, chunk after chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agents.cultures import get_culture
from agents.models.config import ModelConfig, OpenAIConfig, TransformersConfig, load_model
from agents.models.protocol import LanguageModel
from agents.survey.codebook import load_items
from agents.survey.profile import CultureProfile, load_profiles
from agents.voices.config import TemplateConfig, VoicesConfig
from agents.voices.judge import Judge, ModelJudge, NoJudge
from agents.voices.production import VoiceMaker
from agents.voices.prompts import VoicePrompts
from agents.voices.rows import Answered
from agents.voices.slices import SlicedModel
from agents.voices.storage import VoicesFolder, VoicesSummary
from agents.voices.writers import ModelWriter, TemplateWriter, Writer
from cluster.runfolder import hold
from negotiation.errors import CultureError

Told = Callable[[VoicesSummary, int], None]
"""Called after each chunk with the counts so far and the number of items in all."""


@dataclass(frozen=True, slots=True)
class VoicesJob:
    """What ``concordat train voices`` is to make, and how to go about it.

    Attributes:
        culture: id of the culture.
        answered: its answers, in the codebook's order.
        out: folder of the text.
        config: how the text is made.
        serial: in this process, without Ray; the text is the same.
        actors: Ray actors that hold the model; None: one a GPU, else one.
        address: of a running Ray cluster; None for a local one.
    """

    culture: str
    answered: tuple[Answered, ...]
    out: Path
    config: VoicesConfig
    serial: bool = False
    actors: int | None = None
    address: str | None = None


def answers_of(culture: str, profiles: Path | None) -> tuple[str, tuple[Answered, ...]]:
    """The culture's id, and what its people answered to the codebook's items, in the codebook's order.

    Args:
        culture: id or name of a region.
        profiles: a file of profiles; the shipped ones if None.

    Raises:
        CultureError: if the culture has no profile, or its profile no answers to items of the codebook.
    """
    from agents.survey.shipped import shipped_profiles

    found = get_culture(culture).id
    known = shipped_profiles() if profiles is None else load_profiles(profiles)
    where = "the shipped profiles" if profiles is None else f"profiles {profiles}"
    if found not in known:
        raise CultureError(f"{where}: nothing of {found!r}; there are {', '.join(sorted(known)) or 'none'}")
    answered = _answered(known[found])
    if not answered:
        raise CultureError(
            f"{where}: {found!r} has no answers to items of the codebook; make profiles from survey files, which"
            " hold them, and give them with --profiles"
        )
    return found, answered


def _answered(profile: CultureProfile) -> tuple[Answered, ...]:
    return tuple(
        Answered(item, profile.answers[item.id]) for item in load_items() if item.id in profile.answers
    )


def make_voices(job: VoicesJob, told: Told = lambda summary, items: None) -> VoicesSummary:
    """Make whatever chunks the folder lacks.

    Raises:
        RunInUseError: if another process is making text in the folder.
        RunError: if the folder is of other text or cannot be written, or actors were lost.
        ModelError: if a model cannot be loaded as configured, or a prompt does not fit it.
        ModelServerError: if a model is out of reach.
    """
    prompts = VoicePrompts.load()
    # Before the lock, which would put a file into a folder of something else.
    folder = VoicesFolder(job.out, job.culture, job.answered, job.config, prompts)
    with hold(job.out, "--out"):
        if folder.pending:
            with _voices(job, prompts) as (writer, judge):
                maker = VoiceMaker(job.culture, writer, judge, job.config, prompts)
                for number in folder.pending:
                    folder.write(number, maker.make(folder.chunks[number]))
                    told(folder.summary(), len(job.answered))
        return folder.summary()


@contextmanager
def _voices(job: VoicesJob, prompts: VoicePrompts) -> Iterator[tuple[Writer, Judge]]:
    """Who writes and who judges, with their models loaded once."""
    writing, judging = job.config.model, job.config.judging
    kinds: list[ModelConfig] = [] if isinstance(writing, TemplateConfig) else [writing]
    if judging is not None and judging not in kinds:
        kinds.append(judging)
    with _models(job, kinds) as models:
        by_kind = list(zip(kinds, models, strict=True))
        writer: Writer = TemplateWriter(prompts)
        if not isinstance(writing, TemplateConfig):
            writer = ModelWriter(models[0], get_culture(job.culture), prompts, job.config)
        judge: Judge = NoJudge()
        if judging is not None:
            judge = ModelJudge(next(model for kind, model in by_kind if kind == judging), prompts)
        yield writer, judge


@contextmanager
def _models(job: VoicesJob, kinds: Sequence[ModelConfig]) -> Iterator[list[LanguageModel]]:
    """The models: in this process, or each in Ray actors."""
    if not kinds:
        yield []
        return
    if job.serial:
        with ExitStack() as stack:
            loaded = [load_model(_ready(kind)) for kind in kinds]
            for model in loaded:
                if hasattr(model, "close"):
                    stack.callback(model.close)
            yield [SlicedModel(model) for model in loaded]
        return
    from cluster.ray_environment import prepare_ray

    prepare_ray(job.address)
    from cluster.voices import actor_models

    with actor_models([_ready(kind) for kind in kinds], job.actors, job.address) as pools:
        yield pools


def _ready(config: ModelConfig) -> ModelConfig:
    """With one thread, as an actor has, and a local folder in full, since an actor may have another working directory."""
    if isinstance(config, OpenAIConfig):
        return config
    threads = {} if config.num_threads is not None else {"num_threads": 1}
    if isinstance(config, TransformersConfig) and Path(config.path).expanduser().is_dir():
        return config.model_copy(update={"path": str(Path(config.path).expanduser().resolve()), **threads})
    return config.model_copy(update=threads)
