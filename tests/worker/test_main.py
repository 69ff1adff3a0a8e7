from __future__ import annotations

import json
import os
import subprocess
import sys


def worker(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "restore.worker", *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_worker_without_settings_says_what_is_missing_in_one_line_of_json():
    done = worker("--once")
    line = json.loads(done.stdout)
    assert (done.returncode, line["code"], line["level"]) == (1, "settings", "error")
    assert "RESTORE_TARGETS" in line["reason"]
    assert done.stderr == ""


def test_an_option_it_does_not_know_is_refused():
    assert worker("--twice").returncode == 2
