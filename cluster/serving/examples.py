"""Examples of replies for the OpenAPI document, made of the schema's own models so that they cannot go stale."""

from __future__ import annotations

from typing import Any

from cluster.serving.bargaining_schema import (
    ActionChance,
    ActReply,
    BargainingReply,
    ChoiceReply,
    OfferReply,
    OwnWorth,
    PlayReply,
    Said,
    Seat,
)
from cluster.serving.negotiation_schema import Cancelled, Started
from cluster.serving.openai_schema import (
    EXAMPLE_MODEL,
    EXAMPLE_QUESTION,
    AnswerMessage,
    ChatChoice,
    ChatReply,
    CompletionChoice,
    CompletionReply,
    EmbeddingReply,
    EmbeddingRow,
    EmbeddingUsage,
    ModelCard,
    ModelList,
    Usage,
)
from cluster.serving.schema import (
    EXAMPLE_VALUES,
    ConsistencyReading,
    CultureList,
    CultureReply,
    DrawnGuideline,
    Health,
    MapPlace,
    ModelNote,
    PolicyAnswer,
    PolicyList,
    PolicyReply,
    PolicyRow,
    PolicySide,
    PoolEntry,
    TopicReply,
)
from cluster.serving.text_schema import ReadValues, RewriteTextReply, TranslateReply, ValuesReply

_POLICY = "should-voting-be-a-duty-3fb585fe"
_CREATED = 1_790_000_000
_BASE = "Everyone should vote as they like."
_MOVED = "Everyone should vote as they like, and as their elders taught them."
_READING = ConsistencyReading(forward=0.81, backward=0.94)
_USAGE = Usage(prompt_tokens=74, completion_tokens=12, total_tokens=86)
_CARD = ModelCard(
    id=EXAMPLE_MODEL,
    created=_CREATED,
    concordat=ModelNote(kind="alias", name="English-Speaking and Confucian"),
)
_NOTE = PolicyAnswer(
    policy=_POLICY,
    guideline=DrawnGuideline(culture="confucian", id="p1-r0-initial", content="Vote together", weight=0.75),
    base=_BASE,
    values_before=EXAMPLE_VALUES,
    values_target=EXAMPLE_VALUES,
    values_after=EXAMPLE_VALUES,
    consistency=_READING,
)
_TOPIC = TopicReply(id="duty", text=EXAMPLE_QUESTION, category="civic")
_ROW: dict[str, Any] = {
    "id": _POLICY,
    "topic": _TOPIC,
    "cultures": ["english-speaking", "confucian"],
    "converged": True,
    "nash_conv": 0.0,
    "rounds": 2,
}
_SIDE = PolicySide(
    culture="confucian",
    statement="We vote together, and nobody is forced to.",
    opening="Voting is owed to the community.",
    payoff=0.71,
    pool=[
        PoolEntry(
            id="p1-r0-initial",
            weight=1.0,
            content="Vote together",
            reason="It binds the community.",
            description="Families go to the polls together.",
            kind="initial",
            round=0,
        )
    ],
)

_OFFERS = [
    OfferReply(
        action=place,
        id=f"p{place}-r0-initial",
        side=side,
        content=content,
        reason="It binds the community.",
        description="It is written in law.",
    )
    for place, (side, content) in enumerate(
        (("english-speaking", "Voting stays free"), ("confucian", "Vote together"))
    )
]
_CHANCES = [
    ActionChance(action=0, says="Voting stays free", probability=0.75),
    ActionChance(action=1, says="Vote together", probability=0.25),
]
_PLAY = PlayReply(
    id="play-4fJxW2",
    policy=_POLICY,
    topic=EXAMPLE_QUESTION,
    offers=_OFFERS,
    sides=["english-speaking", "confucian"],
    side="confucian",
    kind=0,
    worth=[0.2, 1.0],
    walk_away=0.3,
    turns=3,
    discount=0.95,
    turn=1,
    said=[Said(side="english-speaking", turn=1, action=0, says="Voting stays free")],
    pending=0,
    next="confucian",
    choices=[
        ChoiceReply(action=2 + place, says=says)
        for place, says in enumerate(("accept", "reject", "walk away"))
    ],
    finished=False,
    outcome=None,
)

EXAMPLES: dict[str, dict[str, Any]] = {
    name: reply.model_dump(mode="json")
    for name, reply in {
        "GET /v1/models": ModelList(data=[_CARD]),
        "GET /v1/models/{model}": _CARD,
        "POST /v1/chat/completions": ChatReply(
            id="chatcmpl-1",
            created=_CREATED,
            model=EXAMPLE_MODEL,
            choices=[ChatChoice(message=AnswerMessage(content=_MOVED), finish_reason="stop")],
            usage=_USAGE,
            concordat=_NOTE,
        ),
        "POST /v1/completions": CompletionReply(
            id="cmpl-1",
            created=_CREATED,
            model="base",
            choices=[CompletionChoice(text=_BASE, finish_reason="stop")],
            usage=_USAGE,
        ),
        "POST /v1/embeddings": EmbeddingReply(
            data=[EmbeddingRow(index=0, embedding=[0.6, -0.8])],
            model="embedder",
            usage=EmbeddingUsage(prompt_tokens=8, total_tokens=8),
        ),
        "GET /v1/policies": PolicyList(data=[PolicyRow(**_ROW)]),
        "GET /v1/policies/{policy}": PolicyReply(**_ROW, sides=[_SIDE], values=EXAMPLE_VALUES),
        "GET /v1/policies/{policy}/bargaining": BargainingReply(
            policy=_POLICY,
            topic=_TOPIC,
            offers=_OFFERS,
            sides=[Seat(side="english-speaking", prior=[1.0]), Seat(side="confucian", prior=[0.5, 0.5])],
            answers=["accept", "reject", "walk away"],
            turns=3,
            discount=0.95,
            nash_conv=0.0,
            own=OwnWorth(side="confucian", worth=[[0.2, 1.0], [0.0, 1.0]], walk_away=[0.3, 0.25]),
        ),
        "POST /v1/policies/{policy}/act": ActReply(
            policy=_POLICY,
            side="english-speaking",
            kind=0,
            turn=1,
            choices=_CHANCES,
            drawn=_CHANCES[0],
            next="confucian",
            finished=False,
            agreement=None,
            payoff=None,
        ),
        "POST /v1/policies/{policy}/bargain": _PLAY,
        "GET /v1/bargain/{play}": _PLAY,
        "POST /v1/bargain/{play}": _PLAY,
        "GET /v1/cultures": CultureList(
            data=[
                CultureReply(
                    id="confucian", name="Confucian", values=EXAMPLE_VALUES, map=MapPlace(x=-0.4, y=1.0)
                )
            ]
        ),
        "POST /v1/values": ValuesReply(data=[ReadValues(values=EXAMPLE_VALUES, confidence=0.62)]),
        "POST /v1/translate": TranslateReply(
            kind="shift", shift=EXAMPLE_VALUES, explanation=["more Tradition: +0.5"]
        ),
        "POST /v1/rewrite": RewriteTextReply(
            text=_MOVED,
            values_before=EXAMPLE_VALUES,
            values_target=EXAMPLE_VALUES,
            values_after=EXAMPLE_VALUES,
            consistency=_READING,
            faults=[],
        ),
        "DELETE /v1/negotiate/{negotiation_id}": Cancelled(negotiation_id="live-4fJx"),
        "GET /healthz": Health(status="ok"),
        "GET /readyz": Health(status="ok", detail="3 policies"),
    }.items()
}
"""By method and path."""

STREAMS = {
    "POST /v1/negotiate": "event: started\ndata: "
    + Started(
        negotiation_id="live-4fJx", cultures=["english-speaking", "confucian"], topic=EXAMPLE_QUESTION
    ).model_dump_json()
    + "\n\n",
    "POST /v1/chat/completions": 'data: {"id":"chatcmpl-1","object":"chat.completion.chunk", ...}\n\ndata: [DONE]\n\n',
    "POST /v1/completions": 'data: {"id":"cmpl-1","object":"text_completion", ...}\n\ndata: [DONE]\n\n',
}
"""Of streams, by method and path."""
