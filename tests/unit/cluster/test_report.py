"""The report page: what it says, of whatever run; the picture beside it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from cluster.report import write_picture, write_report
from cluster.report.page import BYTES_PER_NEGOTIATION, number, tiny
from cluster.report.source import read_run, view
from negotiation.config import GameConfig, LogitConfig
from negotiation.errors import RecordError, RunError
from negotiation.metagame import build_metagame
from negotiation.oracle import Proposals
from negotiation.record import NegotiationRecord
from negotiation.topic import Topic
from negotiation.utility import Utility
from tests.unit.cluster.report_runs import negotiated, run_folder
from tests.unit.negotiation.scripted import ScriptedOracle, play

TAX = Topic("tax", "Should inheritance be taxed?", "Law and Ethics")
VOTE = Topic("vote", "Should voting be a duty?", "Politics and Governance")
FAILURE = {
    "negotiation_id": "cars-1",
    "topic": {"id": "cars", "text": "Should a city ban cars?", "category": "Law and Ethics"},
    "players": ["english-speaking", "confucian"],
    "error": "MalformedReplyError",
    "message": "confucian: 4 of 4 replies were no guideline",
}


class Page(HTMLParser):
    """Tags with their attributes, and the text outside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.figures: dict[str, dict] = {}
        self._inside = ""
        self._data = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside = tag
            self._data = ("class", "figures") in attrs

    def handle_endtag(self, tag):
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data):
        if not self._inside:
            self.texts.append(data)
        elif self._data:
            self.figures.update(json.loads(data))

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))

    def ids(self) -> list[str]:
        return [attrs["id"] for _, attrs in self.tags if "id" in attrs]


def read(path: Path) -> Page:
    return Page(write_report(path).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def records() -> list[NegotiationRecord]:
    return [negotiated(TAX, seed=3), negotiated(VOTE, seed=4)]


def test_every_number_and_text_of_a_record_is_on_the_page(records, tmp_path):
    page = read(run_folder(tmp_path / "run", records))
    for record in records:
        shown = view(record, "n1")
        expected = [
            record.topic.text,
            record.topic.category,
            *record.consensus,
            *(opening.statement for opening in record.openings),
            tiny(record.nash_conv),
            number(shown.gap_opening),
            number(shown.gap_consensus),
        ]
        expected += [number(side.moved) for side in shown.sides] + [
            number(side.toward) for side in shown.sides
        ]
        expected += [number(value) for pair in shown.payoffs for value in pair.values.flat]
        expected += [number(value) for value in record.final.payoffs]
        for pool in shown.pools:
            expected += [text for k in pool for text in (k.content, k.reason, k.description)]
            expected += [number(weight) for k in pool for weight in k.weights[k.round :]]
        for played in record.rounds:
            expected += [*played.statements, tiny(played.equilibria[0].nash_conv)]
            expected += [number(value) for value in played.equilibria[0].payoffs]
            for move in played.moves:
                expected += [f"gain {number(c.gain, 4)}" for c in move.candidates]
                expected += [f"utility {number(c.utility)}" for c in move.candidates]
        missing = {text for text in expected if re.sub(r"\s+", " ", text) not in page.text}
        assert not missing


def test_figures_hold_the_numbers_of_the_record(records, tmp_path):
    figures = read(run_folder(tmp_path / "run", records[:1])).figures
    record = records[0]
    stages = [played.equilibria[0].weights for played in record.rounds] + [record.weights]
    for player in (0, 1):
        areas = {trace["name"]: trace["y"] for trace in figures[f"n1-pool-{player}"]["data"]}
        assert np.allclose(np.sum(list(areas.values()), axis=0), 1.0, atol=1e-5)
        letter = "AB"[player]
        assert np.allclose(
            [areas[f"{letter}1"][s] for s in range(len(stages))], [w[player][0] for w in stages], atol=1e-6
        )
    game = build_metagame(record.pools, Utility.standard(0.5, 0.5, 0.2))
    rows, columns = figures["n1-payoff-0-1"]["data"][0]["z"], figures["n1-payoff-1-0"]["data"][0]["z"]
    assert np.allclose(rows, game.own[0][:, None] + game.pairs[0, 1], atol=1e-6)
    # Both heat maps have player 0 on the rows.
    assert np.allclose(columns, (game.own[1][:, None] + game.pairs[1, 0]).T, atol=1e-6)


def test_displayed_payoffs_sum_to_expected_payoffs_for_three_players():
    record = negotiated(TAX, players=3, seed=1)
    total = np.zeros(3)
    for pair in view(record, "n1").payoffs:
        total[pair.payee] += record.weights[pair.row] @ pair.values @ record.weights[pair.column]
    assert total == pytest.approx(record.final.payoffs)


def test_plotly_takes_every_figure(records, tmp_path):
    graph_objects = pytest.importorskip("plotly.graph_objects")
    three = negotiated(Topic("three", "Three?"), players=3, seed=2)
    figures = read(run_folder(tmp_path / "run", [*records, three])).figures
    assert len(figures) == 2 * 6 + (3 + 6 + 2) + 2
    for spec in figures.values():
        # The page's script puts colours in place of the names of CSS properties.
        plain = json.loads(re.sub(r'"--[\w/.]+"', '"#123456"', json.dumps(spec)))
        graph_objects.Figure(data=plain["data"], layout=plain["layout"])
        assert spec["alt"]


def test_every_figure_has_a_place_a_name_and_a_table(records, tmp_path):
    page = read(run_folder(tmp_path / "run", records))
    plots = {attrs["id"]: attrs for _, attrs in page.tags if attrs.get("class") == "plot"}
    assert set(plots) == set(page.figures)
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in plots.values())
    tables = [tag for tag, _ in page.tags if tag == "table"]
    assert len(tables) == len(plots) + 1  # and the summary


def test_headings_go_down_one_level_at_a_time_and_ids_are_unique(records, tmp_path):
    page = read(run_folder(tmp_path / "run", records, [FAILURE]))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(set(page.ids())) == len(page.ids())
    targets = {attrs["href"].removeprefix("#") for tag, attrs in page.tags if tag == "a"}
    assert targets <= set(page.ids())


def test_one_topic_is_open_and_without_overview(records, tmp_path):
    page = read(run_folder(tmp_path / "run", records[:1]))
    (topic,) = [attrs for _, attrs in page.tags if attrs.get("class") == "topic"]
    assert "open" in topic
    assert "overview" not in page.ids()


def test_failures_only(tmp_path):
    page = read(run_folder(tmp_path / "run", [], [FAILURE]))
    assert "No negotiation finished; 1 failed." in page.text
    assert FAILURE["message"] in page.text
    assert "Should a city ban cars?" in page.text
    assert not page.figures


def test_nothing_at_all(tmp_path):
    assert "No negotiation of this run has finished." in read(run_folder(tmp_path / "run", [])).text


def test_a_failure_that_was_made_good_is_not_listed(records, tmp_path):
    mended = {**FAILURE, "negotiation_id": records[0].negotiation_id, "message": "mended since"}
    twice = {**FAILURE, "message": "the later one"}
    page = read(run_folder(tmp_path / "run", records, [mended, FAILURE, twice]))
    assert "mended since" not in page.text
    assert FAILURE["message"] not in page.text
    assert "the later one" in page.text


def test_a_damaged_record_hides_no_other(records, tmp_path):
    run = run_folder(tmp_path / "run", records)
    (run / "negotiations" / "broken.parquet").write_bytes(b"PAR1 or not")
    page = read(run)
    assert "broken.parquet" in page.text
    assert all(record.topic.text in page.text for record in records)


def test_not_converged_is_said(tmp_path):
    record = negotiated(TAX, seed=3, rounds=1)
    assert not record.converged
    text = read(run_folder(tmp_path / "run", [record])).text
    assert "Not converged: the limit of 1 round was reached." in text
    assert "0 of 1" in text


def test_a_round_without_candidates_and_an_own_utility_term(tmp_path):
    silent = Proposals(malformed=2, missing=("adversarial", "complementary", "innovative"))
    config = GameConfig(solver=LogitConfig(), rounds=2)
    record = play([ScriptedOracle(0, {1: silent}), ScriptedOracle(90)], config)
    page = read(run_folder(tmp_path / "run", [record]))
    assert "gave nothing usable for: adversarial, complementary, innovative" in page.text
    shown = view(record, "n1")
    assert shown.sides[0].malformed == 2

    class Lucky:
        name, weight = "luck", 0.1

        def own(self, pool):
            return np.ones(len(pool))

    utility = Utility((*Utility.standard(0.5, 0.5, 0.2).terms, Lucky()))
    lucky = play([ScriptedOracle(0), ScriptedOracle(90)], config, utility=utility)
    page = read(run_folder(tmp_path / "lucky", [lucky]))
    assert view(lucky, "n1").payoffs == ()
    assert "cannot be computed again from the record" in page.text


def test_the_page_grows_by_no_more_than_stated(tmp_path):
    words = "considered words of some length that a culture might say about this " * 6
    sizes = []
    for count in (1, 9):
        items = [
            negotiated(Topic(f"t{k}", f"Question {k}?"), seed=k, rounds=4, say=lambda text: f"{text} {words}")
            for k in range(count)
        ]
        sizes.append(write_report(run_folder(tmp_path / f"run{count}", items)).stat().st_size)
    assert (sizes[1] - sizes[0]) / 8 < BYTES_PER_NEGOTIATION
    assert sizes[0] < 6_000_000


def test_wrong_folders_are_named(tmp_path):
    with pytest.raises(RunError, match="holds no run"):
        write_report(tmp_path)
    run = run_folder(tmp_path / "run", [])
    (run / "failures.jsonl").write_text('{"message": "whole"}\n{"mess')
    with pytest.raises(RecordError, match="line 2"):
        write_report(run)
    (run / "failures.jsonl").write_text(json.dumps({"message": "a\u2028b"}, ensure_ascii=False) + "\n")
    assert [failure.message for failure in read_run(run).failures] == ["a\u2028b"]
    (run / "failures.jsonl").unlink()
    (run / "metrics.json").write_text("[]")
    with pytest.raises(RecordError, match=r"metrics\.json"):
        read_run(run)


def test_records_come_by_category_and_topic(records, tmp_path):
    view_of_run = read_run(run_folder(tmp_path / "run", records[::-1]))
    assert [item.topic_id for item in view_of_run.negotiations] == ["tax", "vote"]
    assert [item.anchor for item in view_of_run.negotiations] == ["n1", "n2"]
    assert view_of_run.negotiations[0].sides[0].name == "English-Speaking"


def test_picture(records, tmp_path):
    pytest.importorskip("matplotlib")
    strange = negotiated(
        Topic("t", r"Is $\frac{1}$ 文 <b>half</b>?"), seed=3, say=lambda text: f"$x_{{ {text} 文"
    )
    for k, items in enumerate(([*records], [strange], [negotiated(TAX, players=3, seed=1)])):
        png = write_picture(run_folder(tmp_path / f"run{k}", items), tmp_path / f"{k}.png")
        assert png.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(RunError, match="no finished negotiation"):
        write_picture(run_folder(tmp_path / "none", []), tmp_path / "none.png")
