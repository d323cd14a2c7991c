"""Decoding in threads: types that are seen for the first time by several at once do not crash the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

AT_ONCE = """
import sys, threading, msgspec
from crisplens.core.decoding import convert, decode_json
from crisplens.monitors.model import NumericProfile, Profile
number = NumericProfile(name="a", type="DOUBLE", integer=False, rows=1, nulls=0, count=1, edges=(0.0,), counts=(0, 1),
                        exact=False, values=None)
profile = Profile(rows=1, columns=(number,))
content, value = msgspec.json.encode(profile), msgspec.to_builtins(profile)
sys.setswitchinterval(1e-6)
gate = threading.Barrier(8)
found = []
def decode(index):
    gate.wait()
    found.append(decode_json(content, Profile) if index % 2 else convert(value, Profile))
threads = [threading.Thread(target=decode, args=(index,)) for index in range(8)]
[one.start() for one in threads]
[one.join() for one in threads]
assert found == [profile] * 8
"""


@pytest.mark.end_to_end
def test_threads_decode_a_new_type_at_once() -> None:
    for _ in range(5):
        ran = subprocess.run([sys.executable, "-c", AT_ONCE], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran
