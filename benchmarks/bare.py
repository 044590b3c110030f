"""The peer of the webhook: the same server and certificate around an app that does nothing.

``python -m benchmarks.bare --answer-bytes N`` takes the webhook's other arguments. With
``--stock`` uvicorn's own server and protocol stand in the place of the webhook's, which add
deadlines and limits.
"""

import argparse
import socket
import sys
from collections.abc import Sequence
from unittest.mock import patch

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from webhook.review import AdmissionRequest, Decision
from webhook.service import run
from webhook.settings import Settings, parse_settings


def main(arguments: Sequence[str]) -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bare")
    parser.add_argument("--answer-bytes", type=int, default=2)
    parser.add_argument("--stock", action="store_true")
    own, rest = parser.parse_known_args(arguments)
    settings = parse_settings(rest, {})
    app = constant(own.answer_bytes)
    if own.stock:
        return _run_stock(settings, app)
    # Everything but the app is the webhook's, down to the way it starts.
    with patch("webhook.server.create_app", lambda *_: app):
        return run(settings, _no_verdict)


def constant(length: int) -> ASGIApp:
    """Return an app that reads the body of a request and answers *length* bytes."""
    answer = b"{" + b" " * (length - 2) + b"}"
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % length)]

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body", False):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


def _no_verdict(_: AdmissionRequest) -> Decision:
    return Decision()


def _run_stock(settings: Settings, app: ASGIApp) -> int:
    listening = socket.create_server((settings.bind_address, settings.port), backlog=2048)
    port = listening.getsockname()[1]
    config = uvicorn.Config(
        app,
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )
    print(f'{{"message":"listening","port":{port}}}', file=sys.stderr, flush=True)
    uvicorn.Server(config).run(sockets=[listening])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
