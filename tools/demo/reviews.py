"""What an API server would ask about an object, and what kubectl would print of the answer."""

import http.client
import json
import ssl
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from dra_config.claims import GROUP
from tools.demo.examples import ExampleObject
from tools.demo.service import DemoFailed, RunningWebhook

PATH: Final = "/validate-resource-claim-parameters"
NAMESPACE: Final = "demo"
_ANSWER_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The response of an AdmissionReview."""

    response: dict[str, Any]

    @property
    def allowed(self) -> bool:
        """Whether the object is let in."""
        return self.response["allowed"] is True

    @property
    def rules(self) -> tuple[str, ...]:
        """The ids of the rules that spoke."""
        text = self.response.get("auditAnnotations", {}).get("rules", "")
        return tuple(text.split(",")) if text else ()

    def as_kubectl_prints_it(self) -> Iterator[str]:
        """Yield the lines that a user sees; none for an object without a remark."""
        for warning in self.response.get("warnings", ()):
            yield f"Warning: {warning}"
        if self.allowed:
            return
        status = self.response["status"]
        details = status.get("details", {})
        causes = [f"{cause['field']}: {cause['message']}" for cause in details.get("causes", ())]
        if not causes:
            yield f"Error from server ({status['reason']}): {status['message']}"
            return
        head = f'The {details["kind"]} "{details["name"]}" is invalid:'
        yield f"{head} {causes[0]}" if len(causes) == 1 else head
        yield from (f"* {cause}" for cause in causes if len(causes) > 1)


class ReviewClient:
    """Asks a webhook over one connection, the way an API server does."""

    def __init__(self, webhook: RunningWebhook) -> None:
        """Connect to *webhook* on the first question, and trust only its own authority."""
        trust = ssl.create_default_context(cafile=webhook.ca_file)
        self._connection = http.client.HTTPSConnection(
            webhook.address, webhook.port, context=trust, timeout=_ANSWER_SECONDS
        )

    def ask(self, subject: ExampleObject) -> Answer:
        """Return the answer to the creation of *subject*.

        Raises:
            DemoFailed: If there is none, or one to another question.
        """
        uid = str(uuid.uuid4())
        headers = {"Content-Type": "application/json"}
        try:
            self._connection.request("POST", PATH, _review(subject, uid), headers)
            reply = self._connection.getresponse()
            body = reply.read()
        except (OSError, http.client.HTTPException) as error:
            raise DemoFailed(f"the webhook does not answer: {error}") from error
        if reply.status != http.HTTPStatus.OK:
            raise DemoFailed(f"HTTP {reply.status}: {body.decode(errors='replace')}")
        response = json.loads(body)["response"]
        if response["uid"] != uid:
            raise DemoFailed(f"the answer is to {response['uid']}, and {uid} was asked")
        return Answer(response)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _review(subject: ExampleObject, uid: str) -> bytes:
    """Return the review of a CREATE; the object stands in it byte for byte."""
    version = {"group": GROUP, "version": subject.version}
    plural = f"{subject.kind.lower()}{'es' if subject.kind.endswith('s') else 's'}"
    request = {
        "uid": uid,
        "kind": {**version, "kind": subject.kind},
        "resource": {**version, "resource": plural},
        "name": subject.name,
        **({} if subject.kind == "DeviceClass" else {"namespace": NAMESPACE}),
        "operation": "CREATE",
        "userInfo": {"username": "somebody"},
        "oldObject": None,
        "dryRun": False,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
    }
    envelope = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    head = json.dumps({**envelope, "request": request}).removesuffix("}}")
    return b"".join((head.encode(), b', "object": ', subject.json, b"}}"))
