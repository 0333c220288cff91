"""The packages that the comparisons run against, and measured processes."""

import os
import pathlib
import subprocess

TOOL = pathlib.Path(__file__).resolve().parent.parent.parent / "tools/interop_environment.sh"


def environment_python(name):
    """The Python with the packages of tools/NAME_requirements.txt; made with pip at first use and
    kept in the user's cache."""
    print(f"looking for the environment {name} ...", flush=True)
    done = subprocess.run([TOOL, name], check=True, stdout=subprocess.PIPE, text=True)
    return pathlib.Path(done.stdout.splitlines()[-1])


class AnsweringProcess:
    """A process that says "ready" and then answers every line with the seconds a pass took."""

    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline().split()
        if ready[:1] != ["ready"]:
            raise RuntimeError(f"{name} did not start")
        if ready[1:]:
            print(f"{name}: {' '.join(ready[1:])}")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def stop(self):
        """Ends the process; gives its peak memory in bytes."""
        self.process.stdin.close()
        _, _, usage = os.wait4(self.process.pid, 0)
        return usage.ru_maxrss * 1024
