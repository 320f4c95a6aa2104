"""Classes that are made once may be converted by any number of threads at once."""

import subprocess
import sys

CONVERTED_AT_ONCE = """
import sys, threading
sys.setswitchinterval(1e-6)
from pulumi_slipway.cluster import decoders
decoders.make()
kinds = decoders.KINDS * 2
start = threading.Barrier(len(kinds))
meta = {"name": "a", "labels": {"a": "b"}, "managedFields": [{"manager": "x"}], "ownerReferences": []}
def work(kind):
    start.wait()
    kind.from_dict({"metadata": meta})
threads = [threading.Thread(target=work, args=(kind,)) for kind in kinds]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print("alive")
"""


def test_after_they_are_made_threads_convert_them_at_once_without_a_crash():
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", CONVERTED_AT_ONCE], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done
        assert done.stdout.strip() == "alive"
