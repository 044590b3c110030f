"""The HTTP edge: the review path as a bare ASGI callable, FastAPI behind it for all other paths.

FastAPI's dependencies and responses cost about as much as the whole verdict (measured), so the
path that every claim of the cluster takes does without them.
"""

import time
import traceback
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dra_config.claims import SERVED_VERSIONS
from logs.lines import Log, LogLevel
from webhook.decisions import DecisionLog
from webhook.limits import BodyReader, BodyTooLarge, ClientGone, Limits, TooManyBodies
from webhook.reply import render_decision, render_unusable, rule_ids
from webhook.review import (
    RESOURCES,
    AdmissionRequest,
    Decision,
    MalformedReview,
    UnusableRequest,
    Verdict,
    read_review,
)
from webhook.telemetry import Telemetry

REVIEW_PATH: Final = "/validate-resource-claim-parameters"
Health: TypeAlias = Callable[[], str]
"""Says what is wrong in a few words; an empty text means nothing is."""

_JSON: Final = (b"content-type", b"application/json")
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
_CLOSE: Final = (b"connection", b"close")
_RESOURCE_NAMES: Final = frozenset(RESOURCES.values())
_JUDGED_OPERATIONS: Final = frozenset({"CREATE", "UPDATE"})


class ReviewEndpoint:
    """Answers admission reviews."""

    def __init__(
        self,
        verdict: Verdict,
        *,
        limits: Limits,
        log: Log,
        decisions: DecisionLog,
        telemetry: Telemetry,
        draining: Callable[[], bool],
    ) -> None:
        """Answer with *verdict*; while *draining*, tell clients to come back elsewhere."""
        self._verdict = verdict
        self._limits = limits
        self._bodies = BodyReader(limits)
        self._log = log
        self._decisions = decisions
        self._telemetry = telemetry
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        self._telemetry.enter()
        try:
            code, sentence = self._objection(scope)
            if code:
                await self._refuse(send, code, sentence)
                return
            try:
                body = await self._bodies.read(receive)
            except BodyTooLarge:
                await self._refuse(send, 413, self._too_large())
                return
            except TooManyBodies:
                await self._refuse(send, 503, "too many reviews are being read; try again")
                return
            except ClientGone:
                return
            await self._review(send, body)
        finally:
            self._telemetry.leave()

    def _objection(self, scope: Scope) -> tuple[int, str]:
        """Return the HTTP status that refuses a request before its body, and why; 0 for none."""
        if scope["method"] != "POST":
            return 405, "an AdmissionReview is sent with POST"
        content_type = b""
        content_length = b""
        for name, value in scope["headers"]:
            if name == b"content-type":
                content_type = value
            elif name == b"content-length":
                content_length = value
        if content_type != b"application/json" and not _is_json(content_type):
            return 415, "an AdmissionReview is sent as application/json in UTF-8"
        # The parser has made sure that it is a number.
        if content_length and int(content_length) > self._limits.body_bytes:
            return 413, self._too_large()
        return 0, ""

    def _too_large(self) -> str:
        return f"the body is longer than {self._limits.body_bytes} bytes"

    async def _review(self, send: Send, body: bytes) -> None:
        started = time.perf_counter_ns()
        uid = ""
        try:
            request = read_review(body)
            uid = request.uid
            decision = self._verdict(request)
            answer = render_decision(request, decision)
        except MalformedReview as error:
            await self._refuse(send, 400, str(error))
        except UnusableRequest as error:
            await self._unusable(send, error, started)
        except Exception as error:  # noqa: BLE001 - the outer edge: our own bug, not the user's
            await self._panic(send, uid, error)
        else:
            await self._answer(send, 200, _JSON, answer)
            self._record(request, decision, time.perf_counter_ns() - started)

    def _record(self, request: AdmissionRequest, decision: Decision, nanoseconds: int) -> None:
        allowed = decision.allowed
        telemetry = self._telemetry
        telemetry.decided(
            request.resource if request.resource in _RESOURCE_NAMES else "other",
            request.version if request.version in SERVED_VERSIONS else "other",
            request.operation if request.operation in _JUDGED_OPERATIONS else "other",
            allowed=allowed,
            nanoseconds=nanoseconds,
        )
        for finding in decision.violations:
            telemetry.rejected(finding.driver, finding.kind, finding.violation.rule)
        if self._decisions.shown:
            rules: Iterable[str] = rule_ids(decision)
            self._decisions.decision(
                uid=request.uid,
                operation=request.operation,
                kind=request.kind,
                namespace=request.namespace,
                name=request.name,
                verdict="allowed" if allowed else "denied",
                rules=list(rules),
                nanoseconds=nanoseconds,
            )

    async def _unusable(self, send: Send, error: UnusableRequest, started: int) -> None:
        await self._answer(send, 200, _JSON, render_unusable(error.uid, str(error)))
        self._telemetry.unusable(200)
        if self._decisions.shown:
            self._decisions.decision(
                uid=error.uid,
                verdict="unusable",
                rules=[],
                nanoseconds=time.perf_counter_ns() - started,
            )

    async def _panic(self, send: Send, uid: str, error: Exception) -> None:
        self._telemetry.panicked()
        trace = "".join(traceback.format_exception(error))
        self._log.event(LogLevel.ERROR, "a defect of the webhook", uid=uid, traceback=trace)
        await self._refuse(
            send, 500, f"dra-config webhook: a defect met request {uid}; see its log"
        )

    async def _refuse(self, send: Send, code: int, sentence: str) -> None:
        self._telemetry.unusable(code)
        await self._answer(send, code, _TEXT, f"{sentence}\n".encode())

    async def _answer(
        self, send: Send, code: int, content_type: tuple[bytes, bytes], body: bytes
    ) -> None:
        headers = [content_type, (b"content-length", b"%d" % len(body))]
        if code == 405:  # noqa: PLR2004 - HTTP's own number
            headers.append((b"allow", b"POST"))
        if self._draining():
            headers.append(_CLOSE)
        await send({"type": "http.response.start", "status": code, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def create_rest(*, live: Health, ready: Health, metrics: Callable[[], bytes]) -> FastAPI:
    """Return what answers on all paths but the review's, and on the probe port."""
    rest = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    async def livez() -> PlainTextResponse:
        return _health(live())

    async def readyz() -> PlainTextResponse:
        return _health(ready())

    async def prometheus() -> Response:
        return Response(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    rest.add_api_route("/livez", livez, methods=["GET"])
    rest.add_api_route("/readyz", readyz, methods=["GET"])
    rest.add_api_route("/metrics", prometheus, methods=["GET"])
    return rest


def create_app(review: ASGIApp, rest: ASGIApp) -> ASGIApp:
    """Return the application of the admission port: *review* on its path, else *rest*."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == REVIEW_PATH:
            await review(scope, receive, send)
        else:
            await rest(scope, receive, send)

    return app


def _health(wrong: str) -> PlainTextResponse:
    return PlainTextResponse(f"{wrong or 'ok'}\n", 503 if wrong else 200)


def _is_json(content_type: bytes) -> bool:
    media_type, *parameters = content_type.lower().split(b";")
    if media_type.strip() != b"application/json":
        return False
    charsets = (
        value
        for name, _, value in (p.strip().partition(b"=") for p in parameters)
        if name == b"charset"
    )
    return all(charset.strip(b'" ') == b"utf-8" for charset in charsets)
