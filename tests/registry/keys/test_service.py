"""Keys are trusted, rotated and revoked by events that a log key endorses; no secret is ever recorded."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, Table, inspect, select

from crisplens.api import Registry
from crisplens.core.errors import InputError, Refused, RegistryError
from crisplens.ledger.notes import NoteSigner, open_note, parse_key, parse_signer
from crisplens.registry.keys.files import write_signer
from tests.conftest import ANA, BO, LOG_NAME, SshPerson, assert_refused, log_of, opened, sqlite_file

pytestmark = pytest.mark.stored

PERSON = SshPerson(BO)
CY = SshPerson("cy")
SECOND = "second.key"


@pytest.fixture
def keyed(registry: Registry) -> Registry:
    """A registry with a log key."""
    registry.key.generate(LOG_NAME)
    return registry


def using(registry: Registry, location: str) -> Registry:
    """The same registry with another signing key."""
    return Registry(replace(registry.configuration, signing_key=location), registry.engine, ANA)


def key_file(registry: Registry) -> Path:
    """Where the signing key is."""
    return registry.configuration.folder / registry.configuration.signing_key


def test_a_log_key_is_made_once_and_trusted_without_endorsement(registry: Registry) -> None:
    key = registry.key.generate(LOG_NAME)
    assert (key.purpose, key.owner, key.endorsement) == ("log", LOG_NAME, None)
    assert key.id == parse_key(key.public_key).id == registry.signer.key.id
    assert stat.S_IMODE(key_file(registry).stat().st_mode) == 0o600
    assert registry.key.list() == [key]
    assert registry.audit.verify().passed
    before = key_file(registry).read_bytes()
    assert_refused(registry, lambda: registry.key.generate(LOG_NAME), "exists", "never overwritten")
    assert key_file(registry).read_bytes() == before


@pytest.mark.parametrize("name", ["", "a b", "a+b", "\n"])
def test_a_key_of_an_unusable_name_is_not_made(registry: Registry, name: str) -> None:
    assert_refused(registry, lambda: registry.key.generate(name), "bad-name", kind=InputError)
    assert not key_file(registry).exists()


def test_a_key_that_cannot_be_trusted_leaves_no_file(keyed: Registry) -> None:
    key_file(keyed).rename(keyed.configuration.folder / "aside")
    # In the old key's place the new one would have to endorse itself.
    assert_refused(keyed, lambda: keyed.key.generate(LOG_NAME), "bad-endorsement", kind=Refused)
    assert_refused(keyed, lambda: keyed.key.generate(LOG_NAME, key_file=SECOND), "no-signing-key")
    assert not key_file(keyed).exists()
    assert not (keyed.configuration.folder / SECOND).exists()


def test_a_key_from_the_environment_signs_and_endorses_and_has_no_file(registry: Registry) -> None:
    signer = NoteSigner(LOG_NAME, b"e" * 32)
    registry.key.trust(str(signer.key))
    from_environment = using(registry, signer.secret())
    assert signer.secret() not in repr(from_environment.configuration)
    from_environment.key.trust(PERSON.public, owner=BO)
    assert open_note(from_environment.audit.sign_head(), [signer.key]).signed_by == (signer.key,)
    assert_refused(registry, lambda: from_environment.key.generate("x"), "no-signing-key", "--key-file")
    second = from_environment.key.generate(LOG_NAME, key_file=SECOND)
    assert second.endorsement
    assert second.endorsement.key == signer.key.id
    assert not list(registry.configuration.folder.rglob("*PRIVATE*"))
    assert registry.audit.verify().passed


def test_an_approver_s_key_needs_a_log_key_first(registry: Registry) -> None:
    call: Callable[[], Any] = lambda: registry.key.trust(PERSON.public, owner=BO)  # noqa: E731
    assert_refused(registry, call, "no-signing-key", "crisplens key generate NAME", kind=InputError)


def test_an_approver_s_key_is_endorsed_at_its_place(keyed: Registry) -> None:
    key = keyed.key.trust(f"{PERSON.public}\n", owner=f" {BO} ")
    assert (key.id, key.purpose, key.owner) == (PERSON.fingerprint, "approver", BO)
    assert key.public_key == " ".join(PERSON.public.split()[:2])
    assert key.endorsement
    assert key.endorsement.key == keyed.signer.key.id
    assert keyed.audit.verify().passed


def test_a_key_has_one_owner(keyed: Registry) -> None:
    keyed.key.trust(PERSON.public, owner=BO)
    for owner in (BO, ANA, BO.upper()):
        assert_refused(
            keyed,
            partial(keyed.key.trust, PERSON.public, owner=owner),
            "exists",
            f"is {BO}'s already",
        )


def test_a_person_may_have_several_keys(keyed: Registry) -> None:
    keyed.key.trust(PERSON.public, owner=BO)
    keyed.key.trust(SshPerson("laptop").public, owner=BO)
    assert [one.owner for one in keyed.key.list()] == [LOG_NAME, BO, BO]
    assert keyed.audit.verify().passed


@pytest.mark.parametrize(
    ("key", "owner", "slug"),
    [
        ("", BO, "bad-key"),
        ("nothing", BO, "bad-key"),
        ("ssh-ed25519 AAAA", BO, "bad-key"),
        (PERSON.public, None, "bad-key"),
        (PERSON.public, "", "bad-actor"),
        (PERSON.public, "a\nb", "bad-actor"),
        (PERSON.public, "\ud800", "bad-actor"),
        (PERSON.public.replace("ssh-ed25519 ", "ssh-rsa "), BO, "bad-key"),
        (f"ecdsa-sha2-nistp256 {PERSON.public.split()[1]} bo", BO, "bad-key"),
        (NoteSigner("log", b"1" * 32).secret(), None, "bad-key"),
        (str(NoteSigner("log", b"1" * 32).key)[:-1], None, "bad-key"),
    ],
)
def test_what_is_no_key_is_not_trusted(keyed: Registry, key: str, owner: str | None, slug: str) -> None:
    error = assert_refused(keyed, lambda: keyed.key.trust(key, owner=owner), slug, kind=InputError)
    assert NoteSigner("log", b"1" * 32).secret()[-30:] not in f"{error.message}{error.hint}"


def test_a_key_of_another_kind_is_told_which_is_taken(keyed: Registry) -> None:
    public = f"ecdsa-sha2-nistp256 {PERSON.public.split()[1]} bo"
    assert_refused(keyed, lambda: keyed.key.trust(public, owner=BO), "bad-key", "only Ed25519 keys are taken")


def test_keys_are_rotated_by_endorsement(keyed: Registry) -> None:
    old = keyed.signer
    early = keyed.audit.sign_head()
    made = keyed.key.generate(LOG_NAME, key_file=SECOND)
    now = using(keyed, SECOND)
    assert made.id == now.signer.key.id
    assert made.endorsement
    assert made.endorsement.key == old.key.id
    late = keyed.audit.sign_head()
    revoked = now.key.revoke(old.key.id, reason="rotated")
    assert (revoked.revoked_reason, revoked.revoked_by) == ("rotated", ANA)
    assert revoked.revocation_endorsement
    assert revoked.revocation_endorsement.key == made.id
    assert revoked.revoked_seq == keyed.audit.head().size - 1
    heads = [keyed.configuration.folder / f"{at}.txt" for at in range(3)]
    for file, note in zip(heads, (early, late, now.audit.sign_head()), strict=True):
        file.write_text(note, encoding="utf-8")
    verification = now.audit.verify(against=heads, keys=[str(old.key)])
    assert verification.passed
    signed_by = [note.what.rpartition(" ")[2] for note in verification.verdicts[1].notes]
    assert signed_by == [old.key.id, old.key.id, made.id]


def test_a_revoked_key_endorses_nothing_and_is_never_trusted_again(keyed: Registry) -> None:
    old = keyed.signer.key
    keyed.key.trust(PERSON.public, owner=BO)
    keyed.key.trust(CY.public, owner="cy")
    keyed.key.generate(LOG_NAME, key_file=SECOND)
    now = using(keyed, SECOND)
    now.key.revoke(old.id, reason="rotated")
    now.key.revoke(PERSON.fingerprint, reason="left")
    for call in (
        lambda: keyed.key.trust(SshPerson("dee").public, owner="dee"),
        lambda: keyed.key.revoke(CY.fingerprint, reason="x"),
        lambda: keyed.key.generate(LOG_NAME, key_file="third.key"),
    ):
        assert_refused(
            keyed, call, "bad-endorsement", f"{old.id}, which endorsed it, was revoked", kind=Refused
        )
    assert not (keyed.configuration.folder / "third.key").exists()
    assert_refused(now, lambda: now.key.trust(PERSON.public, owner=BO), "exists", "was revoked on")
    assert_refused(now, lambda: now.key.trust(str(old)), "exists", "never trusted again")
    assert_refused(now, lambda: now.key.revoke(old.id, reason="again"), "unknown-name")
    assert now.audit.verify().passed


def test_the_only_log_key_is_not_revoked(keyed: Registry) -> None:
    assert_refused(keyed, lambda: keyed.key.revoke(keyed.signer.key.id, reason="x"), "last-key", kind=Refused)


def test_a_key_may_endorse_its_own_end(keyed: Registry) -> None:
    keyed.key.generate(LOG_NAME, key_file=SECOND)
    keyed.key.revoke(keyed.signer.key.id, reason="stolen")
    assert keyed.audit.verify().passed
    assert_refused(keyed, lambda: keyed.key.trust(PERSON.public, owner=BO), "bad-endorsement", kind=Refused)


def test_a_signing_key_that_nobody_trusted_endorses_nothing(keyed: Registry) -> None:
    write_signer(NoteSigner(LOG_NAME, b"x" * 32), keyed.configuration.folder / "other.key")
    other = using(keyed, "other.key")
    assert_refused(
        other, lambda: other.key.trust(PERSON.public, owner=BO), "bad-endorsement", "no trusted log key"
    )


@pytest.mark.parametrize("id", ["", "nothing", "sha256:", "S", LOG_NAME])
def test_a_key_is_revoked_by_a_beginning_of_its_id_that_is_its_own(keyed: Registry, id: str) -> None:
    keyed.key.trust(PERSON.public, owner=BO)
    keyed.key.trust(SshPerson("laptop").public, owner=BO)
    keyed.key.generate("other.example/log", key_file=SECOND)
    if id == LOG_NAME:
        assert keyed.key.revoke(id, reason="x").id == keyed.signer.key.id
        return
    assert_refused(keyed, lambda: keyed.key.revoke(id, reason="x"), "unknown-name", kind=InputError)


def test_an_empty_id_is_not_the_only_key_s(keyed: Registry) -> None:
    assert_refused(keyed, lambda: keyed.key.revoke("", reason="x"), "unknown-name", kind=InputError)
    assert_refused(keyed, lambda: keyed.key.revoke(keyed.signer.key.id, reason=" "), "empty-text")


def test_no_secret_is_in_the_database_or_in_any_event(keyed: Registry) -> None:
    keyed.key.trust(PERSON.public, owner=BO)
    keyed.key.generate(LOG_NAME, key_file=SECOND)
    keyed.audit.sign_head()
    keyed.gate.demand("evaluation", "required", reason="x")
    keyed.gate.demand("evaluation", "optional", reason="x")
    secrets = [
        parse_signer((keyed.configuration.folder / file).read_text(encoding="utf-8"))
        for file in (keyed.configuration.signing_key, SECOND)
    ]
    held = "\n".join(log_of(keyed)).encode() + everything(keyed)
    if keyed.engine.dialect.name == "sqlite":
        held += sqlite_file(str(keyed.engine.url)).read_bytes()
    assert all(str(one.key).encode() in held for one in secrets)
    for signer in secrets:
        encoded = signer.secret().split("+", 4)[4]
        for part in (signer.seed, signer.seed.hex().encode(), encoded[:16].encode(), encoded[16:32].encode()):
            assert part not in held
    assert b"PRIVATE" not in held


def everything(registry: Registry) -> bytes:
    """Every value of every table, as bytes."""
    values = []
    with registry.reading_log() as session:
        connection = session.connection()
        for name in inspect(connection).get_table_names():
            for row in connection.execute(select(Table(name, MetaData(), autoload_with=connection))):
                values += [value if isinstance(value, bytes) else str(value).encode() for value in row]
    return b"\n".join(values)


def test_a_log_that_was_rewritten_is_not_signed_again(
    keyed: Registry, relogged: Callable[[Registry, list[str]], Registry]
) -> None:
    keyed.kpi.set("auc", target=1)
    keyed.audit.sign_head()
    shorter = relogged(keyed, log_of(keyed)[:-1])
    with pytest.raises(RegistryError, match="not the continuation of the 3 events") as caught:
        shorter.audit.sign_head()
    assert (caught.value.slug, caught.value.exit_code) == ("rewritten", 3)
    shorter.kpi.set("auc", target="0.5")
    shorter.kpi.set("f1", target="0.5")
    for call in (shorter.audit.sign_head, lambda: shorter.audit.prove("1")):
        with pytest.raises(RegistryError, match="not the continuation"):
            call()
    assert keyed.audit.sign_head()
    keyed.kpi.set("f1", target=1)
    assert keyed.audit.sign_head()


def test_a_memory_that_is_gone_lets_a_rewritten_log_be_signed_and_one_that_is_damaged_does_not(
    keyed: Registry, relogged: Callable[[Registry, list[str]], Registry]
) -> None:
    keyed.kpi.set("auc", target=1)
    note = keyed.audit.sign_head()
    memory = Path(f"{key_file(keyed)}.last-head")
    assert memory.read_text(encoding="utf-8") == note
    shorter = relogged(keyed, log_of(keyed)[:-1])
    memory.write_text(note[:40], encoding="utf-8")
    assert_refused(shorter, shorter.audit.sign_head, "bad-head", "does not hold the head", kind=InputError)
    assert memory.read_text(encoding="utf-8") == note[:40]
    memory.unlink()
    assert shorter.audit.sign_head() != note


def test_a_head_that_cannot_be_remembered_is_not_given(
    keyed: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    assert_refused(keyed, keyed.audit.sign_head, "unwritable", "No space left")


def test_nothing_is_signed_without_a_key(registry: Registry) -> None:
    assert_refused(registry, registry.audit.sign_head, "no-signing-key", "crisplens key generate NAME")
    assert_refused(registry, lambda: registry.audit.prove("0"), "no-signing-key")


def test_keys_are_those_of_the_registry_and_not_of_a_project(keyed: Registry) -> None:
    url = keyed.engine.url.render_as_string(hide_password=False)
    with opened(url, keyed.configuration.folder) as other:
        assert other.acting_as(ANA, project="none").key.list() == keyed.key.list()
    assert all(re.search(r'"project":null', text) for text in log_of(keyed) if '"key.trusted"' in text)
