"""Topics: the shipped thirty, three file formats, and every fault by line and field."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from agents.topics import EXAMPLE_TOPICS, MAX_TOPIC_CHARS, Topic, load_topics, topic_from_text
from negotiation.errors import TopicError


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def test_thirty_questions_ship_five_in_each_of_six_categories() -> None:
    topics = load_topics(EXAMPLE_TOPICS)
    assert Counter(topic.category for topic in topics) == {
        "International Relations and Security": 5,
        "Religion and Secularism": 5,
        "Politics and Governance": 5,
        "Gender and Family Roles": 5,
        "Law and Ethics": 5,
        "Social Norms and Modernization": 5,
    }
    assert all(topic.text.endswith("?") and len(topic.text) < 160 for topic in topics)
    assert len({topic.text for topic in topics}) == 30


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.yaml", "- id: a\n  text: Why, then?\n  category: Law\n- {id: 2, text: 'Ünd?'}\n"),
        ("t.YML", "- id: a\n  text: >\n    Why, then?\n  category: Law\n- {id: '2', text: \"Ünd?\"}\n"),
        (
            "t.jsonl",
            '{"id": "a", "text": "Why, then?", "category": "Law"}\n\n{"id": 2, "text": "\\u00dcnd?"}\n',
        ),
        ("t.csv", 'id,text,category\na,"Why, then?",Law\n\n2,Ünd?,\n'),
        ("bom.csv", '\ufeffcategory,id,text\r\nLaw,a,"Why, then?"\r\n,2,Ünd?\r\n'),
    ],
)
def test_the_same_topics_in_every_format(tmp_path: Path, name: str, content: str) -> None:
    assert load_topics(written(tmp_path, name, content)) == (
        Topic("a", "Why, then?", "Law"),
        Topic("2", "Ünd?", "uncategorised"),
    )


def test_a_csv_text_may_run_over_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", 'id,text\na,"One\ntwo?"\na,Again?\n')
    with pytest.raises(TopicError, match="line 4, field 'id': 'a' is also the id in line 2"):
        load_topics(path)
    path = written(tmp_path, "t.csv", 'id,text\na,"One\ntwo?"\nb,Again?\n')
    assert load_topics(path)[0].text == "One\ntwo?"


LONG = "x" * (MAX_TOPIC_CHARS + 1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        # YAML
        ("t.yaml", "- id: a\n  text: b\n- id: [\n", "line 4: malformed YAML"),
        ("t.yaml", "- id: a\n\ttext: b\n", "line 2: malformed YAML"),
        ("t.yaml", "- text: '\x07'\n", "malformed YAML: unacceptable character"),
        ("t.yaml", "[" * 3000, "malformed YAML"),
        ("t.yaml", "id: a\ntext: b\n", "line 1: expected a list of topics"),
        ("t.yaml", "- id: a\n  text: b\n- only words\n", "line 3: expected a topic with id, text, category"),
        ("t.yaml", "- id: a\n  text: b\n- id: c\n", "line 3, field 'text': missing; every topic needs it"),
        ("t.yaml", "- text: b\n", "line 1, field 'id': missing"),
        ("t.yaml", "- id: a\n  text:\n", "line 2, field 'text': empty"),
        ("t.yaml", "- id: a\n  text: b\n  category: ''\n", "line 3, field 'category': empty"),
        (
            "t.yaml",
            "- id: a\n  text: b\n  topic: c\n",
            "line 3, field 'topic': unknown; a topic has id, text",
        ),
        ("t.yaml", "- id: a\n  text: b\n  text: c\n", "line 3, field 'text': given twice"),
        ("t.yaml", "- id: a\n  text: [b]\n", "line 2, field 'text': a list or mapping; it must be text"),
        (
            "t.yaml",
            "- {id: a, text: b}\n- id: A\n  text: c\n",
            "line 2, field 'id': 'A' is also the id in",
        ),
        ("t.yaml", "- id: a/b\n  text: c\n", "line 1, field 'id': 'a/b' is no file name"),
        ("t.yaml", "- id: ..\n  text: c\n", r"line 1, field 'id': '\.\.' is no file name"),
        (
            "t.yaml",
            f"- id: {'a' * 81}\n  text: c\n",
            r"field 'id': .* is no file name; use at most 80",
        ),
        (
            "t.yaml",
            f"- id: a\n  text: {LONG}\n",
            "line 2, field 'text': 2,001 characters; shorten it to at",
        ),
        ("t.yaml", "", "the file has no topics"),
        ("t.yaml", "# nothing\n", "the file has no topics"),
        ("t.yaml", "[]\n", "the file has no topics"),
        # JSONL
        ("t.jsonl", '{"id": "a", "text": "b"}\n{"id": "c",\n', "line 2: malformed JSON"),
        ("t.jsonl", "[" * 30000, "line 1: malformed JSON"),
        ("t.jsonl", '["a"]\n', "line 1: expected an object with id, text, category"),
        ("t.jsonl", '{"id": "a", "text": 7}\n', "line 1, field 'text': 7; it must be text in quotes"),
        ("t.jsonl", '{"id": true, "text": "b"}\n', "line 1, field 'id': true; it must be text in quotes"),
        ("t.jsonl", '{"id": "a", "text": null}\n', "line 1, field 'text': null"),
        ("t.jsonl", '{"id": "a", "text": "b", "text": "c"}\n', "line 1, field 'text': given twice"),
        ("t.jsonl", '{"id": "a", "text": "  "}\n', "line 1, field 'text': empty"),
        (
            "t.jsonl",
            '{"id": "a", "text": "\\ud800"}\n',
            r"line 1, field 'text': .* cannot be written as",
        ),
        ("t.jsonl", "\n\n", "the file has no topics"),
        # CSV
        (
            "t.csv",
            "id,text\na,b,c\n",
            "line 2: 3 cells under 2 columns; put texts that hold commas in",
        ),
        ("t.csv", "id,text\na\n", "line 2: 1 cells under 2 columns"),
        ("t.csv", 'id,text\na,"b"c\n', "line 2: malformed CSV"),
        ("t.csv", 'id,text\na,b\nc,"d\n', "line 3: malformed CSV: unexpected end of data"),
        ("t.csv", f"id,text\na,{'x' * 200_000}\n", "line 2: malformed CSV: field larger"),
        ("t.csv", f"id,text\na,{'x' * 100_000}\n", "line 2, field 'text': 100,000 characters"),
        ("t.csv", "id;text\na;b\n", "line 1, field 'id;text': unknown column; .* separated by commas"),
        ("t.csv", "id,category\na,b\n", "line 1, field 'text': missing column"),
        ("t.csv", "id,text,id\na,b,c\n", "line 1, field 'id': a column given twice"),
        ("t.csv", "id,text\na,\n", "line 2, field 'text': empty"),
        ("t.csv", "id,text\n", "the file has no topics"),
        ("t.csv", "", "the file has no topics"),
        # any
        ("t.txt", "a\n", r"unknown file extension '\.txt'; use \.csv, \.jsonl, \.yaml, \.yml"),
        ("topics", "a\n", "unknown file extension ''"),
        ("t.yaml", b"- id: a\n  text: caf\xe9\n", "line 2: byte 0xe9 is no UTF-8; save the file as UTF-8"),
        ("t.csv", "id,text\na,b\n".encode("utf-16"), "line 1: byte 0xff is no UTF-8"),
    ],
)
def test_a_fault_is_told_by_line_and_field(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(TopicError, match=message) as error:
        load_topics(path)
    assert str(error.value).startswith(f"topics {path}")


def test_a_missing_file_or_a_folder_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(TopicError, match=r"none\.yaml: No such file or directory; give a readable file"):
        load_topics(tmp_path / "none.yaml")
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(TopicError, match=r"folder\.yaml: Is a directory"):
        load_topics(tmp_path / "folder.yaml")


def test_a_text_of_the_greatest_length_is_accepted(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", f"id,text\na,{'x' * MAX_TOPIC_CHARS}\n")
    assert len(load_topics(path)[0].text) == MAX_TOPIC_CHARS


def test_a_topic_from_the_command_line_has_an_id_fit_for_a_file_name() -> None:
    topic = topic_from_text("  Should we ban ../etc and {braces}?  ")
    assert topic.text == "Should we ban ../etc and {braces}?"
    assert topic.id.startswith("should-we-ban-etc-and-braces-")
    assert topic == topic_from_text("Should we ban ../etc and {braces}?")
    assert topic.id != topic_from_text("Should we ban ../etc and {braces}!").id


def test_topics_in_other_scripts_have_different_ids() -> None:
    assert topic_from_text("应该投票吗?").id != topic_from_text("应该休息吗?").id


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "text is empty"),
        ("  \n ", "text is empty"),
        ("x" * 100_000, "text has 100,000 characters; shorten it to at most 2,000"),
        ("caf\udce9", "cannot be written as UTF-8"),
    ],
)
def test_a_wrong_text_on_the_command_line_is_refused(text: str, message: str) -> None:
    with pytest.raises(TopicError, match=message):
        topic_from_text(text)
