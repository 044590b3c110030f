"""The page of the rules, docs/reference/rules.md."""

from collections.abc import Iterator

from dra_config.catalogue import RULES, Need, Rule
from dra_config.cli.reference.markdown import GENERATED, code, table

_INTRODUCTION = """
Every finding names one of these rules. An `error` refuses the object, a `warning` leaves it
accepted, a `note` only tells something. The ids are stable and never given to another rule.
"""
NEEDS = {
    Need.OBJECT: "the object",
    Need.GATES: "the feature gates",
    Need.ALLOCATION: "the devices that were allocated",
    Need.FILE: "the text of the file",
}


def render() -> str:
    """Return the text of the page."""
    rows = [
        [f"[{rule.id}](#{rule.id.lower()}-{rule.name})", rule.name, str(rule.severity)]
        for rule in RULES.values()
    ]
    overview = table(["Rule", "Name", "Severity"], rows)
    pages = "\n".join(f"#{page(rule)}" for rule in RULES.values())
    return f"{GENERATED}\n# Rules\n{_INTRODUCTION}\n{overview}\n{pages}"


def page(rule: Rule) -> str:
    """Return the page of one rule."""
    return "\n".join(_parts(rule))


def _parts(rule: Rule) -> Iterator[str]:
    yield f"# {rule.id} {rule.name}\n"
    needs = ", ".join(text for need, text in NEEDS.items() if need in rule.needs)
    facts = {
        "Severity": str(rule.severity),
        "Needs": needs,
        "Judged by": ", ".join(sorted(rule.judges)),
        "Cause": f"`{rule.cause}`",
    }
    yield " · ".join(f"**{name}:** {value}" for name, value in facts.items()) + "\n"
    yield f"{rule.why}\n"
    yield f"**Fix:** {rule.fix}\n"
    for title, text in (
        ("Refused" if rule.severity == "error" else "Found in", rule.bad),
        ("Right", rule.good),
    ):
        if text:
            yield f"{title}:\n\n{code(text, 'yaml')}"
