"""What is at stake when players bargain: offers, private utilities, walk-away values, and how time counts.

An offer is one guideline that all players would live by: a member of the union of their pools. (A package of one guideline a
player, as in the meta-game, would give K^N offers; one common guideline keeps K offers for any number of players and is what a
shared rule means.) A player's utility of an offer depends on its type, which it alone knows; types are drawn by chance,
independently (Harsanyi 1967). Without agreement each player gets its walk-away value.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from negotiation.errors import GameError

MAX_PLAYERS = 16
MAX_OFFERS = 256


@dataclass(frozen=True, slots=True, eq=False)
class Stakes:
    """The data of one bargaining game.

    Attributes:
        utilities: for each player i a (T_i types, K offers) array, higher is better, what agreement on an offer gives at once.
        priors: for each player a (T_i,) distribution over its types.
        walk_aways: for each player a (T_i,) array, what it gets without agreement.
        discount: what one turn's delay multiplies all payoffs by, in (0, 1].
        turns: number of offers made at most, >= 1; the proposer changes each turn, in player order.

    Raises:
        GameError: naming the field, if shapes, numbers or ranges are wrong.
    """

    utilities: tuple[NDArray[np.float64], ...]
    priors: tuple[NDArray[np.float64], ...]
    walk_aways: tuple[NDArray[np.float64], ...]
    discount: float
    turns: int

    def __post_init__(self) -> None:
        for name in ("utilities", "priors", "walk_aways"):
            object.__setattr__(self, name, tuple(_read_only(array, name) for array in getattr(self, name)))
        count = len(self.utilities)
        if not 2 <= count <= MAX_PLAYERS or len(self.priors) != count or len(self.walk_aways) != count:
            raise GameError(
                f"stakes of {count} players with {len(self.priors)} priors and {len(self.walk_aways)} walk-away rows;"
                f" give one of each to 2 to {MAX_PLAYERS} players"
            )
        for player, (values, prior, outside) in enumerate(
            zip(self.utilities, self.priors, self.walk_aways, strict=True)
        ):
            shape = (len(prior), self.utilities[0].shape[-1])
            if values.ndim != 2 or values.shape != shape or outside.shape != prior.shape or not prior.size:
                raise GameError(
                    f"player {player}: utilities {values.shape}, prior {prior.shape} and walk-away {outside.shape} do not fit;"
                    f" expected {shape}, {shape[:1]} and {shape[:1]}"
                )
            if (prior <= 0).any() or abs(prior.sum() - 1) > 1e-9:
                raise GameError(f"player {player}: prior is {prior}; give positive numbers that sum to 1")
        if not 1 <= self.offers <= MAX_OFFERS:
            raise GameError(f"{self.offers} offers; give 1 to {MAX_OFFERS}")
        if not 0 < self.discount <= 1:
            raise GameError(f"discount is {self.discount}; it must be above 0 and at most 1")
        if self.turns < 1:
            raise GameError(f"turns is {self.turns}; at least one offer must be made")

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself: it does not change, and OpenSpiel copies states at every step."""
        return self

    @property
    def players(self) -> int:
        """N."""
        return len(self.utilities)

    @property
    def offers(self) -> int:
        """K."""
        return int(self.utilities[0].shape[-1])

    @property
    def types(self) -> tuple[int, ...]:
        """T_i of each player."""
        return tuple(len(prior) for prior in self.priors)

    def profiles(self) -> list[tuple[tuple[int, ...], float]]:
        """All type profiles with their probabilities, the last player's type changing fastest."""
        return [
            (types, float(np.prod([prior[t] for prior, t in zip(self.priors, types, strict=True)])))
            for types in product(*(range(count) for count in self.types))
        ]

    def points(self, types: tuple[int, ...]) -> NDArray[np.float64]:
        """(K, N) utilities of the offers at a type profile, without delay."""
        return np.stack([values[t] for values, t in zip(self.utilities, types, strict=True)], axis=1)

    def disagreement(self, types: tuple[int, ...]) -> NDArray[np.float64]:
        """(N,) walk-away values at a type profile, without delay."""
        return np.array([outside[t] for outside, t in zip(self.walk_aways, types, strict=True)])

    def histories(self) -> int:
        """Number of histories of the game, chance nodes and ends included; tells whether it can be enumerated."""
        responders = self.players - 1
        # A turn: the offers, and for each the chain of responders; each but the last turn goes on after any reject.
        inner, total, live = self.offers * responders, 1.0, 1.0
        for turn in range(self.turns):
            last = turn == self.turns - 1
            ends = self.offers * (responders * (1 if last else 2) + 1) - (
                0 if last else self.offers * responders
            )
            total += live * (inner + ends + (0 if last else self.offers * responders))
            live *= self.offers * responders
        deals = [float(np.prod(self.types[: i + 1])) for i in range(self.players)]
        return int(1 + sum(deals[:-1]) + deals[-1] * total)

    def parameters(self) -> dict[str, Any]:
        """As parameters of the OpenSpiel game; ``of_parameters`` undoes it, to the last bit."""
        return {
            "utilities": _written(self.utilities),
            "priors": _written([prior[:, None] for prior in self.priors]),
            "walk_aways": _written([outside[:, None] for outside in self.walk_aways]),
            "discount": repr(float(self.discount)) + "x",
            "turns": int(self.turns),
        }

    @classmethod
    def of_parameters(cls, parameters: dict[str, Any]) -> Self:
        """What ``parameters`` wrote.

        Raises:
            GameError: naming the parameter that is malformed.
        """
        columns = {name: _read(parameters[name], name) for name in ("utilities", "priors", "walk_aways")}
        for name in ("priors", "walk_aways"):
            if any(array.shape[1] != 1 for array in columns[name]):
                raise GameError(f"{name}: a type has several numbers; give one number a type")
        return cls(
            utilities=tuple(columns["utilities"]),
            priors=tuple(array[:, 0] for array in columns["priors"]),
            walk_aways=tuple(array[:, 0] for array in columns["walk_aways"]),
            discount=_number(str(parameters["discount"]).rstrip("x"), "discount"),
            turns=int(parameters["turns"]),
        )


def _written(arrays: Any) -> str:
    """Players apart by ``|``, types by ``/``, offers by ``;``: signs that OpenSpiel's game strings leave alone."""
    return "|".join("/".join(";".join(repr(float(v)) for v in row) for row in array) for array in arrays)


def _read(text: str, name: str) -> list[NDArray[np.float64]]:
    arrays = []
    for player, rows in enumerate(text.split("|")):
        values = [
            [_number(v, f"{name} of player {player}") for v in row.split(";")] for row in rows.split("/")
        ]
        if len({len(row) for row in values}) != 1:
            raise GameError(
                f"{name} of player {player}: its types have different numbers of entries; give as many to each"
            )
        arrays.append(np.array(values))
    return arrays


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise GameError(
            f"{name}: {text!r} is no number; write e.g. 0.9;0.2/0.4;0.1|0.1;0.8 (players |, types /, offers ;)"
        ) from None


def _read_only(values: Any, name: str) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise GameError(f"{name} are not all finite: {array}")
    array.setflags(write=False)
    return array
