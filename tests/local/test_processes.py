"""What we start is ours to stop."""

import os

from local import processes


def test_a_ctrl_c_in_the_terminal_reaches_us_and_not_our_children(tmp_path):
    with (tmp_path / "log").open("wb") as log:
        child = processes.start(["sleep", "60"], cwd=tmp_path, output=log)
    try:
        assert os.getpgid(child.pid) == child.pid != os.getpgrp()
    finally:
        processes.stop(child)
