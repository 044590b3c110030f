"""The language server: diagnostics, hovers and completions over the same engine."""
