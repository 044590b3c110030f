"""What libraries say through the standard library's logging, as lines of ours."""

import logging

from logs.lines import Log, LogLevel


class LogBridge(logging.Handler):
    """Turns records of at least a warning into lines."""

    def __init__(self, log: Log) -> None:
        """Write into *log*."""
        super().__init__(LogLevel.WARNING)
        self._log = log
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        """Write *record*, with its traceback when it has one."""
        fields: dict[str, object] = {"logger": record.name}
        if record.exc_info:
            fields["traceback"] = self._formatter.formatException(record.exc_info)
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            # Its arguments do not fit its text: a library's mistake, which must not become ours.
            message = str(record.msg)
        self._log.event(record.levelno, message, **fields)
