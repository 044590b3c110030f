"""The command ``validate``: the findings in files, and whether any of them fails the run."""

from argparse import Namespace
from collections.abc import Sequence

from dra_config import scheme
from dra_config.cli.arguments import WrongUsage, nearest
from dra_config.cli.files import EmptyFolder, Source, Unreachable, find_sources, why
from dra_config.cli.findings import Amount, Tally, fails, shown
from dra_config.cli.judge import Criteria, judge_file
from dra_config.cli.report import Reporter, make_reporter
from dra_config.cli.surroundings import ExitCode, Surroundings
from dra_config.cli.targets import Implementation
from dra_config.gates import FeatureGates, InvalidGates, resolve


def run(options: Namespace, surroundings: Surroundings) -> int:
    """Judge the files that *options* name and return the exit code.

    Raises:
        WrongUsage: No path is given, or an option has a value that means nothing.
    """
    paths: Sequence[str] = options.paths
    if not paths:
        raise WrongUsage("name a file, a folder, or - for standard input")
    criteria = read_criteria(options, surroundings)
    amount = Amount.NORMAL
    if options.verbose or options.quiet:
        amount = Amount.EVERYTHING if options.verbose else Amount.FAILURES
    reporter = make_reporter(options, surroundings, amount)
    return _Run(criteria, reporter, surroundings, amount, strict=options.strict).over(paths)


def read_criteria(options: Namespace, surroundings: Surroundings) -> Criteria:
    """Return what the options and the environment say that documents are to be held against.

    Raises:
        WrongUsage: A gate or a driver is unknown, or a driver is named to no purpose.
    """
    driver: str | None = options.driver
    if driver is not None and not options.parameters:
        raise WrongUsage(
            "--driver goes with --parameters; elsewhere the manifest names the driver"
        )
    if driver is not None and driver not in scheme.DRIVERS:
        known = " and ".join(scheme.DRIVERS)
        hint = nearest(driver, scheme.DRIVERS)
        raise WrongUsage(
            f"the drivers whose parameters are judged are {known}, not {driver}{hint}"
        )
    return Criteria(
        gates=_read_gates(options.feature_gates, surroundings),
        target=Implementation(options.target),
        as_parameters=options.parameters,
        driver=driver,
    )


def _read_gates(text: str | None, surroundings: Surroundings) -> FeatureGates | None:
    """Return the gates of the cluster, or None if neither flag nor variable says anything.

    Raises:
        WrongUsage: No program can start with these gates.
    """
    variable = surroundings.settings.fabric_topology_support or ""
    try:
        resolved = resolve(text or "", variable)
    except InvalidGates as error:
        raise WrongUsage(f"{error}") from error
    for warning in resolved.warnings:
        surroundings.tell(f"warning: {warning.message} ({warning.rule})")
    if text is None and variable.strip().lower() != "true":
        return None
    return resolved.gates


class _Run:
    """One run over any number of files."""

    def __init__(
        self,
        criteria: Criteria,
        reporter: Reporter,
        surroundings: Surroundings,
        amount: Amount,
        *,
        strict: bool,
    ) -> None:
        self._criteria = criteria
        self._reporter = reporter
        self._surroundings = surroundings
        self._amount = amount
        self._strict = strict
        self._tally = Tally()
        self._failed = False
        self._unreachable = False

    def over(self, paths: Sequence[str]) -> int:
        """Judge what stands behind *paths*; a run that is interrupted still sums up."""
        started = self._surroundings.clock()
        interrupted = False
        try:
            self._judge(paths)
        except KeyboardInterrupt:
            interrupted = True
        seconds = self._surroundings.clock() - started
        self._reporter.conclude(self._tally.summary(seconds, partial=interrupted))
        if interrupted:
            return ExitCode.INTERRUPTED
        if self._unreachable:
            return ExitCode.UNUSABLE
        return ExitCode.REJECTED if self._failed else ExitCode.FINE

    def _judge(self, paths: Sequence[str]) -> None:
        for found in find_sources(paths):
            match found:
                case Source():
                    self._judge_source(found)
                case Unreachable():
                    self._note_unreachable(found)
                case EmptyFolder():
                    self._surroundings.tell(f"no YAML or JSON file in {found.path}")

    def _judge_source(self, source: Source) -> None:
        try:
            text = source.read(self._surroundings.stdin)
        except OSError as error:
            self._note_unreachable(Unreachable(source.path, why(error)))
            return
        verdict = judge_file(source.path, text, self._criteria, source.format)
        self._tally.add(verdict)
        self._failed |= any(fails(f, strict=self._strict) for f in verdict.findings)
        self._reporter.show(shown(verdict.findings, self._amount, strict=self._strict))

    def _note_unreachable(self, found: Unreachable) -> None:
        self._unreachable = True
        self._surroundings.tell(f"cannot read {found.path}: {found.reason}")
