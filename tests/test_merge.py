"""Values from two homes, and YAML that says a thing once."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.charts import ROOT
from components.merge import Collision, DuplicateKey, leaves, merge, parse_all_yaml, parse_yaml, read_yaml

trees = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda children: st.dictionaries(st.text(min_size=1, max_size=3), children, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(st.text(min_size=1, max_size=3), trees, max_size=4)


def test_nested_mappings_become_one() -> None:
    assert merge({"a": {"b": 1}}, {"a": {"c": 2}, "d": 3}) == {"a": {"b": 1, "c": 2}, "d": 3}


def test_a_leaf_set_twice_is_refused_by_its_path() -> None:
    with pytest.raises(Collision, match=r"^a\.b$"):
        merge({"a": {"b": 1}}, {"a": {"b": 1}})


def test_a_leaf_against_a_mapping_is_refused() -> None:
    with pytest.raises(Collision, match=r"^a$"):
        merge({"a": 1}, {"a": {"b": 1}})


@given(mappings, mappings)
def test_merge_loses_nothing_or_refuses(one: dict[str, Any], other: dict[str, Any]) -> None:
    try:
        both = dict(leaves(merge(one, other)))
    except Collision:
        return
    for path, value in (*leaves(one), *leaves(other)):
        if value != {}:
            assert both[path] == value


@given(mappings)
def test_nothing_merged_with_anything_is_that_thing(values: dict[str, Any]) -> None:
    assert merge(values, {}) == values == merge({}, values)


@given(mappings, mappings)
def test_merge_leaves_its_arguments_alone(one: dict[str, Any], other: dict[str, Any]) -> None:
    before = yaml.safe_dump([one, other])
    with suppress(Collision):
        merge(one, other)
    assert yaml.safe_dump([one, other]) == before


def test_a_duplicate_key_is_named_with_its_line() -> None:
    with pytest.raises(DuplicateKey, match=r"values\.yaml:3: key 'a' stands twice"):
        parse_yaml("a: 1\nb: 2\na: 3\n", "values.yaml")


def test_a_duplicate_key_deep_inside_is_found() -> None:
    with pytest.raises(DuplicateKey, match="key 'x' stands twice"):
        parse_yaml("a:\n  - {x: 1, x: 2}\n")


def test_the_bare_equals_sign_of_some_definitions_is_text() -> None:
    assert parse_all_yaml("enum: [=, '!=']\n---\n---\na: 1\n") == [{"enum": ["=", "!="]}, {"a": 1}]


@pytest.mark.parametrize("file", sorted((ROOT / "components" / "values").glob("*.yaml")), ids=lambda f: f.stem)
def test_our_own_values_files_say_everything_once(file: Any) -> None:
    read_yaml(file)
