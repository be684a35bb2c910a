"""Learned oracles in a run: settings, adapters, records and whom agents ask."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agents.cultures import get_culture
from cluster.arguments import settings_of_flags
from cluster.config import RunConfig, load_config
from cluster.plan import plan_of
from cluster.speakers import SHIPPED, model_of, proposer_name, provenance, speakers
from cluster.table import Setting, Table
from negotiation.errors import ConfigurationError, ModelError

PAIR = ["confucian", "latin-america"]


def config_of(**settings: Any) -> RunConfig:
    tree = {"cultures": PAIR, "topics": [{"id": "t", "text": "Why?"}]}
    return load_config(tree | settings, environment={})


def test_flags_name_proposers() -> None:
    tree = settings_of_flags({"proposer": ["confucian=adapters/c"], "proposing": "join"})
    assert tree == {"proposers": {"confucian": "adapters/c"}, "proposing": "join"}
    with pytest.raises(ConfigurationError, match="--proposer 'confucian' is no CULTURE=PATH; write"):
        settings_of_flags({"proposer": ["confucian"]})


def test_runs_without_them_are_saved_and_hashed_as_before() -> None:
    plain = config_of()
    assert not {"proposers", "proposing"} & set(plain.tree())
    learned = config_of(proposers={"confucian": "adapters/c"})
    assert learned.tree()["proposers"] == {"confucian": "adapters/c"}
    assert learned.tree()["proposing"] == "replace"
    assert len({plain.short_hash(), learned.short_hash()}) == 2
    assert RunConfig.model_validate(learned.tree()) == learned


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"proposing": "join"}, ConfigurationError, "proposing is join, but no culture has a proposer"),
        ({"proposers": {"confucian": "x"}, "proposing": "both"}, ConfigurationError, "proposing"),
        ({"proposers": {"nobody": "x"}}, ConfigurationError, "unknown culture 'nobody'"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        config_of(**settings)


def test_an_oracle_of_a_culture_that_takes_no_part_is_refused() -> None:
    with pytest.raises(ModelError, match="proposers: orthodox-europe takes no part in this run"):
        speakers(config_of(proposers={"orthodox-europe": "x"}))


def test_the_bundled_model_carries_both_adapters(tmp_path: Path) -> None:
    config = config_of(proposers={"confucian": str(tmp_path)})
    voices = speakers(config)
    assert [(voice.adapter, voice.proposer) for voice in voices] == [
        (SHIPPED, str(tmp_path)),
        (SHIPPED, None),
    ]
    model: Any = model_of(config, voices)
    assert model.kind == "transformers"
    assert set(model.adapters) == {*PAIR, "confucian-proposer"}
    assert model.adapters["confucian-proposer"] == str(tmp_path)
    assert model_of(config, voices[1:]).kind == "bundled"  # whose actor needs no other


def test_other_models_and_servers_have_it_under_its_name(tmp_path: Path) -> None:
    given = {
        "adapters": {"confucian": str(tmp_path / "own")},
        "proposers": {"confucian": str(tmp_path / "learned")},
    }
    for name in ("own", "learned"):
        (tmp_path / name).mkdir()
    local: Any = model_of(*_config_and_voices(model=str(tmp_path), **given))
    assert local.adapters == {
        "confucian": str(tmp_path / "own"),
        "confucian-proposer": str(tmp_path / "learned"),
    }
    server: Any = model_of(
        *_config_and_voices(
            model="openai:m@http://127.0.0.1:1/v1", adapters={"confucian": "c"}, proposers={"confucian": "c2"}
        )
    )
    assert server.adapters == {"confucian": "c", "confucian-proposer": "c2"}


def _config_and_voices(**settings: Any) -> tuple[RunConfig, Any]:
    config = config_of(**settings)
    return config, speakers(config)


def test_records_say_who_proposed() -> None:
    config = config_of(proposers={"confucian": "adapters/c"}, proposing="join")
    told = provenance(speakers(config), "m", config.proposing)
    assert told["proposer:confucian"] == "adapters/c"
    assert told["proposing"] == "join"
    assert "proposer:latin-america" not in told
    assert "proposing" not in provenance(speakers(config_of()), "m", "replace")


@pytest.mark.parametrize("way", ["replace", "join"])
def test_agents_at_a_table_have_their_oracles(way: str) -> None:
    config = config_of(proposers={"confucian": "adapters/c"}, proposing=way)
    told = provenance(speakers(config), "m", config.proposing)
    setting = Setting.of(config, "e", told, None)
    table = asyncio.run(Table.lay(plan_of(config)[0], setting, None))  # type: ignore[arg-type]  # nobody is asked
    first, second = table.seats().agents
    assert first.culture == get_culture("confucian")
    assert first.asker.adapter == "confucian"
    assert first.proposer is not None
    assert first.proposer.adapter == proposer_name("confucian")
    assert second.proposer is None
    assert table.provenance["proposing"] == way
