"""Which locations hold a password or key, and that no message repeats it."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.registry.data.locations import check_location, shown_location

SECRET = "Zq7xW9kP"

HOLDING = [
    "postgresql://user:{}@h/n#t",
    "postgresql+psycopg://user:{}@h:5432/n#SELECT * FROM t",
    "POSTGRESQL://user:{}@h/n#t",
    " postgresql://user:{}@h/n#t",
    "postgresql://me@corp.com:{}@h/n#t",
    "postgresql://user:{}@[::1]:5432/n#t",
    "postgresql://user:1{}@h1:5432,h2:5432/n#t",
    "postgresql://h/n?password={}#t",
    "postgresql://h/n?user=u&sslpassword={}#t",
    "postgresql://h/n#t?password={}",
    "postgresql://h:5432/n#SELECT * FROM dblink('host=h password={}', 'SELECT 1')",
    "postgresql://h/n#SELECT 'https://user:{}@host/x.csv'",
    "duckdb:///f.duckdb#FROM read_parquet('s3://b/x.parquet?s3_secret_access_key={}')",
    "redis://:{}@h/0",
    "s3://KEY:{}@b/x.csv",
    "s3a://KEY:{}@b/*.parquet",
    "simplecache::s3://KEY:{}@b/x.csv",
    "zip://*.csv::https://user:{}@host/x.zip",
    "spark:s3a://KEY:{}@b/x.parquet",
    "spark:#SELECT * FROM parquet.`s3a://KEY:{}@b/x.parquet`",
    "spark:jdbc:postgresql://h/n?user=u&password={}",
    "https://user:{}@host/x.csv",
    "https://user%3A{}@host/x.csv",
    "ftp://u:{}@host/x.csv",
    "https://host/x.csv?X-Amz-Algorithm=A&X-Amz-Signature={}",
    "https://host/x.csv?X-Amz-Credential={}&X-Amz-Date=1",
    "https://host/x.csv?x-amz-security-token={}",
    "https://host/x.csv?X-Goog-Signature={}",
    "https://host/x.csv?AWSAccessKeyId={}",
    "https://host/x.csv?Expires=1&Signature={}",
    "https://a.blob.core.windows.net/c/x.csv?sv=2022-11-02&se=2031-01-01&sp=r&sig={}",
    "https://host/x.csv?token={}",
    "https://host/x.csv?access_token={}",
    "https://host/x.csv#access_token={}",
    "https://host/x.csv?a=1;api_key={}",
    "https://host/x.csv?key={}",
    "https://host/x.csv?client%5Fsecret={}",
    "https://host/x.csv?pass%77ord={}",
    "mssql://?odbc_connect=DRIVER%3DODBC%3BPWD%3D{}",
    "host=h dbname=n password={}",
]

HOLDING_NONE = [
    "",
    "pushed",
    "data/live-*.csv",
    "data/live-?.csv",
    "data/part-?token=1.csv",
    "data/a:b@c.csv",
    "data/user:pw@host?key=1#2.csv",
    "data/key=1/token=2/part-?.parquet",
    r"C:\data\a@b?.csv",
    "C:/data/live-*.csv",
    "C://data/a@b.csv",
    r"\\server\share\x.csv",
    "file:///data/a:b@c.csv",
    "sqlite:///file.db#table",
    "sqlite:////data/a:b@c.db#table",
    "duckdb:///C:/x.duckdb#SELECT * FROM t WHERE mail LIKE '%@%'",
    "postgresql://h/n#schema.table",
    "postgresql://user@h/n#t",
    "postgresql://user@h:5432/n#t",
    "postgresql://user@[::1]:5432/n?sslmode=require#t",
    "postgresql://h1:5432,h2:5432/n?target_session_attrs=any#t",
    "postgresql://h:5432/n#SELECT split_part(mail, '@', 2) AS host FROM t",
    "postgresql://h/n?passfile=/run/pgpass&sslkey=/run/key.pem#t",
    "postgresql://h/n#SELECT * FROM t WHERE password = 'x' AND token='y' AND flags&key=1",
    "postgresql://h/n#SELECT * FROM t WHERE page = 'https://host:8080/x?page=1'",
    "https://host/x.csv?table=a&page=2&partition_key=b&tokens=5",
    "https://host/x.csv?token=",
    "https://host:8080/a@b.csv",
    "https://user@host/x.csv",
    "s3://bucket/live/*.parquet",
    "s3://bucket/part-?.parquet",
    "s3://bucket/year=202?/key=1/token=2/x.parquet",
    "s3://bucket/a:b@c.csv",
    "s3://arn:aws:s3:us-west-2:123456789012:accesspoint/name/a@b.csv",
    "abfss://container@account.dfs.core.windows.net/x.parquet",
    "hdfs://namenode:8020/x@y.parquet",
    "zip://a.csv::https://host/a@b.zip",
    "zip://a.csv::simplecache::https://host/a@b.zip",
    "zip://*.csv::data/a@b.zip",
    "spark:data/*.parquet",
    "spark:#database.table",
    "spark:hdfs://namenode:8020/x.parquet",
]


@pytest.mark.parametrize("location", HOLDING)
def test_a_location_with_a_password_or_key_is_refused_without_repeating_it(location: str) -> None:
    with pytest.raises(InputError) as caught:
        check_location(location.format(SECRET))
    error = caught.value
    assert error.slug == "bad-source"
    assert SECRET not in f"{error.message}{error.hint}"
    assert "***" in error.message


@pytest.mark.parametrize("location", HOLDING_NONE)
def test_a_location_without_one_is_accepted(location: str) -> None:
    check_location(location)
    assert shown_location(location) == location


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("postgresql://user:pw@h/n#t", "postgresql://***@h/n#t"),
        ("https://host/x.csv?page=1&sig=pw", "https://host/x.csv?page=1&sig=***"),
        ("postgresql://u:p@ss/w#rd@h/n#t", "postgresql://***@h/n#t"),
        ("s3://KEY:123/abc@b/x.csv", "s3://***@b/x.csv"),
    ],
)
def test_what_is_shown_tells_which_location_was_meant(location: str, shown: str) -> None:
    assert shown_location(location) == shown


@given(
    location=st.sampled_from([one for one in HOLDING if "SELECT" not in one and "FROM" not in one]),
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=4, max_size=60),
)
@example(location="postgresql://user:{}@h/n#t", secret="p@ss#wo/rd?")
@example(location="s3://KEY:{}@b/x.csv", secret="1234/abc+def")
def test_no_secret_is_ever_repeated_percent_encoded(location: str, secret: str) -> None:
    secret = f"Zq{secret}7x"
    written = quote(secret, safe="")
    with pytest.raises(InputError) as caught:
        check_location(location.format(written))
    said = f"{caught.value.message}{caught.value.hint}"
    assert secret not in said
    assert written not in said


@given(
    location=st.sampled_from(
        ["postgresql://user:{}@h/n#t", "s3://KEY:{}@b/x.csv", "postgresql://h/n?password={}#t"]
    ),
    secret=st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), min_size=4, max_size=40),
)
@example(location="postgresql://user:{}@h/n#t", secret="12#4@")
@example(location="postgresql://user:{}@h/n#t", secret=":/#a")
def test_no_secret_is_ever_repeated_written_as_it_is(location: str, secret: str) -> None:
    secret = f"Zq{secret}7x"
    with pytest.raises(InputError) as caught:
        check_location(location.format(secret))
    said = f"{caught.value.message}{caught.value.hint}"
    assert secret not in said
    assert secret[-4:] not in said


@given(st.text(max_size=200))
def test_any_text_can_be_looked_through(location: str) -> None:
    assert shown_location(location) == location or "***" in shown_location(location)
