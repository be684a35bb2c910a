from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cluster.serving.keys import ApiKey, Doorkeeper, load_keys, make_key, read_keys
from negotiation.errors import ConfigurationError


def test_a_made_key_opens_and_only_its_hash_is_kept() -> None:
    key, line = make_key("alice")
    (found,) = read_keys(line, "keys")
    assert key not in line
    assert found == ApiKey("alice", hashlib.sha256(key.encode()).digest())
    door = Doorkeeper((found,), 60)
    assert door.find(f"Bearer {key}") == found
    assert door.find(f"bearer {key}") == found
    for wrong in (None, "", key, f"Bearer {key}x", "Bearer", f"Basic {key}"):
        assert door.find(wrong) is None


def test_keys_of_file_and_environment_come_together(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text(f"# people\n{make_key('alice')[1]} 30  # slowly\n\n")
    keys = load_keys(file, {"CONCORDAT_SERVE_KEYS": f"{make_key('bob')[1]};{make_key('carol')[1]}"})
    assert [(key.name, key.per_minute) for key in keys] == [("alice", 30), ("bob", None), ("carol", None)]
    assert load_keys(None, {}) == ()
    with pytest.raises(ConfigurationError, match="a name is both"):
        load_keys(file, {"CONCORDAT_SERVE_KEYS": make_key("alice")[1]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alice ck-plain-key", "line 1: not of the form"),
        ("\nalice sha256:12", "line 2: not of the form"),
        (f"{make_key('alice')[1]} 0", "0 requests a minute"),
        (f"{make_key('alice')[1]}\n{make_key('alice')[1]}", "line 2: name 'alice' is there twice"),
    ],
)
def test_wrong_lines_are_named_and_not_repeated(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        read_keys(text, "keys.txt")
    assert "plain-key" not in str(caught.value)


def test_a_file_without_keys_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text("# nobody\n")
    with pytest.raises(ConfigurationError, match="no key in it"):
        load_keys(file, {})
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_keys(tmp_path / "none", {})


def test_a_name_that_cannot_stand_in_the_file_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="letters, digits"):
        make_key("a b")


def test_a_rate_is_refilled_steadily() -> None:
    now = [0.0]
    door = Doorkeeper((), 60, clock=lambda: now[0])
    key = ApiKey("alice", b"", 3)
    assert [door.wait(key) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert door.wait(key) == pytest.approx(20.0)
    now[0] = 19.0
    assert door.wait(key) == pytest.approx(1.0)
    now[0] = 20.0
    assert door.wait(key) == 0.0
    now[0] = 1e6
    assert [door.wait(key) > 0 for _ in range(4)] == [False, False, False, True]
    assert door.wait(ApiKey("bob", b"")) == 0.0
