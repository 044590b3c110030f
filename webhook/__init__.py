"""The admission service: judges claims, templates and classes before they are stored."""
