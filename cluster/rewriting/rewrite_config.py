"""What ``concordat rewrite`` is told, as configuration. Importing this loads neither Ray nor torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cluster.rewriting.rewrite_parts import PartsConfig
from cluster.settings import validate
from rewriter.search import SearchConfig
from rewriter.targets import Aim, CultureAim, InstructionAim, PolicyAim, check_strength, read_vector


class RewriteConfig(BaseModel):
    """Which texts go where."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str | None = Field(None, description="a text")
    input: Path | None = Field(None, description="texts, one JSON object a line")
    output: Path | None = Field(
        None, description="file that receives the lines of 'input' with what came of them"
    )
    toward: str | None = Field(None, description="aim: plain words")
    culture: str | None = Field(None, description="aim: the values of a culture's people")
    contrast: bool = Field(False, description="of the culture only what sets it apart from the others")
    policy: Path | None = Field(None, description="aim: a consensus policy, or a run folder")
    negotiation: str | None = Field(None, description="which negotiation or topic of the run")
    side: str | None = Field(None, description="only this culture's side of the policy")
    target: str | None = Field(None, description="aim: ten numbers parted by commas")
    search: bool = Field(False, description="no aim: search what the text allows")
    searching: SearchConfig = Field(default_factory=SearchConfig, description="how to search")
    out: Path | None = Field(None, description="folder for what a search found, with a picture")
    strength: float = Field(1.0, description="share of the way to go, in (0, 1]")
    translator: str = Field(
        "bundled", min_length=1, description="reads plain words: 'bundled' or a language model"
    )
    parts: PartsConfig = Field(
        default_factory=PartsConfig, description="which models rewrite, read and compare"
    )
    serial: bool = Field(False, description="in this process, without Ray")
    address: str | None = Field(None, description="of a running Ray cluster; none: a local one")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_strength(self.strength)
        if (self.text is None) == (self.input is None):
            raise ValueError("give either --text TEXT or --input FILE")
        if (self.input is None) != (self.output is None):
            raise ValueError("--input FILE and --output FILE go together")
        if self.text is not None and not self.text.strip():
            raise ValueError("the text is empty; give at least a sentence")
        aims = [name for name in ("toward", "culture", "policy", "target", "search") if getattr(self, name)]
        if len(aims) > 1:
            raise ValueError(f"--{' and --'.join(aims)} are given; choose one")
        if not aims and self.text is not None:
            raise ValueError(
                "no aim; give --toward WORDS, --culture NAME, --policy FILE, --target NUMBERS or --search"
            )
        if self.search and self.text is None:
            raise ValueError("--search takes one --text")
        for flag, needs in (
            ("contrast", "culture"),
            ("negotiation", "policy"),
            ("side", "policy"),
            ("out", "search"),
        ):
            if getattr(self, flag) and not getattr(self, needs):
                raise ValueError(f"--{flag} goes with --{needs}")
        return self

    def aim(self) -> Aim | None:
        """What is asked of every text; None for a search, or where each line says it.

        Raises:
            TargetError: if the target is not ten numbers in [-1, 1].
        """
        if self.toward is not None:
            return InstructionAim(self.toward)
        if self.culture is not None:
            return CultureAim(self.culture, self.contrast)
        if self.policy is not None:
            return PolicyAim(self.policy, self.negotiation, self.side)
        return None if self.target is None else read_vector(self.target)


_PARTS = ("model", "adapter", "detector", "consistency", "temperature", "samples", "seed")


def rewrite_config(flags: Mapping[str, Any]) -> RewriteConfig:
    """The configuration that flags ask for; those that are None or false count as not given.

    Raises:
        ConfigurationError: naming the field, the value and the mend.

    >>> rewrite_config({"text": "All may vote.", "toward": "more tradition", "seed": 3}).parts.seed
    3
    """
    given = {name: value for name, value in flags.items() if value is not None and value is not False}
    parts = {name: given.pop(name) for name in _PARTS if name in given}
    searching = {"seed": parts["seed"]} if "seed" in parts else {}
    if "budget" in given:
        searching["budget"] = given.pop("budget")
    return validate(RewriteConfig, given | {"parts": parts, "searching": searching}, "settings (flags)")
