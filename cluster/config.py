"""The configuration of a run: one tree, saved with the run as it was resolved."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agents.asking import SpeakingConfig
from agents.baselines.config import BaselinesConfig
from agents.culture_agent import Proposing
from agents.cultures import check_cultures, get_culture, load_cultures
from agents.grounding import Grounding, GroundingConfig
from agents.models.config import BundledConfig, ModelConfig, parse_model_argument
from agents.topics import EXAMPLE_TOPICS, load_topics, topic_from_text
from cluster.runfolder import BASELINE_SETTINGS, FREE_ON_RESUME
from cluster.settings import merge, read_environment, read_yaml, validate
from negotiation.config import GameConfig
from negotiation.errors import ConcordatError, ConfigurationError
from negotiation.outcome import METHODS, Method
from negotiation.topic import Topic

ALL_METHODS = "all"
"""In place of a list of methods: all of them."""

EXAMPLES = "examples"
"""In place of a topics file: the topics that come with Concordat."""


ALL_PAIRS = "all"
"""In place of tables: one for each pair of the cultures."""

SEVERAL = ("pairs", "tables", "seeds")
"""Settings that only runs of several tables or seeds have; the others are saved and hashed without them."""

LEARNED = ("proposers", "proposing")
"""Settings that only runs with learned oracles have; the others are saved and hashed without them."""


class TopicConfig(BaseModel):
    """A question."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(description="unique in the run; seeds and file names derive from it")
    text: str = Field(description="the question")
    category: str = Field("uncategorised", description="to group results by")

    def topic(self) -> Topic:
        """As the game knows it; raises ``TopicError`` if it is empty or too long."""
        return Topic(self.id, self.text, self.category)


class ResourcesConfig(BaseModel):
    """What actors get; says nothing about results."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    actor_cpus: float | None = Field(
        None,
        gt=0,
        le=1024,
        description="CPUs of an actor; none: an equal part of what the cluster has, at most 1",
    )
    actor_gpus: float | None = Field(
        None,
        ge=0,
        le=64,
        description="GPUs of a culture's actor; none: an equal part of what there is, 0 without GPU",
    )
    threads: int = Field(
        1, ge=1, le=256, description="threads that a model's arithmetic uses, in an actor and with --serial"
    )
    actors: Literal["per-culture", "shared"] = Field(
        "per-culture",
        description="per-culture: an actor has one culture's adapter; shared: it has all of them over one base model, mixed in"
        " a batch",
    )
    replicas: int = Field(
        1,
        ge=1,
        le=4096,
        description="actors of each culture, or shared ones; a batch goes to one that is free",
    )
    lanes: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="groups of negotiations that take their steps together, each apart from the others, so that replicas need"
        " not wait for each other; none: 1 for one replica, else 4 a replica, at most one a negotiation",
    )
    placement: Literal["spread", "group-spread", "group-pack"] = Field(
        "spread",
        description="spread: each actor on the node with the fewest; group-*: places for all at once or none, on many nodes or"
        " few",
    )
    embedders: int = Field(
        2,
        ge=1,
        le=64,
        description="embedder actors; they share a batch's texts, each text is embedded by itself",
    )
    cluster_cpus: int | None = Field(
        None, ge=1, description="CPUs of a local Ray cluster; none: those of the machine"
    )
    object_store_bytes: int = Field(
        150_000_000,
        ge=80_000_000,
        description="object store of a local Ray cluster, bytes; batches of text are small",
    )
    start_timeout_s: float = Field(
        600.0, gt=0, description="how long actors may take to load their models, seconds"
    )
    restarts: int = Field(
        3, ge=0, description="how often a batch is repeated whose actor was lost; the actor is started again"
    )
    call_timeout_s: float = Field(
        3600.0,
        gt=0,
        description="how long an actor may take for a batch until it is killed and started again, seconds",
    )
    tries: int = Field(
        3,
        ge=1,
        description="how often a negotiation that fails is tried, all sessions together, until it is quarantined",
    )

    def lanes_of(self, concurrency: int) -> int:
        """How many groups take their steps apart from each other.

        >>> ResourcesConfig().lanes_of(32), ResourcesConfig(replicas=4).lanes_of(32), ResourcesConfig(replicas=4).lanes_of(5)
        (1, 16, 5)
        """
        wanted = self.lanes or (1 if self.replicas == 1 else 4 * self.replicas)
        return min(wanted, concurrency)


class RunConfig(BaseModel):
    """Everything that a run of negotiations depends on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cultures: tuple[str, ...] = Field(description="who negotiates: two or more culture ids, in player order")
    pairs: Literal["all"] | None = Field(
        None,
        description="'all': a table for each pair of the cultures, and of all cultures if none are named; none: one table of"
        " all of them",
    )
    tables: tuple[tuple[str, ...], ...] | None = Field(
        None,
        min_length=1,
        description="several tables, each a list of culture ids in player order or a text A+B; in place of cultures and pairs",
    )
    topics: tuple[TopicConfig, ...] = Field(
        description="what about: a list, a file (YAML, JSONL, CSV), or 'examples'", min_length=1
    )
    methods: tuple[Method, ...] = Field(
        ("psro",),
        min_length=1,
        description="how a consensus is sought, side by side from the same first statements: psro (the game),"
        " debate, consultancy, mediator, or 'all'",
    )
    model: ModelConfig = Field(
        default_factory=BundledConfig,
        description="the language model: settings by kind, or a text as --model takes it",
    )
    adapters: dict[str, str] = Field(
        default_factory=dict,
        description="LoRA adapter folder of each culture that has another than the model's own",
    )
    proposers: dict[str, str] = Field(
        default_factory=dict,
        description="LoRA adapter folder of each culture's learned oracle, which writes its candidates; 'concordat train oracle'"
        " makes it",
    )
    proposing: Proposing = Field(
        "replace",
        description="replace: learned oracles write all candidates of their cultures; join: about half of each kind, and the"
        " cultures' own adapters the others",
    )
    embedder: str = Field(
        "minilm", min_length=1, description="'minilm', or a sentence-transformers model by name or folder"
    )
    prompts: str | None = Field(
        None, description="a prompt set in YAML; none: the one for instruction models"
    )
    grounding: GroundingConfig = Field(
        GroundingConfig(), description="which survey answers agents are shown in their prompts"
    )
    game: GameConfig = Field(
        default_factory=GameConfig, description="utility, solver, thresholds, round limit"
    )
    baselines: BaselinesConfig = Field(
        BaselinesConfig(), description="the methods that the game is compared with"
    )
    speaking: SpeakingConfig = Field(SpeakingConfig(), description="sampling, lengths, retries")
    seed: int = Field(0, ge=0, lt=2**63, description="same seed, same negotiations")
    seeds: tuple[int, ...] | None = Field(
        None,
        min_length=1,
        description="several seeds, all of them for every table and topic; in place of seed",
    )
    concurrency: int = Field(
        32, ge=1, le=10_000, description="negotiations at once; their model calls share batches"
    )
    resources: ResourcesConfig = Field(ResourcesConfig(), description="what actors get")
    out: str | None = Field(
        None,
        description="the run folder, or a URI for its records, e.g. s3://bucket/run; none: runs/<date>-<hash>",
    )

    @model_validator(mode="before")
    @classmethod
    def _spell_tables(cls, tree: Any) -> Any:
        return _with_tables(tree) if isinstance(tree, dict) else tree

    @model_validator(mode="after")
    def _someone_joins(self) -> Self:
        if self.proposing == "join" and not self.proposers:
            raise ValueError("proposing is join, but no culture has a proposer; give --proposer CULTURE=PATH")
        return self

    @field_validator("seeds", mode="after")
    @classmethod
    def _different_seeds(cls, seeds: tuple[int, ...] | None) -> tuple[int, ...] | None:
        for seed in seeds or ():
            if not 0 <= seed < 2**63:
                raise ValueError(f"seed {seed} must be from 0 to 2^63 - 1")
        if seeds is not None and len(set(seeds)) < len(seeds):
            raise ValueError("a seed is given twice; name each once")
        return seeds

    @field_validator("tables", mode="after")
    @classmethod
    def _known_tables(cls, tables: tuple[tuple[str, ...], ...] | None) -> tuple[tuple[str, ...], ...] | None:
        if tables is None:
            return None
        known = tuple(tuple(culture.id for culture in check_cultures(table)) for table in tables)
        if len(set(known)) < len(known):
            raise ValueError("a table is given twice; name each once")
        return known

    @field_validator("cultures", mode="after")
    @classmethod
    def _known_cultures(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(culture.id for culture in check_cultures(names))

    @field_validator("methods", mode="before")
    @classmethod
    def _spell_methods(cls, value: Any) -> Any:
        named = [value] if isinstance(value, str) else value
        return METHODS if isinstance(named, (list, tuple)) and ALL_METHODS in named else named

    @field_validator("methods", mode="after")
    @classmethod
    def _order_methods(cls, named: tuple[Method, ...]) -> tuple[Method, ...]:
        return tuple(method for method in METHODS if method in named)

    @field_validator("topics", mode="before")
    @classmethod
    def _read_topics(cls, value: Any) -> Any:
        if isinstance(value, str):
            topics = load_topics(EXAMPLE_TOPICS if value == EXAMPLES else Path(value))
            return [TopicConfig(id=topic.id, text=topic.text, category=topic.category) for topic in topics]
        if isinstance(value, list):
            return [_topic_of_text(item) if isinstance(item, str) else item for item in value]
        return value

    @field_validator("model", mode="before")
    @classmethod
    def _read_model(cls, value: Any) -> Any:
        return parse_model_argument(value) if isinstance(value, str) else value

    @field_validator("adapters", "proposers", mode="after")
    @classmethod
    def _known_adapters(cls, adapters: dict[str, str]) -> dict[str, str]:
        return {get_culture(name).id: path for name, path in adapters.items()}

    def plan_topics(self) -> tuple[Topic, ...]:
        """The questions, checked."""
        return tuple(topic.topic() for topic in self.topics)

    def plan_tables(self) -> tuple[tuple[str, ...], ...]:
        """(T,) who sits at each table, in player order."""
        if self.tables is not None:
            return self.tables
        return tuple(combinations(self.cultures, 2)) if self.pairs == ALL_PAIRS else (self.cultures,)

    def plan_seeds(self) -> tuple[int, ...]:
        """(S,) the seeds."""
        return (self.seed,) if self.seeds is None else self.seeds

    def grounds(self) -> Grounding | None:
        """What its agents are shown of their people; errors as in ``Grounding.load``."""
        return Grounding.load(self.grounding, self.cultures)

    def tree(self) -> dict[str, Any]:
        """The whole configuration as plain JSON values; a run of one table and one seed does not speak of several, nor one
        without learned oracles of these.
        """
        tree = self.model_dump(mode="json")
        left_out = {key for key in SEVERAL if tree[key] is None} | set(() if self.proposers else LEARNED)
        return {key: value for key, value in tree.items() if key not in left_out}

    def short_hash(self) -> str:
        """Six hex digits of what determines the results."""
        unused = BASELINE_SETTINGS if self.methods == ("psro",) else frozenset()
        tree = {key: value for key, value in self.tree().items() if key not in FREE_ON_RESUME | unused}
        return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:6]


def _with_tables(tree: dict[str, Any]) -> dict[str, Any]:
    """Settings with tables and cultures spelled out; one table or seed in a list is that table or seed."""
    tree = dict(tree)
    tables = tree.get("tables")
    if isinstance(tables, str):
        tables = [tables]
    if isinstance(tables, (list, tuple)):
        tables = [table.split("+") if isinstance(table, str) else list(table) for table in tables]
        cultures = list(dict.fromkeys(get_culture(name).id for table in tables for name in table))
        given = tree.get("cultures")
        if tree.get("pairs") is not None:
            raise ConfigurationError("pairs and tables are both given; name tables, or take all pairs")
        if given is not None and [get_culture(name).id for name in given] != cultures:
            raise ConfigurationError(
                "cultures and tables are both given; tables say which cultures negotiate"
            )
        tree |= {"tables": tables if len(tables) != 1 else None, "cultures": cultures}
        if len(tables) == 1:
            tree["cultures"] = tables[0]
    elif tree.get("pairs") == ALL_PAIRS:
        cultures = tree.get("cultures") or [culture.id for culture in load_cultures()]
        tree |= {"cultures": cultures, "pairs": None if len(cultures) == 2 else ALL_PAIRS}
    seeds = tree.get("seeds")
    if isinstance(seeds, (int, str)):
        seeds = tree["seeds"] = [seeds]
    if isinstance(seeds, (list, tuple)) and len(seeds) == 1:
        tree |= {"seed": seeds[0], "seeds": None}
    return tree


def _topic_of_text(text: str) -> TopicConfig:
    topic = topic_from_text(text)
    return TopicConfig(id=topic.id, text=topic.text, category=topic.category)


def load_config(
    flags: Mapping[str, Any],
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    base: Mapping[str, Any] | None = None,
) -> RunConfig:
    """Resolve a configuration: ``base``, the file, environment variables, flags, each over those before.

    Args:
        flags: the tree that command-line flags ask for.
        file: settings in YAML.
        environment: variables; those of the process if None.
        base: a tree to begin with, such as that of a run to be resumed.

    Raises:
        ConfigurationError: or one of its kinds, naming the source, the field, the value and the mend.
    """
    sources = {"the run": dict(base or {})}
    if file is not None:
        sources[str(file)] = read_yaml(file)
    sources["environment variables"] = read_environment(os.environ if environment is None else environment)
    sources["flags"] = dict(flags)
    tree: dict[str, Any] = {}
    for layer in sources.values():
        tree = merge(tree, _whole(layer))
    if not any(tree.get(name) for name in ("cultures", "tables", "pairs")):
        raise ConfigurationError(
            "no cultures; give --cultures A B, e.g. --cultures english-speaking confucian, or --pairs all"
        )
    if "topics" not in tree:
        raise ConfigurationError("no topics; give --topic TEXT, --topics FILE, or --topics examples")
    used = [name for name, layer in sources.items() if layer]
    try:
        return validate(RunConfig, tree, "settings (" + ", ".join(used) + ")")
    except ConfigurationError as error:
        # A culture, topic or model error that came through a validator keeps its own kind and message.
        cause = error.__cause__
        for fault in cause.errors() if cause is not None and hasattr(cause, "errors") else ():
            inner = fault.get("ctx", {}).get("error")
            if isinstance(inner, ConcordatError):
                raise inner from error
        raise


def _whole(layer: Mapping[str, Any]) -> dict[str, Any]:
    """A layer with a model given as text spelled out, so that it is not mixed with another kind."""
    model = layer.get("model")
    if isinstance(model, str):
        parsed = parse_model_argument(model)
        return {**layer, "model": parsed.model_dump(mode="json") | {"kind": parsed.kind}}
    return dict(layer)
