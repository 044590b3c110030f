"""``python -m tools.demo``: starts the webhook, asks it about every example, and cleans up."""

import json
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Final

from tools.demo.examples import Example, all_gates, read_examples
from tools.demo.reviews import ReviewClient
from tools.demo.service import DemoFailed, RunningWebhook, running_webhook

ROOT: Final = Path(__file__).resolve().parents[2]
_INTERRUPTED: Final = 128 + signal.SIGINT


def main() -> int:
    """Return 0 when every answer was the one that its example is written to get."""
    # Said aloud, because a shell starts what runs in its background with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        return _demonstrate()
    except DemoFailed as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: stopped; the webhook and its files are gone", file=sys.stderr)
        return _INTERRUPTED


def _leave(number: int, _: FrameType | None) -> None:
    # An exception, so that everything is cleaned up on the way out.
    sys.exit(128 + number)


def _demonstrate() -> int:
    examples = list(read_examples(ROOT))
    gates = all_gates(ROOT)
    with tempfile.TemporaryDirectory(prefix="dra-config-demo-") as folder:
        _title("1. The admission webhook")
        with running_webhook(ROOT, Path(folder), gates) as webhook:
            print(f"https://{webhook.address}:{webhook.port} with a certificate of its own")
            print(f"feature gates: {gates}")
            surprises = _ask_about(examples, webhook)
        # The webhook has stopped, so its log is complete.
        print("\nThe last line of its log, which has one for each answer and none with a config:")
        decisions = [line for line in webhook.log if line.get("message") == "reviewed"]
        print("\n".join(f"  {json.dumps(line)}" for line in decisions[-1:]))
    _title("2. The same files on the command line")
    surprises += _validate(examples, gates)
    print()
    if surprises:
        print(f"{surprises} answers were not what the examples expect.")
        return 1
    print("Every answer was what the examples expect. Nothing was left behind.")
    return 0


def _ask_about(examples: Iterable[Example], webhook: RunningWebhook) -> int:
    """Print the answer to each object, and return how many were not expected."""
    surprises = 0
    verdicts: Counter[str] = Counter()
    with closing(ReviewClient(webhook)) as client:
        for example in examples:
            print(f"\n{example.path.as_posix()}")
            if not example.objects:
                print("  holds nothing that a webhook for claims is asked about")
            for subject in example.objects:
                answer = client.ask(subject)
                verdict = "allowed" if answer.allowed else "refused"
                verdicts[verdict] += 1
                print(f"  {subject.kind} {subject.name}: {verdict}")
                for line in answer.as_kubectl_prints_it():
                    print(f"    {line}")
                expected = (example.allowed, set(example.rules))
                if (answer.allowed, set(answer.rules)) != expected:
                    surprises += 1
                    print(f"  UNEXPECTED: the example is written for {example.rules or 'nothing'}")
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    print(f"\n{counts}")
    return surprises


def _validate(examples: Iterable[Example], gates: str) -> int:
    """Show what ``dra-config validate`` prints, and return how many files surprise."""
    shown = ["validate", "--feature-gates", gates, "examples"]
    print(f"$ dra-config {' '.join(shown)}", flush=True)
    command = [sys.executable, "-m", "dra_config", *shown]
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    print(f"exit code {status}")
    surprises = int(status != any(not example.allowed for example in examples))
    report = subprocess.run(
        [*command, "--output", "json"], cwd=ROOT, check=False, stdout=subprocess.PIPE
    )
    found: dict[str, set[str]] = {}
    for finding in json.loads(report.stdout)["findings"]:
        found.setdefault(finding["path"], set()).add(finding["rule"])
    for example in examples:
        path = example.path.as_posix()
        rules = found.get(path, set())
        if rules != set(example.rules):
            surprises += 1
            print(f"UNEXPECTED: {path} breaks {sorted(rules)}")
    return surprises


def _title(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}")


if __name__ == "__main__":
    sys.exit(main())
