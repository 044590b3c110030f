"""Which keys an object has once its merge keys are carried out, in the way of go-yaml v2."""

from dra_config.manifests.failures import DOES_NOT_PARSE, DocumentError
from dra_config.manifests.nodes import Member, Node, ObjectNode
from dra_config.manifests.scalars import MERGE_TAG
from dra_config.manifests.yaml_events import Event


def is_merge_key(scalar: Event) -> bool:
    """Tell whether a key is the merge key, which loses its meaning in quotes."""
    return scalar.value == "<<" and (scalar.implicit[0] or scalar.tag == MERGE_TAG)


def members_of(sources: tuple[Node, ...]) -> list[Member]:
    """Return the members of all *sources*, those that win last.

    Raises:
        DocumentError: One of them is no object.
    """
    members: list[Member] = []
    # The decoder goes backwards, so that the first of several objects wins.
    for source in reversed(sources):
        if not isinstance(source, ObjectNode):
            message = "The merge key '<<' takes an object or a list of objects."
            raise DocumentError(DOES_NOT_PARSE, message, source.span)
        members.extend(source.members)
    return members


def merge(members: list[Member], merges: list[tuple[int, list[Member]]]) -> tuple[Member, ...]:
    """Return *members* with what each merge, standing before the member of that index, brings.

    To the decoder the last one to write a key wins, be it a member or a merge. A key that only
    members write keeps all of them, since writing it twice by hand is an error.
    """
    merged: dict[str, tuple[int, Member]] = {}
    for index, sources in merges:
        for member in sources:
            merged[member.key] = (index, member)
    last = {member.key: index for index, member in enumerate(members)}
    brought = {
        key: (index, member)
        for key, (index, member) in merged.items()
        if key not in last or last[key] < index
    }
    entries = [(index, 1, member) for index, member in enumerate(members)]
    entries = [entry for entry in entries if entry[2].key not in brought]
    entries.extend((index, 0, member) for index, member in brought.values())
    entries.sort(key=lambda entry: entry[:2])
    return tuple(member for _, _, member in entries)
