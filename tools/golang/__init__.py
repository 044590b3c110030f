"""Programs compiled from published Go modules, each held against its hash."""
