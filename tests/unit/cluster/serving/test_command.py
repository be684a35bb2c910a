from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest
import yaml

from cluster.cli import run_command
from cluster.serving.command import LOOPBACK, Place, serve_config, settled
from cluster.serving.config import ServeConfig
from cluster.serving.keys import make_key, read_keys
from negotiation.errors import ConfigurationError, RunError

DOCS = Path(__file__).parents[4] / "docs" / "serving.md"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def documented() -> list[dict[str, object]]:
    """The YAML files of the page on serving."""
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.DOTALL)]


def test_the_documented_settings_are_ones_that_a_server_takes(tmp_path: Path) -> None:
    settings, deploy = documented()
    file = tmp_path / "serve.yaml"
    file.write_text(yaml.safe_dump(settings))
    config = serve_config({"run": tmp_path, "model": None}, file)
    assert (config.limits.in_flight, config.models.max_replicas, config.api.min_replicas) == (128, 4, 2)
    (application,) = deploy["applications"]  # type: ignore[misc]
    assert application["import_path"] == "cluster.serving.app:build"
    assert ServeConfig.model_validate(application["args"]).models.gpus == 1


def test_flags_go_over_the_file_and_unknown_fields_are_named(tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text("temperature: 0.1\npage: true\n")
    config = serve_config({"run": tmp_path, "page": False, "cors": [], "policies": ["a"]}, file)
    assert (config.temperature, config.page, config.cors, config.policies) == (0.1, False, (), ("a",))
    file.write_text("temprature: 0.1\n")
    with pytest.raises(ConfigurationError, match="did you mean 'temperature'"):
        serve_config({"run": tmp_path}, file)


def test_where_others_reach_it_a_server_wants_keys(run: Path, tmp_path: Path) -> None:
    config = ServeConfig(run=run)
    everywhere = Place("0.0.0.0", free_port())
    with pytest.raises(ConfigurationError, match="give --api-keys FILE"):
        settled(config, everywhere)
    assert settled(config, Place("0.0.0.0", free_port(), open=True)).hosts is None
    keys = tmp_path / "keys.txt"
    keys.write_text(make_key("alice")[1])
    assert settled(config.model_copy(update={"api_keys": keys}), everywhere).hosts is None


def test_on_this_machine_alone_only_its_own_names_are_answered(run: Path) -> None:
    for host in ("127.0.0.1", "localhost"):
        assert settled(ServeConfig(run=run), Place(host, free_port())).hosts == LOOPBACK
    assert not Place("example.org", 1).is_loopback
    assert Place("::1", 8000).url == "http://[::1]:8000"
    assert Place("0.0.0.0", 8000).url == "http://127.0.0.1:8000"


def test_a_taken_port_is_told_before_anything_starts(run: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(RunError, match="cannot listen at"):
            settled(ServeConfig(run=run), Place("127.0.0.1", other.getsockname()[1]))


def test_the_command_shows_its_settings(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = run_command(
        ["serve", str(run), "--policy", "tax-1", "--port", str(free_port()), "--dry-run", "--json"]
    )
    tree = json.loads(capsys.readouterr().out)
    assert status == 0
    assert tree["policies"] == ["tax-1"]
    assert tree["hosts"] == list(LOOPBACK)
    assert run_command(["serve", str(run), "--policy", "tax-9", "--dry-run"]) == 2
    assert "no policy tax-9" in capsys.readouterr().err


def test_a_key_is_shown_once_and_apart_from_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["serve-key", "alice"]) == 0
    captured = capsys.readouterr()
    (found,) = read_keys(captured.out, "keys")
    assert found.name == "alice"
    key = captured.err.split()[-1]
    assert key.startswith("ck-")
    assert key not in captured.out
    assert run_command(["serve-key", "a b"]) == 2
