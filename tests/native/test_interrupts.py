"""Ctrl-C ends a native loop that would not end."""

import subprocess
import sys

SCRIPT = """
import os, signal, threading
import jitdiff as jd

@jd.compile
def endless(x):
    while x > 0:
        x = x + 1.0
        if x > 10:
            x = x - 5.0
    return x

endless(-1.0)
threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    endless(1.0)
except KeyboardInterrupt:
    print("interrupted", endless(-3.0))
"""


def test_ctrl_c_ends_an_endless_loop(tmp_path):
    path = tmp_path / "endless.py"
    path.write_text(SCRIPT)
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "interrupted -3.0\n", done.stderr
