"""The tree against published vectors and against the definition in RFC 6962, section 2.1."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.ledger.merkle import EMPTY_ROOT, Node, grow, leaf_hash, node_hash, root_hash

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
