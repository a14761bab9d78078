"""Opening an index by its URL."""

from __future__ import annotations

import socket
import sys

import pytest
from sqlalchemy import make_url

from elue.errors import ElueError
from elue.record.connection import check_url, shown
from elue.record.store import Store
from tests.postgresql import ask, fresh
from tests.record.test_files import make_record


@pytest.mark.parametrize("url", ["postgresql+psycopg://me@here/elue", "postgresql://me@here/elue"])
def test_a_missing_driver_names_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for module in ("psycopg", "psycopg2"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ElueError, match=r"pip install 'elue\[postgresql\]'"):
        check_url(url)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("postgresql+psycopg://me:secret@here/elue", "postgresql+psycopg://me:***@here/elue"),
        ("postgresql+psycopg://me:a@b:secret@here/elue", "postgresql+psycopg://me:***@here/elue"),
        ("postgresql+psycopg://:secret@here:port/elue", "postgresql+psycopg://:***@here:port/elue"),
        (
            "postgresql+psycopg://here/elue?user=me&password=secret&x=1",
            "postgresql+psycopg://here/elue?user=me&password=***&x=1",
        ),
        ("postgresql+psycopg://me@here:5432/elue", "postgresql+psycopg://me@here:5432/elue"),
        ("sqlite:///C:/a@b/elue.sqlite", "sqlite:///C:/a@b/elue.sqlite"),
        ("nonsense", "nonsense"),
    ],
)
def test_no_message_names_a_password(url: str, named: str) -> None:
    assert shown(url) == named


def test_a_server_that_is_not_there_is_one_line_without_the_password() -> None:
    pytest.importorskip("psycopg")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"postgresql+psycopg://me:secret@127.0.0.1:{free.getsockname()[1]}/elue"
        with pytest.raises(ElueError, match="refused") as raised:
            Store(url)
    assert raised.value.code == "database_unusable"
    assert "server runs" in (raised.value.hint or "")
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.thorough
def test_what_a_server_refuses_is_one_line(postgresql: str) -> None:
    for part, other, why in (
        ("//elue@", "//stranger@", 'role "stranger" does not exist'),
        ("/postgres?", "/nosuch?", 'database "nosuch" does not exist'),
    ):
        with pytest.raises(ElueError, match=why) as raised:
            Store(postgresql.replace(part, other))
        assert raised.value.code == "database_unusable"
        assert "\n" not in str(raised.value)


@pytest.mark.thorough
def test_who_may_not_write_is_told_so(postgresql: str) -> None:
    url = fresh(postgresql)
    Store(url).add(make_record())
    name = make_url(url).database
    for what in ("CREATE ROLE reader LOGIN", "GRANT SELECT ON runs, records TO reader"):
        ask(url, what)
    reading = Store(url.replace("//elue@", "//reader@"))
    assert reading.keys() == {make_record().key}
    with pytest.raises(ElueError, match="permission denied for table runs") as raised:
        reading.add(make_record())
    assert raised.value.code == "database_unusable"
    ask(url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(ElueError, match="read-only transaction") as raised:
        Store(url).add(make_record())
    assert raised.value.code == "database_unusable"


@pytest.mark.thorough
def test_a_server_that_was_started_anew_is_found_again(postgresql: str) -> None:
    store = Store(fresh(postgresql))
    store.add(make_record())
    ask(postgresql, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    assert store.keys() == {make_record().key}
