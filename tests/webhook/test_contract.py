"""What the API server gets for what it sends, over real TLS."""

import json
from typing import Any

import httpx
import pytest

from tests.webhook.served import JSON_HEADERS, PATH, Served, config, review


def post(webhook: Served, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with webhook.client() as client:
        return client.post(PATH, content=content, headers={**JSON_HEADERS, **headers})


def answer(webhook: Served, body: Any) -> dict[str, Any]:
    reply = post(webhook, body)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    found = reply.json()
    assert found["apiVersion"] == "admission.k8s.io/v1"
    assert found["kind"] == "AdmissionReview"
    response: dict[str, Any] = found["response"]
    return response


def test_an_accepted_object_gets_the_uid_back_and_nothing_else(webhook: Served) -> None:
    assert answer(webhook, review(config())) == {"uid": "uid-1", "allowed": True}


def test_a_denial_names_every_cause_for_kubectl(webhook: Served) -> None:
    response = answer(webhook, review(config("refuse"), config(), config("refuse")))
    field = "spec.devices.config[{}].opaque.parameters.sharing.strategy"
    message = "'refuse' is no strategy (dra-config webhook, DRA101)"
    cause = {"reason": "FieldValueNotSupported", "message": message}
    assert response == {
        "uid": "uid-1",
        "allowed": False,
        "auditAnnotations": {"rules": "DRA101"},
        "status": {
            "status": "Failure",
            "code": 422,
            "reason": "Invalid",
            "message": (
                f"ResourceClaim \"x\" is invalid: {field.format(0)}: 'refuse' is no strategy "
                f"(DRA101); {field.format(2)}: 'refuse' is no strategy (DRA101)"
            ),
            "details": {
                "group": "resource.k8s.io",
                "kind": "ResourceClaim",
                "name": "x",
                "uid": "object-uid",
                "causes": [{**cause, "field": field.format(index)} for index in (0, 2)],
            },
        },
    }


def test_a_warning_lets_the_object_pass_and_names_its_rule(webhook: Served) -> None:
    response = answer(webhook, review(config("warn")))
    assert response["allowed"] is True
    assert response["warnings"] == [
        "DRA112 spec.devices.config[0].opaque.parameters.sharing.strategy: 'warn' is rounded"
    ]
    assert response["auditAnnotations"] == {"rules": "DRA112"}
    assert "status" not in response


def without(body: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != key}


MALFORMED = {
    "empty": b"",
    "truncated": b'{"apiVersion": "admission.k8s.io/v1", ',
    "list": b"[]",
    "null": b"null",
    "two documents": json.dumps(review()).encode() * 2,
    "too deep": b'{"request":' + b"[" * 100_000,
    "deep but closed": b'{"request":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "no version": json.dumps(without(review(), "apiVersion")).encode(),
    "old version": json.dumps({**review(), "apiVersion": "admission.k8s.io/v1beta1"}).encode(),
    "other kind": json.dumps({**review(), "kind": "Status"}).encode(),
    "no request": json.dumps(without(review(), "request")).encode(),
    "null request": json.dumps({**review(), "request": None}).encode(),
    "wrong case": json.dumps({**without(review(), "request"), "Request": {"uid": "u"}}).encode(),
    "no uid": json.dumps({**review(), "request": {}}).encode(),
    "empty uid": json.dumps(review(uid="")).encode(),
    "uid is a number": json.dumps({**review(), "request": {"uid": 5}}).encode(),
    "YAML": b"apiVersion: admission.k8s.io/v1\nkind: AdmissionReview\n",
    "not UTF-8": b'{"apiVersion": "\xff"}',
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_body_that_nobody_could_answer_gets_400_and_a_sentence(
    webhook: Served, name: str
) -> None:
    reply = post(webhook, MALFORMED[name])
    assert reply.status_code == 400
    assert reply.headers["content-type"].startswith("text/plain")
    assert len(reply.text) > 20


def changed(**changes: Any) -> dict[str, Any]:
    body = review(config("refuse"))
    body["request"].update(changes)
    return body


OBJECT = review(config("refuse"))["request"]["object"]
UNUSABLE = {
    "no object": changed(object=None),
    "object of another kind": changed(object={**OBJECT, "kind": "ResourceClaimTemplate"}),
    "object of another version": changed(
        object={**OBJECT, "apiVersion": "resource.k8s.io/v1beta1"}
    ),
    "old object of another kind": changed(oldObject={**OBJECT, "kind": "DeviceClass"}),
    "object without kind": changed(object=without(OBJECT, "kind")),
    "object is a list": changed(object=[]),
    "config is no list": changed(object={**OBJECT, "spec": {"devices": {"config": {}}}}),
    "driver is a number": changed(
        object={**OBJECT, "spec": {"devices": {"config": [{"opaque": {"driver": 5}}]}}}
    ),
    "unknown operation": changed(operation="PATCH"),
    "no operation": changed(operation=""),
    "foreign kind": changed(kind={"group": "", "version": "v1", "kind": "Pod"}),
    "unserved version": changed(
        kind={"group": "resource.k8s.io", "version": "v1alpha3", "kind": "ResourceClaim"}
    ),
    "resource of another kind": changed(
        resource={"group": "resource.k8s.io", "version": "v1", "resource": "deviceclasses"}
    ),
    "kind is a text": changed(kind="ResourceClaim"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_request_that_cannot_be_judged_is_refused_with_code_400(
    webhook: Served, name: str
) -> None:
    response = answer(webhook, UNUSABLE[name])
    assert response["uid"] == "uid-1"
    assert response["allowed"] is False
    status = response["status"]
    assert (status["code"], status["reason"], status["status"]) == (400, "BadRequest", "Failure")
    assert status["message"].startswith("dra-config webhook: ")
    assert "details" not in status


@pytest.mark.parametrize(
    "body",
    [changed(operation="DELETE", object=None), changed(subResource="status", object=None)],
    ids=["delete", "subresource"],
)
def test_other_operations_and_subresources_are_not_read(
    webhook: Served, body: dict[str, Any]
) -> None:
    assert answer(webhook, body) == {"uid": "uid-1", "allowed": True}


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ('Application/JSON;charset="UTF-8"', 200),
        ("application/json; charset=latin-1", 415),
        ("application/jsonp", 415),
        ("application/yaml", 415),
        ("text/plain", 415),
        ("", 415),
    ],
)
def test_only_json_in_utf_8_is_taken(webhook: Served, content_type: str, status: int) -> None:
    reply = post(webhook, review(), **{"content-type": content_type})
    assert reply.status_code == status


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_post_is_taken(webhook: Served, method: str) -> None:
    with webhook.client() as client:
        reply = client.request(method, PATH)
    assert reply.status_code == 405
    assert reply.headers["allow"] == "POST"


def test_a_defect_of_ours_is_a_500_with_the_uid_and_is_logged_once(webhook: Served) -> None:
    before = webhook.metrics()["panics_total"]
    reply = post(webhook, review(uid="uid-panic", name="panic"))
    assert reply.status_code == 500
    assert "uid-panic" in reply.text
    assert webhook.metrics()["panics_total"] == before + 1
    webhook.line(lambda line: line.get("uid") == "uid-panic")
    logged = [line for line in webhook.lines if line.get("uid") == "uid-panic"]
    assert len(logged) == 1
    assert "a defect that the test asked for" in logged[0]["traceback"]


def test_each_verdict_is_one_log_line_without_the_body(webhook: Served) -> None:
    answer(webhook, review(config("refuse"), config("warn"), uid="uid-logged", name="named"))
    line = webhook.line(lambda line: line.get("uid") == "uid-logged")
    assert {key: line[key] for key in line if key not in {"time", "milliseconds"}} == {
        "level": "info",
        "message": "reviewed",
        "uid": "uid-logged",
        "operation": "CREATE",
        "kind": "ResourceClaim",
        "namespace": "team",
        "name": "named",
        "verdict": "denied",
        "rules": ["DRA101", "DRA112"],
    }
    assert line["milliseconds"] > 0


def test_verdicts_and_refused_configs_are_counted(webhook: Served) -> None:
    labels = 'allowed="false",operation="CREATE",resource="resourceclaims",version="v1"'
    requests = f"requests_total{{{labels}}}"
    rejected = 'rejected_configs_total{driver="gpu.nvidia.com",kind="GpuConfig",rule="DRA101"}'
    count = "request_duration_seconds_count"
    before = webhook.metrics()
    answer(webhook, review(config("refuse"), config("refuse")))
    post(webhook, b"[]")
    after = webhook.metrics()
    assert after[requests] == before.get(requests, 0) + 1
    assert after[rejected] == before.get(rejected, 0) + 2
    assert after[count] == before[count] + 1
    assert after['request_duration_seconds_bucket{le="+Inf"}'] == after[count]
    wrong = 'unusable_requests_total{code="400"}'
    assert after[wrong] == before.get(wrong, 0) + 1
    assert after["in_flight"] == 0


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_both_ports_answer_probes(webhook: Served, path: str) -> None:
    with webhook.client() as client:
        assert client.get(path).text == "ok\n"
        assert client.get("/no-such-page").status_code == 404
    assert webhook.probe(path).text == "ok\n"


def test_the_probe_port_takes_no_reviews(webhook: Served) -> None:
    url = f"http://127.0.0.1:{webhook.probe_port}{PATH}"
    assert httpx.post(url, json=review(), trust_env=False).status_code == 404
