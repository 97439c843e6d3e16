"""Secrets and unknowns of the protocol, quantities and shapes of objects: the pure parts under the double."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from rehearsal.doubles.kubernetes import quantities, shapes, state, values
from rehearsal.doubles.kubernetes.values import UNKNOWN, Secret

_LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
_DATA = st.recursive(
    _LEAVES | st.just(UNKNOWN),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3) | inner.map(Secret),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), _DATA, max_size=4))
def test_values_survive_the_way_to_the_engine_and_back(data: dict[str, Any]) -> None:
    assert values.decode(values.encode(data)) == data


def test_a_secret_travels_in_the_envelope_of_the_protocol() -> None:
    written = json_format.MessageToDict(values.encode({"key": Secret({"a": UNKNOWN})}))
    assert written == {
        "key": {
            "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
            "value": {"a": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"},
        }
    }


@pytest.mark.parametrize("text", ["3eeb2bf0-c639-47a8-9e75-3b44932eb421", "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2"])
def test_unknown_numbers_and_lists_are_unknown_too(text: str) -> None:
    assert values.has_unknown(values.decode(json_format.ParseDict({"a": [{"b": text}]}, values.encode({}))))


def test_an_output_is_secret_where_its_input_is_and_no_further() -> None:
    outputs = {"spec": {"plain": "a", "env": [{"value": "s"}]}, "status": "b"}
    values.keep_secrets(outputs, {"spec": {"plain": "a", "env": [{"value": Secret("s")}]}})
    assert outputs == {"spec": {"plain": "a", "env": Secret([{"value": "s"}])}, "status": "b"}


def test_the_data_of_a_secret_is_secret_even_if_the_program_did_not_say_so() -> None:
    kept = state.written({"kind": "Secret", "data": {"a": "Yg=="}}, {"kind": "Secret", "data": {"a": "Yg=="}}, {"data": {}}, "m", "v1")
    assert kept["data"] == Secret({"a": "Yg=="}) == kept["__inputs"]["data"]


@pytest.mark.parametrize(
    ("given_quantity", "canonical"),
    [
        ("1000m", "1"), ("1500m", "1500m"), ("0.5", "500m"), (1, "1"), (0.25, "250m"), ("1000", "1k"), ("1024", "1024"), ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"), ("0.5Ki", "512"), ("2000Mi", "2000Mi"), ("1e3", "1e3"), ("10Gi", "10Gi"), ("0", "0"), ("100G", "100G"),
        ("1000G", "1T"), ("0.0000000001", "1n"), ("much", "much"), (True, True),
    ],
)  # fmt: skip
def test_a_quantity_is_written_as_the_api_server_writes_it(given_quantity: Any, canonical: Any) -> None:
    assert quantities.canonical(given_quantity) == canonical


def test_quantities_are_known_by_their_place() -> None:
    container = {"name": "1000m", "resources": {"requests": {"cpu": "1000m"}, "limits": {"memory": "1024Mi"}}}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": [container]}}}}
    (found,) = shapes.normal(deployment)["spec"]["template"]["spec"]["containers"]
    assert found == {"name": "1000m", "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}}


def test_a_custom_resource_keeps_its_quantities_as_its_controller_alone_knows_them() -> None:
    custom = {"apiVersion": "example.com/v1", "kind": "Thing", "spec": {"limits": {"memory": "1024Mi"}}}
    assert shapes.normal(custom) == custom


def test_string_data_becomes_data_and_wins_over_it() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "data": {"a": "b2xk", "b": "eA=="}, "stringData": {"a": "new"}}
    assert shapes.normal(secret)["data"] == {"a": base64.b64encode(b"new").decode(), "b": "eA=="}
    assert "stringData" not in shapes.normal(secret)


def test_what_only_the_api_server_sets_is_dropped_from_inputs() -> None:
    inputs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": "u", "resourceVersion": "1", "generation": 2}}
    assert shapes.normal(inputs)["metadata"] == {"name": "a"}


def test_live_state_is_cut_down_to_what_the_inputs_speak_of() -> None:
    live = {"a": {"b": 1, "c": 2}, "list": [{"x": 1, "y": 2}, {"x": 3}], "status": {}}
    inputs = {"apiVersion": "example.com/v1", "a": {"b": 0}, "list": [{"x": 0}]}
    assert shapes.pruned(live, inputs) == {"a": {"b": 1}, "list": [{"x": 1}]}


def test_empty_values_that_the_api_server_leaves_out_are_no_difference() -> None:
    inputs = {"apiVersion": "v1", "kind": "ConfigMap", "data": {}, "metadata": {"labels": {}}}
    assert shapes.pruned({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"uid": "u"}}, inputs) == inputs


def test_the_schema_keys_that_python_cannot_write_have_dashes_in_the_object() -> None:
    properties = {"kind": "CustomResourceDefinition", "schema": {"x_kubernetes_preserve_unknown_fields": True}}
    assert shapes.from_inputs(properties)["schema"] == {"x-kubernetes-preserve-unknown-fields": True}
    assert shapes.to_properties(shapes.from_inputs(properties)) == properties
