"""Replacing values and tidying texts, on small frames."""

from decimal import Decimal
from typing import Any

import pytest

from services.etl.handlers.clean_text import CleanText
from services.etl.handlers.replace_values import ReplaceValues
from services.etl.pipeline.step import ParamsInvalid
from tests.unit.etl_data.handling import codes, columns, faults, worked

GIVEN = columns(a="text", short="varchar(3)", n="decimal(5,2)", j="json", m="timestamptz")


class TestReplaceValues:
    def replaced(self, values: list[Any], *, kind: str = "text", **params: Any) -> tuple[list[Any], Any]:
        params["rules"] = [{"find": find, "put": put} for find, put in params["rules"]]
        handler = ReplaceValues.of({"columns": ["a"], **params})
        rows, context = worked(handler, columns(a=kind), [{"a": value} for value in values])
        return [row["a"] for row in rows], codes(context)

    def test_whole_values_change_places_and_null_is_one_of_them(self) -> None:
        rules = [("x", "y"), ("y", "x"), (None, "none"), ("", None)]
        assert self.replaced(["x", "y", None, "", "xy"], rules=rules)[0] == ["y", "x", "none", None, "xy"]

    @pytest.mark.parametrize(
        ("kind", "rules", "values", "after"),
        [
            ("decimal(5,2)", [("1.5", 2), (0, None)], [Decimal("1.50"), Decimal(0)], [Decimal(2), None]),
            ("boolean", [(True, False)], [True, None], [False, None]),
            ("int64", [(2**62, 1)], [2**62, 2**62 + 1], [1, 2**62 + 1]),
            ("bytes", [("00ff", "01")], [b"\x00\xff", b""], [b"\x01", b""]),
        ],
    )
    def test_values_have_the_type_of_the_column(self, kind: str, rules: Any, values: Any, after: Any) -> None:
        assert self.replaced(values, kind=kind, rules=rules)[0] == after

    def test_values_that_no_rule_names_may_be_null_or_rejected(self) -> None:
        rules = [("x", "X")]
        assert self.replaced(["x", "y", None], rules=rules, others="null")[0] == ["X", None, None]
        assert self.replaced(["x", "y", None], rules=rules, others="reject") == (
            ["X", None],
            [(2, "a", "y", "value_unknown")],
        )

    @pytest.mark.parametrize(
        ("match", "rules", "after"),
        [
            ("part", [("a.", "-"), ("-", "+")], ["+b", "Axxb", None]),
            ("pattern", [("(?i)a(.)", r"\1\\"), ("b$", "")], [".\\", "x\\x", None]),
        ],
    )
    def test_parts_are_replaced_rule_after_rule(self, match: str, rules: Any, after: Any) -> None:
        assert self.replaced(["a.b", "Axxb", None], match=match, rules=rules)[0] == after

    @pytest.mark.parametrize(("match", "find"), [("value", "straSSE."), ("part", "E."), ("pattern", "e[.]")])
    def test_case_may_be_without_meaning(self, match: str, find: str) -> None:
        after, _ = self.replaced(["STRAsse.", "x"], match=match, rules=[(find, r"\\1")], case_sensitive=False)
        assert (
            after
            == {"value": [r"\\1", "x"], "part": [r"STRAss\\1", "x"], "pattern": [r"STRAss\1", "x"]}[match]
        )

    def test_what_gets_too_long_for_its_column_is_rejected(self) -> None:
        after = self.replaced(["abc", "x"], kind="varchar(3)", match="part", rules=[("a", "aa")])
        assert after == (["x"], [(1, "a", "abc", "too_long")])

    def test_only_null_that_is_filled_makes_a_column_not_nullable(self) -> None:
        def nullable(**params: Any) -> bool:
            handler = ReplaceValues.of({"columns": ["a"], **params})
            return handler.columns_out(columns(a="text")).get("a").nullable

        assert nullable(rules=[{"find": "x", "put": "y"}])
        assert nullable(rules=[{"find": None, "put": "y"}], others="null")
        assert not nullable(rules=[{"find": None, "put": "y"}])

    @pytest.mark.parametrize(
        ("params", "places"),
        [
            ({"columns": ["z", "j"]}, [("columns", 0), ("columns", 1)]),
            ({"columns": ["n"], "match": "part"}, [("columns", 0)]),
            ({"columns": ["n"]}, [("rules", 0, "find")]),
            ({"columns": ["short"], "rules": [{"find": "x", "put": "long"}]}, [("rules", 0, "put")]),
            ({"rules": [{"find": "x"}, {"find": "y"}, {"find": "x"}]}, [("rules", 2, "find")]),
            ({"rules": [{"find": "x"}, {"find": "X"}], "case_sensitive": False}, [("rules", 1, "find")]),
            ({"match": "part", "rules": [{"find": "", "put": ""}]}, [("rules", 0, "find")]),
            ({"match": "part", "rules": [{"find": "x"}]}, [("rules", 0, "put")]),
            ({"match": "pattern", "rules": [{"find": "(", "put": ""}]}, [("rules", 0, "find")]),
            ({"match": "pattern", "rules": [{"find": "(a)", "put": r"\2"}]}, [("rules", 0, "put")]),
            ({"match": "pattern", "rules": [{"find": "(a)", "put": "\\"}]}, [("rules", 0, "put")]),
            ({"match": "pattern", "rules": [{"find": "(a)", "put": r"\\\n"}]}, [("rules", 0, "put")]),
        ],
    )
    def test_what_can_not_be_replaced_is_named(self, params: Any, places: Any) -> None:
        rules = [{"find": "x", "put": "y"}]
        assert faults(ReplaceValues, {"columns": ["a"], "rules": rules, **params}, GIVEN) == places


class TestCleanText:
    @pytest.mark.parametrize(
        ("params", "text", "after"),
        [
            ({}, "\u00a0 x \u2003y\t", "x \u2003y"),
            ({"trim": False}, " x ", " x "),
            ({"collapse": True, "trim": False}, " x\u00a0\u2003\n\x85y\x0b\x1cz", " x y z"),
            ({"case": "lower"}, "ÄX", "äx"),
            ({"case": "upper"}, "äx", "ÄX"),
            ({"case": "title"}, "new york", "New York"),
            ({"normal_form": "NFC"}, "e\u0301", "é"),
            ({"normal_form": "NFD"}, "é", "e\u0301"),
            ({"normal_form": "NFKC"}, "ﬁ½", "fi1⁄2"),
            ({"remove": ["control"]}, "a\x01\tb\x7f\x85\u200bc", "a\tb\u200bc"),
            ({"remove": ["invisible"]}, "a\x01\u200b\u00ad\ufeffb", "a\x01b"),
            ({"empty_to_null": True}, "  ", None),
            ({"remove": ["invisible"], "empty_to_null": True}, "\u200b", None),
            ({}, "", ""),
            ({"empty_to_null": True, "case": "title", "collapse": True}, None, None),
        ],
    )
    def test_texts_are_tidied(self, params: Any, text: str | None, after: str | None) -> None:
        rows, _ = worked(CleanText.of({"columns": ["a"], **params}), columns(a="text"), [{"a": text}])
        assert rows == [{"a": after}]

    def test_what_gets_too_long_for_its_column_is_rejected(self) -> None:
        handler = CleanText.of({"columns": ["a"], "normal_form": "NFKC"})
        assert codes(worked(handler, columns(a="varchar(1)"), [{"a": "ﬁ"}, {"a": "f"}])[1]) == [
            (1, "a", "ﬁ", "too_long")
        ]

    def test_columns_that_are_no_text_are_named(self) -> None:
        assert faults(CleanText, {"columns": ["a", "n", "z"]}, GIVEN) == [("columns", 1), ("columns", 2)]

    def test_a_kind_of_characters_that_is_not_known_is_refused(self) -> None:
        with pytest.raises(ParamsInvalid):
            CleanText.of({"columns": ["a"], "remove": ["vowels"]})
