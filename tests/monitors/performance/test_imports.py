import subprocess
import sys


def test_what_only_calculates_loads_no_engine_and_no_arrays():
    modules = "metrics merging labels estimation losses segments fairness variants"
    modules += " measuring loss_reading boosted_losses"
    code = "; ".join(f"import crisplens.monitors.performance.{name}" for name in modules.split())
    heavy = "{'duckdb', 'numpy', 'pandas', 'sklearn', 'sqlalchemy', 'statistics'}"
    found = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(sorted({heavy} & set(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"
