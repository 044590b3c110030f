"""The verdict on one file: at a glance where nothing is wrong in it, otherwise by reading it.

A glance makes neither places nor models, which take most of the time of a run, and its only
verdict is that nothing was found. Whatever it cannot tell, reading tells.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, NoReturn, TypeAlias, cast

from dra_config import rules
from dra_config.carriers import CONFIG_LISTS, GROUP
from dra_config.cli.criteria import Criteria
from dra_config.cli.findings import FileVerdict
from dra_config.cli.foreign import COMMENT, count_foreign_documents, looks_like_config
from dra_config.loading import judge_gates, recognise
from dra_config.manifests import MAX_DEPTH, MAX_FILE_BYTES, Format
from dra_config.manifests.plain_blocks import read_plainly
from dra_config.wire import Findings

_Tree: TypeAlias = dict[str, Any]
_MARK: Final = COMMENT.encode()


class _Unsure(Exception):  # noqa: N818 - it takes a reader to tell
    """There is something that a glance cannot judge."""


def judge_file(
    path: str, text: bytes, criteria: Criteria, syntax: Format | None = None
) -> FileVerdict:
    """Return everything that is found in one file, in the order of the places.

    Args:
        path: The name to report; nothing is read from there.
        text: The bytes of the file.
        criteria: What to hold its documents against.
        syntax: The syntax of the file; None where the text has to tell.
    """
    if not criteria.as_parameters:
        foreign_count = count_foreign_documents(text, syntax)
        if foreign_count is not None:
            return FileVerdict(path, foreign_count, 0, ())
        try:
            documents = _documents(text, syntax)
            config_count = sum(_judge(tree, criteria) for tree in documents)
            return FileVerdict(path, len(documents), config_count, ())
        except _Unsure:
            pass
    # Most runs never need it, and it brings a parser along.
    from dra_config.cli.judge import judge_whole_file  # noqa: PLC0415

    return judge_whole_file(path, text, criteria, syntax)


def _documents(text: bytes, syntax: Format | None) -> list[_Tree]:
    """Return the documents as plain values, none of which has a key twice."""
    if syntax == "jsonl" or len(text) > MAX_FILE_BYTES or _MARK in text:
        raise _Unsure
    try:
        decoded = text.decode().removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise _Unsure from None
    if syntax == "json" or decoded.lstrip().startswith("{"):
        return [_read_json(decoded)]
    documents = read_plainly(decoded)
    if documents is None:
        raise _Unsure
    return documents


def _read_json(text: str) -> _Tree:
    try:
        tree = json.loads(text, object_pairs_hook=_without_repetition, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise _Unsure from None
    _bound_depth(tree, 0)
    if type(tree) is not dict:
        raise _Unsure
    return cast("_Tree", tree)


def _without_repetition(pairs: list[tuple[str, Any]]) -> _Tree:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        raise _Unsure
    return tree


def _refuse(_text: str) -> NoReturn:
    raise _Unsure


def _bound_depth(tree: Any, depth: int) -> None:
    if type(tree) in (dict, list) and depth >= MAX_DEPTH:
        raise _Unsure
    if type(tree) is dict:
        for member in cast("_Tree", tree).values():
            _bound_depth(member, depth + 1)
    elif type(tree) is list:
        for item in cast("list[object]", tree):
            _bound_depth(item, depth + 1)


def _judge(document: _Tree, criteria: Criteria) -> int:
    """Return how many configs of ours are in *document*, in which nothing is wrong."""
    count = 0
    for tree in _objects(document, "", ""):
        group = tree["apiVersion"].rpartition("/")[0]
        kind = tree["kind"]
        if rules.is_judged(group, kind):
            if group != GROUP or kind not in CONFIG_LISTS or any(rules.judge(tree)):
                raise _Unsure
            count += _judge_configs(tree, criteria)
        elif looks_like_config(group, kind):
            raise _Unsure
    return count


def _objects(node: Any, api_version: str, kind: str) -> Iterator[_Tree]:
    """Yield an object, or those in a list, with the apiVersion and kind that they go by."""
    if type(node) is not dict:
        return
    tree = cast("_Tree", node)
    own_kind = _header(tree, "kind")
    api_version = _header(tree, "apiVersion") or api_version
    kind = own_kind or kind
    items = tree.get("items")
    if type(items) is not list or not own_kind.endswith("List"):
        yield {**tree, "apiVersion": api_version, "kind": kind}
        return
    item_kind = kind.removesuffix("List")
    for item in cast("list[object]", items):
        yield from _objects(item, api_version if item_kind else "", item_kind)


def _header(tree: _Tree, name: str) -> str:
    if name in tree:
        value = tree[name]
        return value if type(value) is str else ""
    lower = name.lower()
    if any(key.lower() == lower for key in tree):
        raise _Unsure
    return ""


def _judge_configs(tree: _Tree, criteria: Criteria) -> int:
    entries: Any = tree
    for key in CONFIG_LISTS[tree["kind"]]:
        entries = _value(entries, str(key))
    if type(entries) is not list:
        return 0
    count = 0
    for entry in cast("list[object]", entries):
        opaque = _value(entry, "opaque")
        driver = _value(opaque, "driver")
        if type(driver) is not str or not driver:
            continue
        if driver not in criteria.drivers:
            raise _Unsure
        config = recognise(_value(opaque, "parameters"), driver)
        if config is None:
            raise _Unsure
        found = Findings()
        judge_gates(config, criteria.gates, found)
        if found.violations:
            raise _Unsure
        count += 1
    return count


def _value(tree: Any, key: str) -> Any:
    return cast("_Tree", tree).get(key) if type(tree) is dict else None
