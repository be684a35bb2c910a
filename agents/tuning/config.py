"""How an adapter is trained, as configuration. Importing this loads neither torch nor transformers."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Precision = Literal["auto", "float32", "bfloat16"]


class TuningConfig(BaseModel):
    """One training of a LoRA adapter (Hu et al. 2021, arXiv 2106.09685).

    A step's rows are those of all workers together, so that their number changes nothing but the rounding.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: int = Field(16, ge=1, le=1024, description="rank of the adapter; its scale is twice the rank")
    learning_rate: float = Field(2e-4, gt=0.0, le=1.0, description="peak rate of AdamW")
    epochs: float = Field(3.0, gt=0.0, description="how often each row is seen, if steps is left out")
    steps: int | None = Field(None, ge=1, description="number of steps; left out: as epochs asks for")
    batch: int = Field(16, ge=1, description="rows in a step, of all workers together")
    pass_rows: int | None = Field(
        None, ge=1, description="most rows in a forward pass of a worker; left out: its part of the step"
    )
    warmup: float = Field(0.05, ge=0.0, lt=1.0, description="share of the steps over which the rate rises")
    weight_decay: float = Field(0.0, ge=0.0, description="decoupled weight decay")
    clip: float = Field(1.0, gt=0.0, description="bound on the gradient's norm")
    validation_share: float = Field(0.1, gt=0.0, lt=1.0, description="share of the items that is held out")
    check_every: int = Field(
        50, ge=1, description="steps between looks at the held-out items, and checkpoints"
    )
    log_every: int = Field(10, ge=1, description="steps between lines of the learning curve")
    precision: Precision = Field(
        "auto", description="of matrix products; auto is bfloat16 where the hardware has it"
    )
    answer_words: int = Field(60, ge=1, le=1000, description="bound on the answer that prompts name")
    seed: int = Field(0, ge=0, lt=2**63, description="of held-out items, order of rows and first weights")

    def total_steps(self, rows: int) -> int:
        """Number of steps for so many training rows.

        >>> TuningConfig(epochs=2, batch=16).total_steps(100)
        13
        """
        return self.steps or max(1, math.ceil(self.epochs * rows / self.batch))

    def rate(self, step: int, steps: int) -> float:
        """Learning rate at ``step`` (from 0) of ``steps``: rises linearly, then falls linearly towards 0.

        >>> [round(TuningConfig(learning_rate=1.0, warmup=0.5).rate(step, 4), 2) for step in range(4)]
        [0.5, 1.0, 0.67, 0.33]
        """
        rising = max(1, math.ceil(self.warmup * steps))
        return self.learning_rate * min((step + 1) / rising, (steps - step) / max(1, steps - rising + 1), 1.0)
