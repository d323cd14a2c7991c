"""The Merkle tree of RFC 6962 (section 2.1), SHA-256, grown one leaf at a time.

Only hashes of complete subtrees are kept: node (level, index) covers the leaves from
index * 2**level on, 2**level of them. The frontier of a tree of n leaves is the list of its largest
complete subtrees from left to right, one for each bit set in n; the root follows from it alone.
https://www.rfc-editor.org/rfc/rfc6962#section-2.1
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

EMPTY_ROOT = hashlib.sha256(b"").digest()


@dataclass(frozen=True)
class Node:
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
