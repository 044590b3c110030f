"""How an open document is judged: as ``validate`` judges the file, by the settings of today."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import StringIO

from dra_config.cli.effective import Plan, Plans
from dra_config.cli.findings import FileVerdict
from dra_config.cli.ignores import apply_ignores
from dra_config.cli.judge import judge_whole_file
from dra_config.cli.offers import with_edits
from dra_config.cli.surroundings import Surroundings
from dra_config.manifests import Format


@dataclass(frozen=True, slots=True)
class Text:
    """An open document."""

    path: str
    """The absolute path of its file; `STANDARD_INPUT` for one that is no file yet."""
    content: bytes
    """What the editor holds, which may be newer than the file."""
    syntax: Format | None
    """Its syntax; None where the text has to tell."""


@dataclass(frozen=True, slots=True)
class Way:
    """How one document is judged."""

    plan: Plan
    rule_pages: str | None
    """Where the project says that the pages of rules are."""
    warnings: Sequence[str]
    """What is odd about the settings, as sentences."""


class Project:
    """Reads the settings around documents, each time anew, since they change while one types."""

    def __init__(self, feature_gates: str | None, surroundings: Surroundings, folder: str) -> None:
        """Take what the command line says of gates; *folder* is the absolute working one."""
        self._options = Namespace(feature_gates=feature_gates, parameters=False, driver=None)
        self._surroundings = surroundings
        self._folder = folder

    def way_for(self, path: str) -> Way:
        """Return how the document *path* is judged.

        Raises:
            WrongUsage: The settings cannot be read, or a key or value means nothing.
        """
        heard = StringIO()
        plans = Plans(self._options, replace(self._surroundings, stderr=heard), self._folder)
        plan = plans.plan_for(path)
        return Way(plan, plans.rule_pages_for(path), heard.getvalue().splitlines())


def judge(text: Text, plan: Plan, *, shows_edits: bool = False) -> FileVerdict:
    """Return what is found in *text*, less what comments and settings silence.

    Args:
        text: The document.
        plan: How it is judged.
        shows_edits: Whether the edits that repair a finding are wanted.
    """
    verdict = judge_whole_file(text.path, text.content, plan.criteria, text.syntax)
    verdict = apply_ignores(verdict, text.content, text.syntax)
    kept = tuple(each for each in verdict.findings if plan.selection.keeps(each.rule))
    verdict = replace(verdict, findings=kept)
    if shows_edits:
        return with_edits(verdict, text.content, plan.criteria, text.syntax)
    return verdict
