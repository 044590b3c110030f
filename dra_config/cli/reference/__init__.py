"""The reference pages: Markdown made from the catalogue, the gates and the schemas."""
