"""Small tables: aligned, also for letters of double width, and safe in a notebook."""

from transferkit.foundation.tables import Table, render_html, render_text

TABLE = Table(("name", "value"), [("a", "1.5"), ("longer", "10.25")], "Title\nsecond line", ["a note"])


def test_text_is_aligned():
    assert render_text(TABLE).splitlines() == [
        "Title",
        "second line",
        "name    value",
        "a         1.5",
        "longer  10.25",
        "a note",
    ]
    assert render_text(TABLE, Table(("x",), [])).endswith("a note\n\nx")


def test_words_can_be_in_any_column():
    lines = render_text(Table(("n", "why"), [("1", "a"), ("10", "because")], left=(1,))).splitlines()
    assert lines == [" n  why", " 1  a", "10  because"]


def test_wide_letters_take_two_columns_and_marks_none():
    lines = render_text(Table(("", "n"), [("日本", "1"), ("abcd", "1"), ("e\u0301bcd", "1")])).splitlines()
    assert lines[1:] == ["日本  1", "abcd  1", "e\u0301bcd  1"]


def test_html_is_escaped_and_plain():
    text = render_html(Table(("<b>",), [("<script>alert(1)</script>",)], "a & b", ['"quoted" <i>'], ()))
    assert "<script" not in text
    assert "<b>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "a &amp; b" in text
    assert "&lt;i&gt;" in text
    assert text.count("<tr>") == 2
    assert "text-align:right" in text
