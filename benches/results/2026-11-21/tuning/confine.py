#!/usr/bin/env python3
"""Runs a command under a seccomp profile: confine.py [--without-uring] PROFILE COMMAND..."""
import errno, json, os, sys
import seccomp

words = sys.argv[1:]
without = words[0] == "--without-uring" and bool(words.pop(0))
profile = json.load(open(words[0]))
confined = seccomp.SyscallFilter(defaction=seccomp.ERRNO(errno.EPERM))
for rule in profile["syscalls"]:
    for name in rule["names"]:
        if without and name.startswith("io_uring"):
            continue
        try:
            confined.add_rule(seccomp.ALLOW, name)
        except (OSError, RuntimeError, ValueError):
            print(f"not on this architecture: {name}", file=sys.stderr)
confined.load()
os.execvp(words[1], words[1:])
