"""Where people read about a rule: the addresses that a project gives to the pages of rules."""

import re
from typing import Final

from dra_config.catalogue import Rule

_ADDRESS: Final = r"""(?ix: https?://
    (?:[a-z0-9._~-]+|\[[0-9a-f:.]+\]) (?::[0-9]{1,5})?
    (?:[/?] (?: [a-z0-9._~:/?@!$&'()*+,;=-] | %[0-9a-f]{2} | \{(?-i:rule|anchor)\} )*)?
    (?:[#]  (?: [a-z0-9._~:/?@!$&'()*+,;=-] | %[0-9a-f]{2} | \{(?-i:rule|anchor)\} )*)?
    )"""
"""Not compiled before somebody asks, since every start would wait for it."""


def is_template(text: str) -> bool:
    """Say whether *text* is an address of pages: http or https, and no word in braces but ours."""
    return re.fullmatch(_ADDRESS, text) is not None


def page_address(template: str, rule: Rule) -> str:
    """Return the address of the page of *rule*.

    Args:
        template: An address. In it ``{rule}`` stands for the id, such as DRA101, and
            ``{anchor}`` for the anchor of the rule in docs/reference/rules.md, such as
            dra101-sharing-strategy-unknown. Without any of them the id goes behind a slash at its
            end.
        rule: One rule of the catalogue.
    """
    if "{" not in template:
        template = f"{template.rstrip('/')}/{{rule}}"
    anchor = f"{rule.id.lower()}-{rule.name}"
    return template.replace("{rule}", rule.id).replace("{anchor}", anchor)
