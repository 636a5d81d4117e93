"""The Merkle tree: the vectors of Certificate Transparency, and properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import merkle
from audit.merkle import Frontier, ProofInvalid, Subtree

# The eight entries and their roots that implementations of RFC 6962 share.
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
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
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_those_of_the_published_vectors(size: int) -> None:
    grown, _ = Frontier().grow(LEAVES[:size])

    assert merkle.root_of(LEAVES[:size]).hex() == ROOTS[size]
    assert grown.root.hex() == ROOTS[size]


@pytest.mark.parametrize(
    ("index", "size", "proof"),
    [
        (0, 1, []),
        (
            0,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
        (
            1,
            5,
            [
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_the_inclusion_proofs_are_those_of_the_published_vectors(
    index: int, size: int, proof: list[str]
) -> None:
    assert [_hash(found).hex() for found in merkle.inclusion_path(index, size)] == proof


@pytest.mark.parametrize(
    ("first", "second", "proof"),
    [
        (1, 1, []),
        (
            1,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_the_consistency_proofs_are_those_of_the_published_vectors(
    first: int, second: int, proof: list[str]
) -> None:
    assert [_hash(found).hex() for found in merkle.consistency_path(first, second)] == proof


def _hash(found: merkle.Range, leaves: list[bytes] = LEAVES) -> bytes:
    return merkle.root_of(leaves[found[0] : found[1]])


def _leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(number.to_bytes(4)) for number in range(count)]


@given(st.integers(0, 300), st.integers(0, 300))
def test_appending_in_any_two_parts_gives_the_root_of_the_definition(first: int, second: int) -> None:
    leaves = _leaves(first + second)

    half, before = Frontier().grow(leaves[:first])
    grown, after = half.grow(leaves[first:])

    assert grown.root == merkle.root_of(leaves)
    assert len(before) == merkle.completed_by(first)
    assert len(before + after) == merkle.completed_by(first + second)
    assert Frontier.from_bytes(grown.size, grown.to_bytes()) == grown


@given(st.integers(1, 200), st.integers(0, 8), st.integers(0, 200))
def test_a_completed_subtree_is_found_under_its_number(size: int, level: int, position: int) -> None:
    leaves = _leaves(size)
    _, completed = Frontier().grow(leaves)
    subtree = Subtree(level, position % max(1, size >> level))
    start, end = subtree.position << level, (subtree.position + 1) << level

    assert end > size or completed[subtree.number] == merkle.root_of(leaves[start:end])


@given(st.integers(1, 300).flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size))))
def test_every_inclusion_proof_verifies_and_no_changed_one_does(place: tuple[int, int]) -> None:
    index, size = place
    leaves = _leaves(size)
    root = merkle.root_of(leaves)
    covers = [merkle.cover(*found) for found in merkle.inclusion_path(index, size)]
    proof = [merkle.fold([_hash(_span(part), leaves) for part in cover]) for cover in covers]

    merkle.verify_inclusion(index, size, leaves[index], proof, root)

    with pytest.raises(ProofInvalid):
        merkle.verify_inclusion(index, size, merkle.leaf_hash(b"other"), proof, root)
    with pytest.raises(ProofInvalid):
        merkle.verify_inclusion(index, size, leaves[index], [*proof, root], root)
    for at in range(len(proof)):
        with pytest.raises(ProofInvalid):
            merkle.verify_inclusion(index, size, leaves[index], proof[:at] + proof[at + 1 :], root)
        wrong = [*proof[:at], merkle.leaf_hash(proof[at]), *proof[at + 1 :]]
        with pytest.raises(ProofInvalid):
            merkle.verify_inclusion(index, size, leaves[index], wrong, root)


@given(st.integers(1, 300).flatmap(lambda size: st.tuples(st.integers(1, size), st.just(size))))
def test_every_consistency_proof_verifies_and_no_changed_one_does(sizes: tuple[int, int]) -> None:
    first, second = sizes
    leaves = _leaves(second)
    roots = merkle.root_of(leaves[:first]), merkle.root_of(leaves)
    proof = [_hash(found, leaves) for found in merkle.consistency_path(first, second)]

    merkle.verify_consistency(first, second, *roots, proof)

    with pytest.raises(ProofInvalid):
        merkle.verify_consistency(first, second, merkle.leaf_hash(b"other"), roots[1], proof)
    with pytest.raises(ProofInvalid):
        merkle.verify_consistency(first, second, roots[0], merkle.leaf_hash(b"other"), proof)
    with pytest.raises(ProofInvalid):
        merkle.verify_consistency(first, second, *roots, [*proof, roots[0]])
    for at in range(len(proof)):
        with pytest.raises(ProofInvalid):
            merkle.verify_consistency(first, second, *roots, proof[:at] + proof[at + 1 :])
        wrong = [*proof[:at], merkle.leaf_hash(proof[at]), *proof[at + 1 :]]
        with pytest.raises(ProofInvalid):
            merkle.verify_consistency(first, second, *roots, wrong)


@given(st.integers(0, 100_000))
def test_the_size_for_a_number_of_subtrees_is_the_smallest_that_holds_them(count: int) -> None:
    size = merkle.size_holding(count)

    assert merkle.completed_by(size) >= count
    assert size == 0 or merkle.completed_by(size - 1) < count


def _span(part: Subtree) -> merkle.Range:
    return part.position << part.level, (part.position + 1) << part.level


@pytest.mark.parametrize(("size", "hashes"), [(-1, ()), (3, (b"x" * 32,))])
def test_a_frontier_has_one_hash_for_each_complete_subtree(size: int, hashes: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="complete subtrees"):
        Frontier(size, hashes)
