"""The tree against published vectors and against the definition in RFC 6962, section 2.1."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.ledger.merkle import (
    EMPTY_ROOT,
    Node,
    Place,
    Span,
    consistency_spans,
    grow,
    inclusion_spans,
    leaf_hash,
    node_hash,
    peaks,
    root_from_inclusion,
    root_hash,
    roots_from_consistency,
    span_hash,
)

# Leaf inputs, node hashes and root hashes of testonly/constants.go in github.com/transparency-dev/merkle
# at 417fb0c314750d94e53942e9f92e79b6d35915db (Apache-2.0).
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
NODES = [
    [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7",
        "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "4271a26be0d8a84f0bd54c8c302e7cb3a3b5d1fa6780a40bcce2873477dab658",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "46f6ffadd3d06a09ff3c5860d2755c8b9819db7df44251788c7d8e3180de8eb1",
    ],
    [
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    ],
    [
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    ["5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"],
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

# The vectors of testdata/inclusion and testdata/consistency there, all but one whose leaf and root are no hashes.
# Each is a leaf's index or the old tree's size, a tree's size, two hashes (leaf and root, or both roots) and the
# path. A hash is named by its place in NODES (level.index) or ROOTS (r and the size), with ^ and a bit's number where
# that was turned, or stands in ODD.
ODD = {
    "empty": "",
    "x0": b"WrongRoot".hex(),
    "x1": b"dont care 2".hex(),
    "x2": b"dont care 1".hex(),
    "x3": "abacaba000000000000000000000000000000000000000000060061e00123456",
    "x4": b"WrongLeaf".hex(),
    "x5": "0d3aed023148ffd2a259fbd0cdc7fb3cf975658760d3775b82af6f90aacc2dfc",
}
INCLUDED = """
0 1 0.0 0.0; 0 1 x5 x5; 0 8 0.0 3.0 0.1 1.1 2.1; 1 5 0.1 r5 0.0 1.1 0.4; 2 3 0.2 r3 1.0; 5 8 0.5 3.0 0.4
1.3 2.0
"""
NOT_INCLUDED = """
0 0 0.0 0.0; 0 0 empty r0; 0 0 x3 empty; 0 0 x3 r0; 0 1 0.0 0.0 0.0; 0 1 0.0 0.0 empty; 0 1 0.0 r0; 0 1
0.0 x3; 0 1 empty r0; 0 1 empty x5; 0 1 x3 empty; 0 1 x3 r0; 0 1 x4 0.0; 0 1 x5 empty; 0 2 0.0 0.0; 0 3
0.2 r3 1.0; 0 4 0.0 3.0 0.1 1.1 2.1; 0 5 0.1 r5 0.0 1.1 0.4; 0 8 0.0 3.0 0.1 1.1; 0 8 0.0 3.0 0.1 1.1
2.1 3.0; 0 8 0.0 3.0 0.1 1.1 2.1 empty; 0 8 0.0 3.0 0.1 1.1 2.1^251; 0 8 0.0 3.0 0.1 1.1^251 2.1; 0 8
0.0 3.0 0.1 x3 1.1 2.1; 0 8 0.0 3.0 0.1^251 1.1 2.1; 0 8 0.0 3.0 3.0 0.1 1.1 2.1; 0 8 0.0 3.0 empty 0.1
1.1 2.1; 0 8 0.0 r0 0.1 1.1 2.1; 0 8 0.0 x3 0.1 1.1 2.1; 0 8 x4 3.0 0.1 1.1 2.1; 0 16 0.0 3.0 0.1 1.1
2.1; 1 0 empty r0; 1 0 x3 empty; 1 0 x3 r0; 1 1 0.0 0.0; 1 2 0.1 r5 0.0 1.1 0.4; 1 3 0.2 r3 1.0; 1 5 0.1
r0 0.0 1.1 0.4; 1 5 0.1 r5 0.0 1.1; 1 5 0.1 r5 0.0 1.1 0.4 empty; 1 5 0.1 r5 0.0 1.1 0.4 r5; 1 5 0.1 r5
0.0 1.1 0.4^251; 1 5 0.1 r5 0.0 1.1^251 0.4; 1 5 0.1 r5 0.0 x3 1.1 0.4; 1 5 0.1 r5 0.0^251 1.1 0.4; 1 5
0.1 r5 empty 0.0 1.1 0.4; 1 5 0.1 r5 r5 0.0 1.1 0.4; 1 5 0.1 x3 0.0 1.1 0.4; 1 5 x4 r5 0.0 1.1 0.4; 1 8
0.0 3.0 0.1 1.1 2.1; 1 10 0.1 r5 0.0 1.1 0.4; 2 1 0.0 0.0; 2 1 0.2 r3 1.0; 2 1 empty r0; 2 1 x3 empty; 2
1 x3 r0; 2 3 0.2 r0 1.0; 2 3 0.2 r3; 2 3 0.2 r3 1.0 empty; 2 3 0.2 r3 1.0 r3; 2 3 0.2 r3 1.0^251; 2 3
0.2 r3 empty 1.0; 2 3 0.2 r3 r3 1.0; 2 3 0.2 x3 1.0; 2 3 x4 r3 1.0; 2 5 0.1 r5 0.0 1.1 0.4; 2 6 0.2 r3
1.0; 2 8 0.0 3.0 0.1 1.1 2.1; 3 3 0.2 r3 1.0; 3 5 0.1 r5 0.0 1.1 0.4; 4 8 0.5 3.0 0.4 1.3 2.0; 5 4 0.5
3.0 0.4 1.3 2.0; 5 8 0.5 3.0 0.4 1.3; 5 8 0.5 3.0 0.4 1.3 2.0 3.0; 5 8 0.5 3.0 0.4 1.3 2.0 empty; 5 8
0.5 3.0 0.4 1.3 2.0^251; 5 8 0.5 3.0 0.4 1.3^251 2.0; 5 8 0.5 3.0 0.4 x3 1.3 2.0; 5 8 0.5 3.0 0.4^251
1.3 2.0; 5 8 0.5 3.0 3.0 0.4 1.3 2.0; 5 8 0.5 3.0 empty 0.4 1.3 2.0; 5 8 0.5 r0 0.4 1.3 2.0; 5 8 0.5 x3
0.4 1.3 2.0; 5 8 x4 3.0 0.4 1.3 2.0; 5 16 0.5 3.0 0.4 1.3 2.0; 6 8 0.5 3.0 0.4 1.3 2.0; 7 8 0.5 3.0 0.4
1.3 2.0; 18446744073709551615 1 0.0 0.0; 18446744073709551615 8 0.0 3.0 0.1 1.1 2.1
"""
CONSISTENT = """
1 1 0.0 0.0; 1 1 x1 x1; 1 8 0.0 3.0 0.1 1.1 2.1; 2 5 1.0 r5 1.1 0.4; 6 7 r6 r7 1.2 0.6 2.0; 6 8 r6 3.0
1.2 1.3 2.0
"""
NOT_CONSISTENT = """
0 0 r0 r0 r0; 0 0 r0 x1; 0 0 x2 x1; 0 0 x2 x2; 0 1 r0 r0 r0; 0 1 r0 x1; 0 1 x2 x1; 0 5 1.0 r5 1.1 0.4; 0
8 0.0 3.0 0.1 1.1 2.1; 1 0 x2 x1; 1 1 r0 r0 r0; 1 1 r0 x1; 1 1 x2 x1; 1 2 x2 x1; 1 4 0.0 3.0 0.1 1.1
2.1; 1 5 1.0 r5 1.1 0.4; 1 8 0.0 3.0; 1 8 0.0 3.0 0.0 0.1 1.1 2.1; 1 8 0.0 3.0 0.1 0.1 1.1 2.1; 1 8 0.0
3.0 0.1 1.1; 1 8 0.0 3.0 0.1 1.1 2.1 0.0; 1 8 0.0 3.0 0.1 1.1 2.1 3.0; 1 8 0.0 3.0 0.1 1.1 2.1 empty; 1
8 0.0 3.0 0.1 1.1 2.1^252; 1 8 0.0 3.0 0.1 1.1^252 2.1; 1 8 0.0 3.0 0.1^252 1.1 2.1; 1 8 0.0 3.0 3.0 0.1
1.1 2.1; 1 8 0.0 3.0 empty 0.1 1.1 2.1; 1 8 0.0 x0 0.1 1.1 2.1; 1 8 3.0 0.0 0.1 1.1 2.1; 1 8 x0 3.0 0.1
1.1 2.1; 1 16 0.0 3.0 0.1 1.1 2.1; 2 1 x2 x1; 2 2 1.0 r5 1.1 0.4; 2 5 1.0 r5; 2 5 1.0 r5 1.0 1.1 0.4; 2
5 1.0 r5 1.1; 2 5 1.0 r5 1.1 0.4 1.0; 2 5 1.0 r5 1.1 0.4 empty; 2 5 1.0 r5 1.1 0.4 r5; 2 5 1.0 r5 1.1
0.4^252; 2 5 1.0 r5 1.1 1.1 0.4; 2 5 1.0 r5 1.1^252 0.4; 2 5 1.0 r5 empty 1.1 0.4; 2 5 1.0 r5 r5 1.1
0.4; 2 5 1.0 x0 1.1 0.4; 2 5 r5 1.0 1.1 0.4; 2 5 x0 r5 1.1 0.4; 2 8 0.0 3.0 0.1 1.1 2.1; 2 10 1.0 r5 1.1
0.4; 3 5 1.0 r5 1.1 0.4; 3 8 0.0 3.0 0.1 1.1 2.1; 4 7 r6 r7 1.2 0.6 2.0; 4 8 r6 3.0 1.2 1.3 2.0; 5 7 r6
r7 1.2 0.6 2.0; 5 8 r6 3.0 1.2 1.3 2.0; 6 3 r6 r7 1.2 0.6 2.0; 6 4 r6 3.0 1.2 1.3 2.0; 6 7 r6 r7; 6 7 r6
r7 1.2 0.6; 6 7 r6 r7 1.2 0.6 2.0 empty; 6 7 r6 r7 1.2 0.6 2.0 r6; 6 7 r6 r7 1.2 0.6 2.0 r7; 6 7 r6 r7
1.2 0.6 2.0^252; 6 7 r6 r7 1.2 0.6^252 2.0; 6 7 r6 r7 1.2 1.2 0.6 2.0; 6 7 r6 r7 1.2^252 0.6 2.0; 6 7 r6
r7 empty 1.2 0.6 2.0; 6 7 r6 r7 r6 1.2 0.6 2.0; 6 7 r6 r7 r7 1.2 0.6 2.0; 6 7 r6 x0 1.2 0.6 2.0; 6 7 r7
r6 1.2 0.6 2.0; 6 7 x0 r7 1.2 0.6 2.0; 6 8 3.0 r6 1.2 1.3 2.0; 6 8 r6 3.0; 6 8 r6 3.0 1.2 1.2 1.3 2.0; 6
8 r6 3.0 1.2 1.3; 6 8 r6 3.0 1.2 1.3 2.0 3.0; 6 8 r6 3.0 1.2 1.3 2.0 empty; 6 8 r6 3.0 1.2 1.3 2.0 r6; 6
8 r6 3.0 1.2 1.3 2.0^252; 6 8 r6 3.0 1.2 1.3^252 2.0; 6 8 r6 3.0 1.2^252 1.3 2.0; 6 8 r6 3.0 3.0 1.2 1.3
2.0; 6 8 r6 3.0 empty 1.2 1.3 2.0; 6 8 r6 3.0 r6 1.2 1.3 2.0; 6 8 r6 x0 1.2 1.3 2.0; 6 8 x0 3.0 1.2 1.3
2.0; 6 14 r6 r7 1.2 0.6 2.0; 6 16 r6 3.0 1.2 1.3 2.0; 7 7 r6 r7 1.2 0.6 2.0; 7 8 r6 3.0 1.2 1.3 2.0
"""

contents = st.lists(st.binary(max_size=40), max_size=70)


def grown(leaves: list[bytes]) -> tuple[tuple[bytes, ...], list[Node]]:
    """The frontier and all nodes after growing a tree leaf by leaf."""
    frontier: tuple[bytes, ...] = ()
    nodes: list[Node] = []
    for size, content in enumerate(leaves):
        frontier, new = grow(frontier, size, leaf_hash(content))
        nodes += new
    return frontier, nodes


def defined_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word by word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + defined_root(leaves[:k]) + defined_root(leaves[k:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_published_vectors(size: int) -> None:
    frontier, _ = grown([bytes.fromhex(leaf) for leaf in LEAVES[:size]])
    assert root_hash(frontier).hex() == ROOTS[size]


def test_nodes_are_those_of_the_published_vectors() -> None:
    _, nodes = grown([bytes.fromhex(leaf) for leaf in LEAVES])
    found = {(node.level, node.index): node.hash.hex() for node in nodes}
    assert found == {
        (level, index): hash for level, row in enumerate(NODES) for index, hash in enumerate(row)
    }


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert root_hash(()) == EMPTY_ROOT == hashlib.sha256().digest()


def test_a_leaf_cannot_pass_for_a_node() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != node_hash(left, right)


@given(contents)
def test_the_root_is_the_definition_s(leaves: list[bytes]) -> None:
    assert root_hash(grown(leaves)[0]) == defined_root(leaves)


@given(contents)
def test_nodes_are_the_roots_of_the_complete_subtrees_each_once(leaves: list[bytes]) -> None:
    _, nodes = grown(leaves)
    size = len(leaves)
    places = {(level, index) for level in range(size.bit_length()) for index in range(size >> level)}
    assert sorted((node.level, node.index) for node in nodes) == sorted(places)
    for node in nodes:
        covered = leaves[node.index << node.level : (node.index + 1) << node.level]
        assert node.hash == defined_root(covered)


@given(contents)
def test_the_frontier_has_the_largest_complete_subtrees_from_left_to_right(leaves: list[bytes]) -> None:
    frontier, _ = grown(leaves)
    start, expected = 0, []
    for level in reversed(range(len(leaves).bit_length())):
        if len(leaves) >> level & 1:
            expected.append(defined_root(leaves[start : start + (1 << level)]))
            start += 1 << level
    assert list(frontier) == expected


@given(contents.filter(bool), st.data())
def test_any_other_leaf_gives_another_root(leaves: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(leaves) - 1))
    changed = [*leaves[:at], leaves[at] + b"!", *leaves[at + 1 :]]
    assert root_hash(grown(changed)[0]) != root_hash(grown(leaves)[0])


def vectors(text: str) -> list[str]:
    """The vectors of a list."""
    return " ".join(text.split()).split("; ")


def read(vector: str) -> tuple[int, int, bytes, bytes, list[bytes]]:
    """A vector's two numbers, two hashes and path."""
    first, second, *names = vector.split()
    one, other, *path = map(named_hash, names)
    return int(first), int(second), one, other, path


def named_hash(name: str) -> bytes:
    """The hash that a vector names."""
    if name in ODD:
        return bytes.fromhex(ODD[name])
    if name.startswith("r"):
        return bytes.fromhex(ROOTS[int(name[1:])])
    place, _, bit = name.partition("^")
    level, index = map(int, place.split("."))
    turned = 1 << int(bit) if bit else 0
    return (int(NODES[level][index], 16) ^ turned).to_bytes(32, "big")


def included(index: int, size: int, leaf: bytes, root: bytes, path: list[bytes]) -> bool:
    """Whether a path proves that a leaf is in the tree with this root."""
    try:
        return root_from_inclusion(index, size, leaf, path) == root
    except ValueError:
        return False


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, proof: list[bytes]) -> bool:
    """Whether a proof proves that the tree with the new root grew out of that with the old one."""
    try:
        return roots_from_consistency(old, new, old_root, proof) == (old_root, new_root)
    except ValueError:
        return False


@pytest.mark.parametrize("vector", vectors(INCLUDED))
def test_the_published_inclusion_proofs_prove(vector: str) -> None:
    assert included(*read(vector))


@pytest.mark.parametrize("vector", vectors(NOT_INCLUDED))
def test_the_published_malformed_inclusion_proofs_do_not(vector: str) -> None:
    assert not included(*read(vector))


@pytest.mark.parametrize("vector", vectors(CONSISTENT))
def test_the_published_consistency_proofs_prove(vector: str) -> None:
    assert consistent(*read(vector))


@pytest.mark.parametrize("vector", vectors(NOT_CONSISTENT))
def test_the_published_malformed_consistency_proofs_do_not(vector: str) -> None:
    assert not consistent(*read(vector))


def defined_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1, word by word."""
    if len(leaves) == 1:
        return []
    k = largest_power_below(len(leaves))
    if index < k:
        return [*defined_path(index, leaves[:k]), defined_root(leaves[k:])]
    return [*defined_path(index - k, leaves[k:]), defined_root(leaves[:k])]


def defined_proof(old: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2, word by word."""
    if old == len(leaves):
        return [] if whole else [defined_root(leaves)]
    k = largest_power_below(len(leaves))
    if old <= k:
        return [*defined_proof(old, leaves[:k], whole), defined_root(leaves[k:])]
    return [*defined_proof(old - k, leaves[k:], False), defined_root(leaves[:k])]


def largest_power_below(size: int) -> int:
    """The largest power of two smaller than `size`."""
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def hashes(spans: list[Span], leaves: list[bytes]) -> list[bytes]:
    """What the spans of a proof hash."""
    nodes: dict[Place, bytes] = {(one.level, one.index): one.hash for one in grown(leaves)[1]}
    return [span_hash(span, nodes.__getitem__) for span in spans]


some = st.lists(st.binary(max_size=4), min_size=1, max_size=70)


@given(some, st.data())
def test_an_inclusion_proof_is_the_definition_s_and_proves(leaves: list[bytes], data: st.DataObject) -> None:
    index, size = data.draw(st.integers(0, len(leaves) - 1)), len(leaves)
    path = hashes(inclusion_spans(index, size), leaves)
    assert path == defined_path(index, leaves)
    assert included(index, size, leaf_hash(leaves[index]), defined_root(leaves), path)


@given(some, st.data())
def test_a_consistency_proof_is_the_definition_s_and_proves(leaves: list[bytes], data: st.DataObject) -> None:
    old, new = data.draw(st.integers(1, len(leaves))), len(leaves)
    proof = hashes(consistency_spans(old, new), leaves)
    assert proof == defined_proof(old, leaves)
    assert consistent(old, new, defined_root(leaves[:old]), defined_root(leaves), proof)


def spoilt(data: st.DataObject, path: list[bytes]) -> list[bytes]:
    """Another path: with a bit turned, a hash dropped, doubled, inserted, or two that changed places."""
    at = data.draw(st.integers(0, max(len(path) - 1, 0)))
    changed = [*path[:at], bytes([path[at][0] ^ 1]) + path[at][1:], *path[at + 1 :]] if path else [bytes(32)]
    others = [
        changed,
        path[:at] + path[at + 1 :],
        [*path[:at], bytes(32), *path[at:]],
        path[::-1],
        [*path, *path],
    ]
    return data.draw(st.sampled_from([one for one in others if one != path]))


@given(some, st.data())
def test_no_other_path_index_size_leaf_or_root_proves_inclusion(
    leaves: list[bytes], data: st.DataObject
) -> None:
    # Leaves that are all different, so that another place is another leaf.
    leaves = [bytes([at]) + one for at, one in enumerate(leaves)]
    index, size = data.draw(st.integers(0, len(leaves) - 1)), len(leaves)
    leaf, root, path = leaf_hash(leaves[index]), defined_root(leaves), defined_path(index, leaves)
    assert not included(index, size, leaf, root, spoilt(data, path))
    other = data.draw(st.integers(-3, size + 3).filter(lambda one: one != index))
    assert not included(other, size, leaf, root, path)
    assert not included(index, size, leaf_hash(leaves[index] + b"!"), root, path)
    assert not included(index, size, leaf, leaf_hash(b"!"), path)
    larger = data.draw(st.integers(0, 2**64).filter(lambda one: len_of_path(index, one) != len(path)))
    assert not included(index, larger, leaf, root, path)


def len_of_path(index: int, size: int) -> int:
    """How long an audit path is; -1 where there is none."""
    return len(inclusion_spans(index, size)) if index < size else -1


@given(some, st.data())
def test_no_other_proof_size_or_root_proves_consistency(leaves: list[bytes], data: st.DataObject) -> None:
    old, new = data.draw(st.integers(1, len(leaves))), len(leaves)
    roots, proof = (defined_root(leaves[:old]), defined_root(leaves)), defined_proof(old, leaves)
    assert not consistent(old, new, *roots, spoilt(data, proof))
    assert not consistent(old, new, leaf_hash(b"none of the leaves"), roots[1], proof)
    assert not consistent(old, new, roots[0], leaf_hash(b"none of the leaves"), proof)
    if old < new:
        assert not consistent(new, new, *roots, proof)
        assert not consistent(new, old, *roots, proof)
    assert not consistent(0, new, *roots, proof)


@given(st.integers(0, 2**40), st.integers(0, 2**12))
def test_peaks_cover_a_run_of_leaves_from_left_to_right_each_once(start: int, length: int) -> None:
    at = start
    for level, index in peaks(start, start + length):
        assert index << level == at
        at += 1 << level
    assert at == start + length


@given(st.integers(0, 2**60), st.integers(1, 2**60))
def test_proofs_of_huge_trees_are_short(index: int, size: int) -> None:
    index %= size
    spans = inclusion_spans(index, size)
    assert len(spans) <= size.bit_length()
    assert all(len(span) <= size.bit_length() for span in spans)
    assert len(consistency_spans(index + 1, size)) <= size.bit_length() + 1


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 3), (3, 3)])
def test_no_proof_is_made_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="has no leaf"):
        inclusion_spans(index, size)


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 1), (2, 1), (-1, 1)])
def test_no_proof_is_made_between_trees_that_do_not_follow(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="proves nothing about"):
        consistency_spans(old, new)
