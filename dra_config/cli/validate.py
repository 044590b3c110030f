"""The command ``validate``: the findings in files, and whether any of them fails the run."""

import os
from argparse import Namespace
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, TextIO, TypeAlias

from dra_config import scheme
from dra_config.cli import jobs
from dra_config.cli.arguments import WrongUsage
from dra_config.cli.effective import Plan, Plans, describe, unknown_driver
from dra_config.cli.files import (
    STANDARD_INPUT,
    EmptyFolder,
    Found,
    Source,
    Unreachable,
    find_sources,
    why,
)
from dra_config.cli.findings import Amount, FileVerdict
from dra_config.cli.foreign import COMMENT
from dra_config.cli.glance import judge_file
from dra_config.cli.outcome import Filters, Outcome
from dra_config.cli.progress import Progress
from dra_config.cli.report import make_reporter
from dra_config.cli.surroundings import ExitCode, Surroundings

_MARK: Final = COMMENT.encode()


def run(options: Namespace, surroundings: Surroundings) -> int:
    """Judge the files that *options* name and return the exit code.

    Raises:
        WrongUsage: No path is given, or an option or a setting means nothing.
    """
    paths: Sequence[str] = options.paths
    _check(options)
    folder = os.getcwd()  # noqa: PTH109 - a text is wanted
    plans = Plans(options, surroundings, folder)
    if options.show_settings:
        return _show_settings(paths, plans, surroundings)
    if not paths:
        raise WrongUsage("name a file, a folder, or - for standard input")
    options.output, strict = plans.run_settings()
    options.strict = strict
    plans.plan_for(STANDARD_INPUT)
    filters = _filters(options, folder)
    amount = Amount.NORMAL
    if options.verbose or options.quiet:
        amount = Amount.EVERYTHING if options.verbose else Amount.FAILURES
    reporter = make_reporter(options, surroundings, amount)
    outcome = Outcome(reporter, surroundings, filters, amount, strict=strict)
    count = options.jobs or jobs.core_count()
    edits = options.output == "sarif"
    return _Run(plans, outcome, surroundings, count, shows_edits=edits).over(paths)


def _check(options: Namespace) -> None:
    driver: str | None = options.driver
    if driver is not None and not options.parameters:
        raise WrongUsage(
            "--driver goes with --parameters; elsewhere the manifest names the driver"
        )
    if driver is not None and driver not in scheme.DRIVERS:
        raise WrongUsage(unknown_driver(driver))
    if options.baseline is not None and options.write_baseline is not None:
        raise WrongUsage("--write-baseline writes all that is found; leave --baseline out")
    if options.diff_from is not None and STANDARD_INPUT in options.paths:
        raise WrongUsage("--diff-from needs files; standard input has no history")
    if options.diff_from is not None and options.write_baseline is not None:
        raise WrongUsage("--write-baseline writes all that is found; leave --diff-from out")


def _show_settings(paths: Sequence[str], plans: Plans, surroundings: Surroundings) -> int:
    """Print what holds for each file behind *paths*, or for standard input if there is none."""
    found = list(find_sources(paths or [STANDARD_INPUT]))
    for entry in found:
        if isinstance(entry, Source):
            print(f"# {entry.path}", file=surroundings.stdout)
            plans.plan_for(entry.path)
            for line in describe(plans.settings_for(entry.path)):
                print(line, file=surroundings.stdout)
        elif isinstance(entry, Unreachable):
            surroundings.tell(f"cannot read {entry.path}: {entry.reason}")
    unreachable = any(isinstance(entry, Unreachable) for entry in found)
    return ExitCode.UNUSABLE if unreachable else ExitCode.FINE


def _filters(options: Namespace, folder: str) -> Filters:
    """Return what is left out of the findings because somebody knows it already.

    Raises:
        WrongUsage: The baseline cannot be read, or git cannot answer.
    """
    changes = None
    if options.diff_from is not None:
        from dra_config.cli.diff import read_changes  # noqa: PLC0415 - seldom needed

        changes = read_changes(options.diff_from, folder)
    if options.baseline is None and options.write_baseline is None:
        return Filters(changes=changes)
    from dra_config.cli.baseline import Baseline, BaselineWriter  # noqa: PLC0415 - as above

    return Filters(
        changes=changes,
        baseline=None if options.baseline is None else Baseline.read(options.baseline),
        writer=None if options.write_baseline is None else BaselineWriter(options.write_baseline),
    )


class _Task(NamedTuple):
    """One file and how it is judged."""

    found: Found
    plan: Plan | None = None
    """None for a path behind which there is nothing to judge."""
    shows_edits: bool = False
    """Whether the edits that repair a finding are wanted."""


def _judge(task: _Task, stdin: TextIO | None = None) -> FileVerdict | Found:
    """Return the verdict on one file, or what stands in the way of one."""
    source = task.found
    if not isinstance(source, Source) or task.plan is None:
        return source
    try:
        text = source.read(stdin)
    except OSError as error:
        return Unreachable(source.path, why(error))
    verdict = judge_file(source.path, text, task.plan.criteria, source.format)
    if _MARK in text:
        from dra_config.cli.ignores import apply_ignores  # noqa: PLC0415 - seldom needed

        verdict = apply_ignores(verdict, text, source.format)
    if not verdict.findings:
        return verdict
    selection = task.plan.selection
    kept = tuple(finding for finding in verdict.findings if selection.keeps(finding.rule))
    verdict = replace(verdict, findings=kept)
    if task.shows_edits:
        from dra_config.cli.offers import with_edits  # noqa: PLC0415 - seldom needed

        return with_edits(verdict, text, task.plan.criteria, source.format)
    return verdict


_Sent: TypeAlias = tuple[str | Found, Plan | None, bool]
"""What another process is told of a task: no more than it cannot do without."""


def _judge_elsewhere(sent: _Sent) -> FileVerdict | Found | tuple[int, int]:
    """Return the verdict on one file, in another process than that which has standard input.

    Standard input itself comes back as it is, to be judged where it can be read. Of a file in
    which nothing was found only the numbers of documents and configs come back.
    """
    found, plan, shows_edits = sent
    source = Source(found) if isinstance(found, str) else found
    if source.path == STANDARD_INPUT:
        return source
    verdict = _judge(_Task(source, plan, shows_edits))
    if isinstance(verdict, FileVerdict) and not verdict.findings:
        return verdict.documents, verdict.configs
    return verdict


class _Run:
    """One run over any number of files."""

    def __init__(
        self,
        plans: Plans,
        outcome: Outcome,
        surroundings: Surroundings,
        count: int,
        *,
        shows_edits: bool,
    ) -> None:
        self._plans = plans
        self._outcome = outcome
        self._surroundings = surroundings
        self._jobs = count
        self._shows_edits = shows_edits

    def over(self, paths: Sequence[str]) -> int:
        """Judge what stands behind *paths*; a run that is interrupted still sums up."""
        started = self._surroundings.clock()
        interrupted = False
        try:
            self._judge_all(paths)
        except KeyboardInterrupt:
            interrupted = True
        seconds = self._surroundings.clock() - started
        return self._outcome.conclude(seconds, partial=interrupted)

    def _judge_all(self, paths: Sequence[str]) -> None:
        found = find_sources(paths)
        progress: Progress | None = None
        if self._surroundings.stderr.isatty():
            # Only a bar needs to know how many there are.
            listed = list(found)
            found = iter(listed)
            progress = Progress(self._surroundings.stderr, self._surroundings.clock, len(listed))
        try:
            for result in self._results(found):
                if progress is not None:
                    progress.clear()
                self._take(result)
                if progress is not None:
                    progress.step()
        finally:
            if progress is not None:
                progress.clear()

    def _results(self, found: Iterator[Found]) -> Iterator[FileVerdict | Found]:
        tasks = (self._task(entry) for entry in found if self._outcome.concerns(entry))
        if self._jobs <= 1:
            stdin = self._surroundings.stdin
            yield from (_judge(task, stdin) for task in tasks)
            return
        waiting: deque[str] = deque()

        def sent() -> Iterator[_Sent]:
            for task in tasks:
                path = task.found.path
                waiting.append(path)
                yield path if isinstance(task.found, Source) else task.found, *task[1:]

        for result in jobs.in_order(_judge_elsewhere, sent(), self._jobs):
            path = waiting.popleft()
            yield FileVerdict(path, *result, ()) if isinstance(result, tuple) else result

    def _task(self, found: Found) -> _Task:
        plan = self._plans.plan_for(found.path) if isinstance(found, Source) else None
        return _Task(found, plan, self._shows_edits)

    def _take(self, result: FileVerdict | Found) -> None:
        match result:
            case FileVerdict():
                self._outcome.add(result)
            case Unreachable():
                self._outcome.miss(result)
            case EmptyFolder():
                self._surroundings.tell(f"no YAML or JSON file in {result.path}")
            case Source():
                self._take(_judge(self._task(result), self._surroundings.stdin))
