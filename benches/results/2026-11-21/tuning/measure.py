#!/usr/bin/env python3
"""Measures one knob after another: A B A B, in one run, one router shard on CPU 0 and loadgen on CPU 1.

measure.py BIN [KNOB...]: BIN holds slipring and loadgen; as root, because knobs are settings of the
host. Every setting is put back. Writes KNOB.jsonl beside this file and one line a pair to the output.
"""
import contextlib, json, os, pathlib, re, statistics, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
PROFILE = HERE.parents[3] / "tuning/container/seccomp.json"
BIN = pathlib.Path(sys.argv[1]).resolve()
ROUNDS = int(os.environ.get("ROUNDS", "5"))
PORT = int(os.environ.get("PORT", "17610"))
FOLDER = pathlib.Path(tempfile.mkdtemp())

SATURATED = ["run", "--pairs", "16", "--duration", "3"]
LARGE = ["run", "--pairs", "1", "--size", "16384", "--duration", "3"]
PING = ["run", "--pairs", "16", "--window", "1", "--duration", "3"]
PACED = ["run", "--pairs", "16", "--rate", "50000", "--duration", "3"]
STORM = ["storm", "--links", "5000", "--concurrency", "250", "--hold", "0"]
IDLE = ["storm", "--links", "5000", "--hold", "3"]


def node(io):
    path = FOLDER / f"{io}.yaml"
    path.write_text(f"""services:
  slim/0:
    dataplane:
      servers:
        - {{endpoint: "127.0.0.1:{PORT}", tls: {{insecure: true}}}}
tracing: {{log_level: warn}}
slipring:
  cpus: [0]
  io: {io}
  admin: {{http: "127.0.0.1:{PORT + 1}", control: "{FOLDER}/control.sock"}}
""")
    return str(path)


@contextlib.contextmanager
def written(settings):
    """Settings of the host, put back in any case."""
    before = []
    try:
        for path, value in settings.items():
            text = pathlib.Path(path).read_text()
            # Of a choice the chosen word is the value.
            chosen = re.search(r"\[(\w+)\]", text)
            before.append((path, chosen.group(1) if chosen else text))
            pathlib.Path(path).write_text(value)
        yield
    finally:
        for path, value in reversed(before):
            pathlib.Path(path).write_text(value)


def once(load, settings=None, wrapper=(), io="uring", env=None, load_env=None, group=None):
    with written(settings or {}):
        command = [*wrapper, str(BIN / "slipring"), "--config", node(io)]
        router = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  text=True, env={**os.environ, **(env or {})})
        try:
            runtime = ""
            for line in router.stdout:
                if line.startswith("  runtime"):
                    runtime = line.split(None, 1)[1].strip()
                if line.startswith("  memory"):
                    break
            else:
                return {"refused": True}
            if group:
                pathlib.Path(group, "cgroup.procs").write_text(str(router.pid))
            verb, *flags = load
            out = FOLDER / "out.json"
            out.unlink(missing_ok=True)
            subprocess.run([str(BIN / "loadgen"), verb, f"127.0.0.1:{PORT}", *flags, "--cpus", "1",
                            "--pid", str(router.pid), "--json", str(out)],
                           stdout=subprocess.DEVNULL, env={**os.environ, **(load_env or {})})
            result = json.loads(out.read_text())
            smaps = pathlib.Path(f"/proc/{router.pid}/smaps_rollup").read_text()
            result["anon_huge_kib"] = int(re.search(r"AnonHugePages: +(\d+)", smaps).group(1))
            result["runtime"] = runtime
            result["loadavg"] = os.getloadavg()[0]
            return result
        finally:
            router.terminate()
            router.wait()


def cpu(result):
    return result["measured"]["target_cpu_us_each"]


def p50(result):
    return result["latency"]["p50_ns"] / 1e3


def p99(result):
    return result["latency"]["p99_ns"] / 1e3


def rate(result):
    return result["deliveries_per_second"]


def opened(result):
    return result["opening"]["span_seconds"] * 1e3


def slowest(result):
    return result["open_time"]["max_ns"] / 1e6


def per_link(result):
    held = result["holding"]["target_resident_kib"] - result["target_resident_kib_before"]
    return held / result["opened"]


METRICS = {"router us": cpu, "p50 us": p50, "p99 us": p99, "msg/s": rate, "opened ms": opened,
           "slowest ms": slowest, "KiB a link": per_link}
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
POLL, READ = "/proc/sys/net/core/busy_poll", "/proc/sys/net/core/busy_read"
RMEM, BACKLOG = "/proc/sys/net/ipv4/tcp_rmem", "/proc/sys/net/core/somaxconn"
SHIM = str(FOLDER / "no_nodelay.so")
CONFINE = ["/usr/bin/python3", str(HERE / "confine.py")]
GROUP = "/sys/fs/cgroup/cpu/slipring-measure"

# Knob: what A and B are, how each runs, and what is looked at.
KNOBS = {
    "io": ("uring", "epoll", SATURATED, {}, {"io": "epoll"}, ["router us", "msg/s"]),
    "io-ping": ("uring", "epoll", PING, {}, {"io": "epoll"}, ["router us", "p50 us", "p99 us"]),
    "nodelay": ("set", "swallowed on both sides", PING, {},
                {"env": {"LD_PRELOAD": SHIM}, "load_env": {"LD_PRELOAD": SHIM}},
                ["msg/s", "p50 us", "p99 us"]),
    "nodelay-large": ("set", "swallowed on both sides", LARGE, {},
                      {"env": {"LD_PRELOAD": SHIM}, "load_env": {"LD_PRELOAD": SHIM}},
                      ["msg/s", "p50 us"]),
    "thp": ("madvise", "always", IDLE, {"settings": {THP: "madvise"}},
            {"settings": {THP: "always"}}, ["KiB a link"]),
    # The same with a router that declines them.
    "thp-declined": ("madvise", "always", IDLE, {"settings": {THP: "madvise"}},
                     {"settings": {THP: "always"}}, ["KiB a link"]),
    "seccomp": ("none", "tuning/container/seccomp.json", PING, {},
                {"wrapper": [*CONFINE, str(PROFILE)]}, ["router us", "p50 us"]),
    "seccomp-saturated": ("none", "tuning/container/seccomp.json", SATURATED, {},
                          {"wrapper": [*CONFINE, str(PROFILE)]}, ["router us"]),
    "fifo": ("SCHED_OTHER", "SCHED_FIFO 1", PING, {}, {"wrapper": ["chrt", "-f", "1"]},
             ["router us", "p50 us", "p99 us"]),
    "batch": ("SCHED_OTHER", "SCHED_BATCH", PING, {}, {"wrapper": ["chrt", "-b", "0"]},
              ["router us", "p50 us", "p99 us"]),
    "busy-poll": ("0", "50", PING, {"settings": {POLL: "0", READ: "0"}},
                  {"settings": {POLL: "50", READ: "50"}}, ["router us", "p50 us"]),
    "rmem": ("8 MiB", "256 KiB", LARGE, {"settings": {RMEM: "4096 131072 8388608"}},
             {"settings": {RMEM: "4096 131072 262144"}}, ["router us", "msg/s"]),
    "somaxconn": ("4096", "16", STORM, {"settings": {BACKLOG: "4096"}},
                  {"settings": {BACKLOG: "16"}}, ["opened ms", "slowest ms"]),
    "quota": ("none", "10 % of a CPU", PACED, {}, {"group": GROUP}, ["p50 us", "p99 us"]),
}


def measure(name):
    a, b, load, with_a, with_b, looked = KNOBS[name]
    results = {"A": [], "B": []}
    for _ in range(ROUNDS):
        results["A"].append(once(load, **with_a))
        results["B"].append(once(load, **with_b))
    for runs in results.values():
        for run in runs:
            for key in ("latency", "open_time"):
                run.get(key, {}).pop("curve", None)
            run.pop("command_line", None)
    print(f"{name}: A {a}; B {b}; loadgen {' '.join(load)}")
    for metric in looked:
        of = METRICS[metric]
        series = {side: [of(run) for run in runs] for side, runs in results.items()}
        middle = {side: statistics.median(values) for side, values in series.items()}
        ratios = [y / x for x, y in zip(series["A"], series["B"])]
        shown = {side: " ".join(f"{value:,.2f}" for value in values) for side, values in series.items()}
        print(f"  {metric}: A {middle['A']:,.2f} ({shown['A']})  B {middle['B']:,.2f} ({shown['B']})  "
              f"B/A {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    lossy = sum(not run.get("clean", False) for runs in results.values() for run in runs)
    loads = [run.get("loadavg", 0) for runs in results.values() for run in runs]
    print(f"  runs not clean: {lossy}; load average {min(loads):.1f} to {max(loads):.1f}", flush=True)
    setting = {"A": a, "B": b}
    # A line for each run, in the order in which they ran.
    with open(HERE / f"{name}.jsonl", "w") as out:
        for pair in zip(results["A"], results["B"]):
            for side, run in zip("AB", pair):
                line = {"side": side, "setting": setting[side], "load": load, "result": run}
                out.write(json.dumps(line) + "\n")


def main():
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", SHIM, str(HERE / "no_nodelay.c")], check=True)
    names = sys.argv[2:] or list(KNOBS)
    if "quota" in names:
        os.makedirs(GROUP, exist_ok=True)
        pathlib.Path(GROUP, "cpu.cfs_quota_us").write_text("10000")
    try:
        for name in names:
            measure(name)
    finally:
        if os.path.isdir(GROUP):
            os.rmdir(GROUP)


main()
