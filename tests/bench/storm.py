#!/usr/bin/env python3
"""Storms openat and says what tracing it costs: the traced loop, the tracer's CPU and memory, losses, time to the first event.

usage: tests/bench/storm.py [--opens N] [--repeat N] [--binary PATH] [--tools gadgetry,opensnoop,bpftrace] [--existing]

All tools run one after the other in the same round, each into a file, the loop pinned to CPU 1; rounds are repeated and medians
printed, then one JSON line per measurement. Needs root and cc. opensnoop (Debian's libbpf-tools) and bpftrace take part when
they are installed. The loop opens a path that does not exist, or with --existing one that does, and closes it.
"""
import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAME = "gadgetry-storm"
PROBE = "/gadgetry-first-event"
BPFTRACE = (
    "tracepoint:syscalls:sys_enter_openat { @f[tid] = args->filename; } "
    'tracepoint:syscalls:sys_exit_openat /@f[tid]/ { printf("%d %s %d %s\\n", pid, comm, args->ret, str(@f[tid])); delete(@f[tid]); }'
)
COLLECTOR = """
version: v1
gadgets: [{{name: opens, image: trace_open, exporters: [file]}}]
exporters: {{file: {{path: {out}, rotation: {{max_size: 100GiB}}}}}}
service: {{telemetry: {{endpoint: "127.0.0.1:0"}}}}
runtimes: {{docker: {{socket: /nowhere/docker.sock}}}}
"""


def cpu_seconds(pid):
    """CPU time of a process, all its threads, in seconds. (schedstat counts nanoseconds; stat counts ticks.)"""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                total += int(f.read().split()[0])
        except FileNotFoundError:
            pass
    return total / 1e9


def memory(pid, key):
    """A line of /proc/PID/status in MiB."""
    with open(f"/proc/{pid}/status") as f:
        match = re.search(rf"^{key}:\s+(\d+) kB", f.read(), re.M)
    return int(match.group(1)) / 1024 if match else 0.0


def contains(path, word):
    try:
        with open(path, "rb") as f:
            return word in f.read()
    except FileNotFoundError:
        return False


class Storm:
    """The traced program, started and waiting for its signal."""

    def __init__(self, binary, opens, path):
        self.opens = opens
        command = ["taskset", "-c", "1", binary, str(opens), path]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def run(self):
        """Microseconds per open: by the clock, and of CPU time, which neighbours on the machine do not stretch."""
        before = cpu_seconds(self.process.pid)
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        us = int(self.process.stdout.readline().split()[1]) / self.opens / 1000
        return {"us_per_open": us, "loop_cpu_us": (cpu_seconds(self.process.pid) - before) / self.opens * 1e6}

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Tracer:
    """A tracer that writes what it sees to a file."""

    def __init__(self, tool, binary, folder, line_buffered=False):
        self.out, self.log = f"{folder}/{tool}.out", f"{folder}/{tool}.log"
        buffered = ["stdbuf", "-oL"] if line_buffered else ["stdbuf", "-o64K"]
        if tool == "gadgetry":
            # In a folder of its own: the collector watches it, so every open and write in it would cost.
            config = f"{folder}/config/collector.yaml"
            os.makedirs(os.path.dirname(config), exist_ok=True)
            with open(config, "w") as f:
                f.write(COLLECTOR.format(out=self.out))
            command = [binary, "collect", "-q", "-c", config]
        elif tool == "opensnoop":
            command = [*buffered, "opensnoop"]
        else:
            command = ["bpftrace", *(["-B", "line"] if line_buffered else []), "-e", BPFTRACE]
        with open(self.log, "wb") as log, open(f"{folder}/stdout" if tool == "gadgetry" else self.out, "wb") as out:
            self.started = time.monotonic()
            self.process = subprocess.Popen(command, stdout=out, stderr=log)
        self.pid = self.process.pid

    def first_event(self):
        """Opens a path no one else opens until it has been written down; milliseconds since the start."""
        while (time.monotonic() - self.started) < 20:
            try:
                os.open(PROBE, os.O_RDONLY)
            except FileNotFoundError:
                pass
            if contains(self.out, PROBE.encode()):
                return (time.monotonic() - self.started) * 1000
            time.sleep(0.001)
        with open(self.log) as log:
            sys.exit(f"no event in 20 s:\n{log.read()}")

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            sys.exit(f"{self.process.args} did not end within 30 s of SIGINT")


def untraced(args, storm_binary, path):
    storm = Storm(storm_binary, args.opens, path)
    loop = storm.run()
    storm.end()
    return {"tool": "untraced", **loop}


def traced(tool, args, storm_binary, folder, path):
    tracer = Tracer(tool, args.binary, folder, line_buffered=True)
    first = tracer.first_event()
    tracer.stop()
    storm = Storm(storm_binary, args.opens, path)
    tracer = Tracer(tool, args.binary, folder)
    time.sleep(1 if tool == "gadgetry" else 3)
    idle_rss, before = memory(tracer.pid, "VmRSS"), cpu_seconds(tracer.pid)
    loop = storm.run()
    time.sleep(1)
    cpu = cpu_seconds(tracer.pid) - before
    peak, rss, anon = (memory(tracer.pid, key) for key in ("VmHWM", "VmRSS", "RssAnon"))
    tracer.stop()
    storm.end()
    with open(tracer.out, "rb") as f:
        written = sum(NAME.encode() in line for line in f)
    result = {
        "tool": tool, **loop, "cpu_us_per_event": cpu / args.opens * 1e6, "missing": args.opens - written,
        "first_event_ms": first, "idle_rss_mib": idle_rss, "peak_rss_mib": peak, "rss_mib": rss, "rss_anon_mib": anon,
    }
    if tool == "gadgetry":
        with open(tracer.log) as f:
            result["log"] = f.read().splitlines()
    return result


def measure(tool, args, storm_binary):
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/{NAME}"
        if args.existing:
            open(path, "w").close()
        return untraced(args, storm_binary, path) if tool == "untraced" else traced(tool, args, storm_binary, folder, path)


COLUMNS = [
    ("us/open", "us_per_open", ".2f"), ("ratio", "ratio", ".2f"), ("loop cpu us", "loop_cpu_us", ".2f"), ("cpu ratio", "cpu_ratio", ".2f"), ("cpu us/event", "cpu_us_per_event", ".2f"),
    ("missing", "missing", ".0f"), ("first ms", "first_event_ms", ".0f"), ("idle MiB", "idle_rss_mib", ".1f"),
    ("RSS MiB", "rss_mib", ".1f"), ("anon MiB", "rss_anon_mib", ".1f"), ("peak MiB", "peak_rss_mib", ".1f"),
]


def report(args, results, tools):
    untraced = [r for r in results if r["tool"] == "untraced"]
    for key, of in (("ratio", "us_per_open"), ("cpu_ratio", "loop_cpu_us")):
        base = statistics.median(r[of] for r in untraced)
        for result in results:
            result[key] = result[of] / base
    kind = "existing" if args.existing else "missing"
    print(f"medians of {args.repeat} rounds, {args.opens} opens of {kind} path each")
    print(f"{'tool':<10}" + "".join(f"{title:>13}" for title, _, _ in COLUMNS))
    for tool in ["untraced", *tools]:
        cells = []
        for _, key, form in COLUMNS:
            values = [r[key] for r in results if r["tool"] == tool and key in r]
            cells.append(f"{statistics.median(values):>13{form}}" if values else f"{'':>13}")
        print(f"{tool:<10}" + "".join(cells))
    for result in results:
        print(json.dumps(result))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--opens", type=int, default=500_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--binary", default=f"{ROOT}/target/x86_64-unknown-linux-gnu/release/gadgetry")
    parser.add_argument("--tools", default="gadgetry,opensnoop,bpftrace")
    parser.add_argument("--existing", action="store_true", help="open a path that exists, and close it")
    args = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("storm.py: loading BPF programs needs root")
    tools = [t for t in args.tools.split(",") if t == "gadgetry" or shutil.which(t)]
    if tools != ["gadgetry"] and not os.path.isdir("/sys/kernel/tracing/events"):
        sys.exit("opensnoop and bpftrace need tracefs: mount -t tracefs nodev /sys/kernel/tracing, or --tools gadgetry")
    with tempfile.TemporaryDirectory() as folder:
        storm_binary = f"{folder}/storm"
        subprocess.run(["cc", "-O2", "-o", storm_binary, f"{ROOT}/tests/support/storm.c"], check=True)
        results = [measure(tool, args, storm_binary) for _ in range(args.repeat) for tool in ["untraced", *tools]]
    report(args, results, tools)


if __name__ == "__main__":
    main()
