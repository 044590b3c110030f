"""Nothing that anybody can send meets a defect: generated reviews, and good ones spoiled.

The endpoint is called without a server, so that tens of thousands of reviews take seconds.
"""

import json
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dra_config.catalogue import Severity
from dra_config.claims import CONFIG_LISTS, SERVED_VERSIONS, OpaqueConfig, judge_config
from dra_config.loading import examine
from dra_config.scheme import COMPUTE_DOMAIN_DRIVER, DRIVERS, GPU_DRIVER
from dra_config.violations import Violation
from logs.lines import Log, LogLevel
from tests.dra_config.strategies import (
    GATES,
    Repetition,
    any_json,
    dumps,
    legacy_configs,
    paths,
    repetitions,
    spoiled,
    wire_configs,
)
from tests.webhook.asked import a_review, an_object, config, domain_entry, entry
from webhook.admission import Policy
from webhook.admission import review as judge
from webhook.app import REVIEW_PATH, ReviewEndpoint
from webhook.decisions import DecisionLog
from webhook.limits import Limits
from webhook.review import AdmissionRequest, Decision
from webhook.telemetry import SharedMemory, Telemetry

POLICY = Policy(drivers=frozenset(DRIVERS), gates=GATES)
UID = "0c9f3d52-6a1b-4e7d-b8c4-5e2f90a1d376"


@dataclass
class Answer:
    """What came back over HTTP."""

    status: int
    body: bytes

    @property
    def response(self) -> dict[str, Any]:
        review = json.loads(self.body)
        assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
        response: dict[str, Any] = review["response"]
        return response


def verdict(request: AdmissionRequest) -> Decision:
    return judge(request, POLICY)


@dataclass
class Fuzzed:
    """An endpoint, and what became of all that was sent to it."""

    lines: list[bytes] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.memory = SharedMemory(1)
        self._telemetry = Telemetry(self.memory.row(0))
        log = Log(self.lines.append, lambda: 0.0, LogLevel.INFO)
        self._endpoint = ReviewEndpoint(
            verdict,
            limits=Limits(),
            log=log,
            decisions=DecisionLog(log),
            telemetry=self._telemetry,
            draining=lambda: False,
        )

    @property
    def panics(self) -> int:
        """How many defects were met."""
        return self.memory.row(0).values()["panics_total"]

    def ask(self, body: bytes) -> Answer:
        """Send *body*, and check of the answer what holds whatever it was."""
        self.lines.clear()
        panics = self.panics
        answer = self._post(body)
        assert self.panics == panics, self.lines
        assert self.memory.row(0).values()["in_flight"] == 0
        if answer.status == 200:
            response = answer.response
            self._check(response, body)
            outcome = "allowed" if response["allowed"] else str(response["status"]["code"])
            (line,) = map(json.loads, self.lines)
            assert line["uid"] == response["uid"][:253]
        else:
            assert answer.status == 400
            assert len(answer.body.decode()) > 20
            assert not self.lines
            outcome = "malformed"
        self.outcomes[outcome] += 1
        return answer

    def _post(self, body: bytes) -> Answer:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": REVIEW_PATH, "headers": headers}
        finish(self._endpoint(scope, receive, send))
        start, rest = sent
        return Answer(start["status"], rest["body"])

    @staticmethod
    def _check(response: dict[str, Any], body: bytes) -> None:
        # Another decoder says who asked.
        asked = json.loads(body.decode(errors="replace"), strict=False, parse_int=str)
        assert response["uid"] == asked["request"]["uid"] != ""
        if response["allowed"]:
            assert "status" not in response
            return
        status = response["status"]
        assert status["status"] == "Failure"
        assert status["message"]
        if status["code"] == 400:
            assert "details" not in status
            return
        assert (status["code"], status["reason"]) == (422, "Invalid")
        assert status["details"]["causes"]
        for cause in status["details"]["causes"]:
            assert cause["field"].startswith("spec.")
            assert cause["reason"].startswith("FieldValue")
            assert "dra-config webhook" in cause["message"]


def finish(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run *coroutine*, which has nothing to wait for."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


# ----------------------------------------------------------------------- broken bytes

SHARING = {"strategy": "MPS", "mpsConfig": {"defaultPerDevicePinnedMemoryLimit": {"0": "8Gi"}}}
ENTRIES = (
    entry(config(sharing=SHARING)),
    entry(config(fabricTopologyConfig={"strategy": "Auto", "minBandwidth": 1.5})),
    domain_entry(config("ComputeDomainChannelConfig", domainID=UID)),
    entry({"any": [{"thing": True}]}, "gpu.example.com"),
    '{"requests": ["gpu"]}',
)
BODIES = [
    a_review(
        an_object(ENTRIES, kind=kind, version=version),
        an_object(ENTRIES[::-1], kind=kind, version=version) if updated else "null",
        kind=kind,
        version=version,
        uid=UID,
    )
    for kind in CONFIG_LISTS
    for version in SERVED_VERSIONS
    for updated in (False, True)
]
TOKENS = [
    *(b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"-", b"0", b" ", b"\n", b"\t", b"/*"),
    *(b"null", b"true", b"NaN", b"-Infinity", b"1e400", b"9" * 400, b"0.1e-7", b"[]", b"{}"),
    *(b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xc3\xa9", b"\\u0000", b"\\ud800"),
    *(b"[" * 990, b'{"a":' * 300, b"[[" * 20 + b"]]" * 20),
]
MEMBERS = [
    *(b'"uid":"other"', b'"request":null', b'"object":{}', b'"kind":"DeviceClass"', b'"":0'),
    *(b'"config":[]', b'"parameters":5', b'"opaque":[]', b'"driver":"GPU.nvidia.com"'),
    *(b'"sharing":{"strategy":"No"}', b'"domainID":"x"', b'"\xff":1', b'"x":"\xff"', b'"x":1e999'),
    *(b'"deletionTimestamp":"2026-01-01T00:00:00Z"', b'"k\\u0069nd":"GpuConfig"', b'"kind":5'),
]


def broken(body: bytes, damages: list[tuple[str, int, int, bytes]]) -> bytes:
    """Return *body* after *damages*: what, where, over how many bytes, and a token."""
    for what, position, length, token in damages:
        at = position % (len(body) + 1)
        piece = body[at : at + length]
        match what:
            case "flip":
                piece = bytes(byte ^ (1 << position % 8) for byte in piece[:1]) + piece[1:]
            case "delete":
                piece = b""
            case "duplicate":
                piece *= 2
            case "truncate":
                return body[:at]
            case "insert":
                piece = token + piece
            case "replace":
                piece = token
            case _:
                at = body.find(b"{", at) + 1
                piece = MEMBERS[length % len(MEMBERS)] + b"," + body[at : at + length]
        body = body[:at] + piece + body[at + length :]
    return body


DAMAGES = st.lists(
    st.tuples(
        st.sampled_from(
            ["member", "member", "flip", "insert", "replace", "delete", "duplicate", "truncate"]
        ),
        st.integers(0, 1 << 14),
        st.integers(1, 40),
        st.sampled_from(TOKENS),
    ),
    min_size=1,
    max_size=3,
)

# ------------------------------------------------------------------------ broken JSON

TREES = [json.loads(body) for body in BODIES]
PLACES = [(tree, path) for tree in TREES for path in paths(tree)]
TEXTS = any_json.map(json.dumps) | st.sampled_from(
    [
        *("NaN", "-Infinity", "1e400", "-1e400", "9" * 400, "1" * 5000, "-0", "1.0", "0e0"),
        *('"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\\ud83d\\ude00"', "[" * 400 + "]" * 400),
        *('{"a":' * 400 + "1" + "}" * 400, "[" * 5000 + "]" * 5000, '{"a": 1, "a": 2}', '""'),
        *('{"uid": "x", "uid": ""}', '"CREATE"', '"DELETE"', '"DeviceClass"', '"v1beta1"'),
        *('"2026-01-01T00:00:00Z"', '[{"opaque": {"driver": "gpu.nvidia.com"}}]', "[null]"),
    ]
)
PLACEHOLDER = '"\\u0001"'


def respelled(place: tuple[Any, tuple[str | int, ...]], change: str, text: str) -> bytes:
    """Return the review with *text* in the *place* of a value, or beside it under its key."""
    tree, path = place
    again = None
    if change == "repeat" and isinstance(path[-1], str):
        again = Repetition(path[:-1], path[-1], "\x01", first=len(text) % 2 == 0)
        whole = dumps(tree, again=again)
    else:
        whole = dumps(replaced(tree, path, None if change == "null" else "\x01"))
    return whole.replace(PLACEHOLDER, text).encode()


def replaced(tree: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """Return a copy of *tree* with *value* at *path*."""
    if not path:
        return value
    part, *rest = path
    copy = tree.copy()
    copy[part] = replaced(tree[part], tuple(rest), value)
    return copy


# -------------------------------------------------------------- configs in a whole review


@st.composite
def repeated(draw: st.DrawFn) -> str:
    tree, again = draw(repetitions())
    return dumps(tree, again=again)


GOOD = (wire_configs | legacy_configs).map(json.dumps)
PARAMETERS = GOOD | spoiled().map(json.dumps) | repeated() | TEXTS
DRIVER_NAMES = st.sampled_from(
    [*(4 * [GPU_DRIVER]), COMPUTE_DOMAIN_DRIVER, "GPU.nvidia.com", "gpu.nvidia.co", "gpu.amd.com"]
)
CONFIGS = st.lists(st.tuples(DRIVER_NAMES, PARAMETERS), max_size=3)


def expected(kind: str, configs: list[tuple[str, str]]) -> list[Violation]:
    """Return what the library itself finds in *configs*."""
    entries = [
        OpaqueConfig(index, driver, None if text == "null" else text.encode())
        for index, (driver, text) in enumerate(configs)
    ]
    return [
        violation
        for entry in entries
        for violation in judge_config(kind, entry, drivers=POLICY.drivers, gates=POLICY.gates)
    ]


def is_json(text: str) -> bool:
    return "DRA001" not in [violation.rule for violation in examine(text).violations]


def compare(answer: Answer, found: list[Violation], texts: list[str]) -> None:
    """Hold the answer to a review whose envelope is whole against the library's verdict."""
    errors = [violation for violation in found if violation.severity is Severity.ERROR]
    unreadable = answer.status == 400 or (
        not answer.response["allowed"] and answer.response["status"]["code"] == 400
    )
    if unreadable:
        # What is no JSON inside of parameters is none in the review around them, either.
        assert not all(map(is_json, texts))
        return
    response = answer.response
    assert response["allowed"] is not bool(errors)
    causes = response["status"]["details"]["causes"] if errors else []
    assert [cause["field"] for cause in causes] == [violation.field for violation in errors]
    for cause, violation in zip(causes, errors, strict=True):
        assert cause["message"] == f"{violation.message} (dra-config webhook, {violation.rule})"
    soft = [violation for violation in found if violation not in errors]
    warned = [warning.partition(" ")[0] for warning in response.get("warnings", [])]
    assert set(warned) == {violation.rule for violation in soft}
    assert all(len(warning) <= 256 for warning in response.get("warnings", []))
    spoken = dict.fromkeys(violation.rule for violation in (*errors, *soft))
    assert response.get("auditAnnotations", {}).get("rules", "") == ",".join(spoken)


# --------------------------------------------------------------------------------- tests


def fuzz(examples: int) -> Fuzzed:
    """Send that many reviews of each of three sorts, and return what became of them."""
    fuzzed = Fuzzed()

    @given(st.sampled_from(BODIES), DAMAGES)
    def broken_bytes(body: bytes, damages: list[tuple[str, int, int, bytes]]) -> None:
        fuzzed.ask(broken(body, damages))

    @given(st.sampled_from(PLACES), st.sampled_from(["replace", "repeat", "null"]), TEXTS)
    def broken_json(place: tuple[Any, tuple[str | int, ...]], change: str, text: str) -> None:
        fuzzed.ask(respelled(place, change, text))

    @given(
        st.sampled_from(list(CONFIG_LISTS)),
        st.sampled_from(SERVED_VERSIONS),
        st.booleans(),
        CONFIGS,
    )
    def any_configs(
        kind: str,
        version: str,
        updated: bool,  # noqa: FBT001 - hypothesis passes what it draws by place
        configs: list[tuple[str, str]],
    ) -> None:
        new = an_object(
            [entry(text, driver) for driver, text in configs], kind=kind, version=version
        )
        old = an_object([], kind=kind, version=version) if updated else "null"
        answer = fuzzed.ask(a_review(new, old, kind=kind, version=version))
        compare(answer, expected(kind, configs), [text for _, text in configs])

    for sort in (broken_bytes, broken_json, any_configs):
        run: Callable[[], None] = settings(max_examples=examples)(sort)
        run()
    return fuzzed


def check(fuzzed: Fuzzed, least: int) -> None:
    """Make sure that enough was answered, half of it with a verdict, and in every way there is."""
    outcomes = fuzzed.outcomes
    assert fuzzed.panics == 0
    assert outcomes.total() >= least, outcomes
    assert outcomes["allowed"] + outcomes["422"] >= least // 2, outcomes
    for outcome in ("allowed", "422", "400", "malformed"):
        assert outcomes[outcome] >= least // 20, outcomes


def test_ten_thousand_reviews_meet_no_defect_and_get_the_librarys_verdict() -> None:
    check(fuzz(3_400), 10_000)


@pytest.mark.deep
def test_a_hundred_thousand_reviews_meet_no_defect_and_get_the_librarys_verdict() -> None:
    check(fuzz(34_000), 100_000)
