from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cluster.serving.policies import PolicyStore
from negotiation.errors import RunError
from tests.unit.cluster.serving.standins import policy_tree, write_policy


def test_tables_gather_policies_in_any_order_of_their_cultures(run: Path) -> None:
    write_policy(run, policy_tree("zoo-1", "Should zoos close?", ("confucian", "english-speaking")))
    snapshot = PolicyStore(run).snapshot
    assert list(snapshot.held) == ["cars-1", "tax-1", "voting-1", "zoo-1"]
    table = ("tax-1", "voting-1", "zoo-1")
    assert (
        snapshot.table("english-speaking+confucian") == snapshot.table("confucian+english-speaking") == table
    )
    assert len(snapshot.tables) == 2
    assert snapshot.table("confucian") == snapshot.table("confucian+confucian") == snapshot.table("") == ()


def test_a_request_keeps_the_snapshot_that_it_began_with(run: Path) -> None:
    store = PolicyStore(run, grace_s=0.0)
    before = store.snapshot
    for path in (run / "policies").iterdir():
        path.unlink()
    write_policy(run, policy_tree("new-1", "Is this new?"))
    store.refresh(now=1.0)
    store.refresh(now=2.0)
    assert list(store.snapshot.held) == ["new-1"]
    assert before.held["tax-1"].policy().topic.text == "Should inheritance be taxed?"


def test_nothing_changes_where_no_file_does(run: Path) -> None:
    store = PolicyStore(run)
    before = store.snapshot
    assert not store.refresh()
    assert store.snapshot is before


def test_a_changed_file_is_read_anew(run: Path) -> None:
    store = PolicyStore(run)
    write_policy(run, policy_tree("tax-1", "Should gifts be taxed as well?"))
    assert store.refresh()
    assert store.snapshot.held["tax-1"].row.topic.text == "Should gifts be taxed as well?"


def test_a_file_that_is_half_written_leaves_what_was_there(run: Path) -> None:
    store = PolicyStore(run)
    path = run / "policies" / "tax-1.json"
    whole = path.read_text()
    path.write_text(whole[:100])
    assert not store.refresh()
    assert store.snapshot.held["tax-1"].policy().negotiation_id == "tax-1"
    path.write_text(whole.replace("inheritance", "wealth"))
    assert store.refresh()
    assert store.snapshot.held["tax-1"].row.topic.text == "Should wealth be taxed?"


def test_a_folder_that_is_away_for_a_moment_is_no_loss(run: Path) -> None:
    store = PolicyStore(run, grace_s=10.0)
    (run / "policies").rename(run / "old")
    store.refresh(now=100.0)
    store.refresh(now=105.0)
    assert len(store.snapshot.held) == 3
    write_policy(run, policy_tree("tax-1", "Should inheritance be taxed?"))
    store.refresh(now=106.0)
    store.refresh(now=109.9)
    assert len(store.snapshot.held) == 3
    store.refresh(now=110.0)
    assert list(store.snapshot.held) == ["tax-1"]


def test_files_that_are_no_policies_are_left_out(run: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.json"
    outside.write_text(json.dumps(policy_tree("secret-1", "Outside?")))
    folder = run / "policies"
    (folder / "link.json").symlink_to(outside)
    (folder / "broken.json").write_text("{")
    (folder / "list.json").write_text("[]")
    (folder / ".tax.tmp.json").write_text(json.dumps(policy_tree("hidden-1", "Hidden?")))
    bad = policy_tree("a/../b", "Slashes?")
    (folder / "bad-id.json").write_text(json.dumps(bad))
    negative = policy_tree("negative-1", "Negative?")
    negative["players"][0]["pool"][0]["weight"] = -1
    (folder / "negative.json").write_text(json.dumps(negative))
    assert sorted(PolicyStore(run).snapshot.held) == ["cars-1", "tax-1", "voting-1"]


def test_links_within_the_folder_are_followed(run: Path) -> None:
    """A mounted volume swaps a folder of files behind links to it."""
    folder = run / "policies"
    inner = folder / "..data"
    inner.mkdir()
    (folder / "tax-1.json").rename(inner / "tax-1.json")
    (folder / "tax-1.json").symlink_to(os.path.join("..data", "tax-1.json"))
    assert "tax-1" in PolicyStore(run).snapshot.held


def test_only_chosen_policies_are_served(run: Path) -> None:
    assert list(PolicyStore(run, ["tax-1"]).snapshot.held) == ["tax-1"]
    with pytest.raises(RunError, match="no policy tax-2"):
        PolicyStore(run, ["tax-1", "tax-2"])


def test_a_folder_without_policies_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no folder 'policies'"):
        PolicyStore(tmp_path)
