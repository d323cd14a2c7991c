"""The Merkle tree of RFC 6962 (section 2.1), SHA-256: grown one leaf at a time, proven in logarithmic steps.

Only hashes of complete subtrees are kept: node (level, index) covers the leaves from
index * 2**level on, 2**level of them. The frontier of a tree of n leaves is the list of its largest
complete subtrees from left to right, one for each bit set in n; the root follows from it alone.
https://www.rfc-editor.org/rfc/rfc6962#section-2.1
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import msgspec

EMPTY_ROOT = hashlib.sha256(b"").digest()


class Node(msgspec.Struct, frozen=True):
    """A complete subtree's hash and its place in the tree."""

    level: int
    index: int
    hash: bytes


def leaf_hash(content: bytes) -> bytes:
    """SHA-256 of 0x00 and the leaf's content."""
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of 0x01 and the two children's hashes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def grow(frontier: Sequence[bytes], size: int, leaf: bytes) -> tuple[tuple[bytes, ...], tuple[Node, ...]]:
    """Add the leaf hash at index `size`: the new frontier, and the nodes that became complete."""
    left = list(frontier)
    nodes = [Node(0, size, leaf)]
    while size >> nodes[-1].level & 1:
        last = nodes[-1]
        nodes.append(Node(last.level + 1, last.index >> 1, node_hash(left.pop(), last.hash)))
    return (*left, nodes[-1].hash), tuple(nodes)


def root_hash(frontier: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of the leaves under `frontier`."""
    if not frontier:
        return EMPTY_ROOT
    root = frontier[-1]
    for left in reversed(frontier[:-1]):
        root = node_hash(left, root)
    return root


# A complete subtree by its place (level, index).
Place = tuple[int, int]
# A run of leaves [start, end) that is one hash of a proof, as the complete subtrees it is made of.
Span = tuple[Place, ...]


def peaks(start: int, end: int) -> Span:
    """The complete subtrees that cover the leaves [start, end) from left to right.

    With `start` 0 these are the places of the frontier of a tree of `end` leaves.
    """
    places = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        places.append((level, start >> level))
        start += 1 << level
    return tuple(places)


def inclusion_spans(index: int, size: int) -> list[Span]:
    """What the audit path of leaf `index` in a tree of `size` leaves hashes, from the leaf's sibling upwards.

    https://www.rfc-editor.org/rfc/rfc6962#section-2.1.1
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    spans, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        other = (middle, end) if index < middle else (start, middle)
        spans.append(peaks(*other))
        start, end = (start, middle) if index < middle else (middle, end)
    return spans[::-1]


def consistency_spans(old: int, new: int) -> list[Span]:
    """What the consistency proof between trees of `old` and `new` leaves hashes.

    https://www.rfc-editor.org/rfc/rfc6962#section-2.1.2
    """
    if not 0 < old <= new:
        raise ValueError(f"a tree of {new} leaves proves nothing about one of {old}")
    spans, start, end, whole = [], 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            spans.append(peaks(middle, end))
            end = middle
        else:
            spans.append(peaks(start, middle))
            start, whole = middle, False
    if not whole:
        spans.append(peaks(start, end))
    return spans[::-1]


def span_hash(span: Span, hash_at: Callable[[Place], bytes]) -> bytes:
    """The hash of a run of leaves, given those of the complete subtrees."""
    return root_hash([hash_at(place) for place in span])


def root_from_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """The root that an audit path leads to. Raises `ValueError` for a path of the wrong length.

    https://www.rfc-editor.org/rfc/rfc9162#section-2.1.3.2
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    hash, last, left = leaf, size - 1, list(path)[::-1]
    while last:
        if not left and (index & 1 or index < last):
            raise ValueError("the path is too short")
        if index & 1:
            hash = node_hash(left.pop(), hash)
        elif index < last:
            hash = node_hash(hash, left.pop())
        index, last = index >> 1, last >> 1
    if left:
        raise ValueError("the path is too long")
    return hash


def roots_from_consistency(
    old: int, new: int, old_root: bytes, proof: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """The roots of the trees of `old` and `new` leaves that a consistency proof leads to.

    They prove that the log only grew when they are the two that are known. Raises `ValueError` for a proof of
    the wrong length. https://www.rfc-editor.org/rfc/rfc9162#section-2.1.4.2
    """
    if not 0 < old <= new:
        raise ValueError(f"a tree of {new} leaves proves nothing about one of {old}")
    index, last, left = old - 1, new - 1, list(proof)[::-1]
    if old == new and not left:
        return old_root, old_root
    while index & 1:
        index, last = index >> 1, last >> 1
    try:
        earlier = later = left.pop() if index else old_root
        while last:
            if index & 1:
                earlier, later = node_hash(left[-1], earlier), node_hash(left.pop(), later)
            elif index < last:
                later = node_hash(later, left.pop())
            index, last = index >> 1, last >> 1
    except IndexError:
        raise ValueError("the proof is too short") from None
    if left:
        raise ValueError("the proof is too long")
    return earlier, later


def _split(size: int) -> int:
    """The largest power of two below `size`: how many leaves a tree's left half has."""
    return 1 << (size - 1).bit_length() - 1
