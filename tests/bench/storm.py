#!/usr/bin/env python3
"""Storms openat and says what tracing it costs: the traced loop, the tracer's CPU and memory, losses, time to the first event.

usage: tests/bench/storm.py [--opens N] [--repeat N] [--binary PATH] [--tools gadgetry,opensnoop,bpftrace]

All tools run one after the other in the same run, each into a file, the loop pinned to CPU 1. Needs root. opensnoop (Debian's
libbpf-tools) and bpftrace take part when they are installed. Prints a table and one JSON line per measurement.
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
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of a process and its ended threads, in seconds."""
    with open(f"/proc/{pid}/schedstat"):
        pass
    total = 0.0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                total += int(f.read().split()[0]) / 1e9
        except FileNotFoundError:
            pass
    return total


def status(pid, key):
    with open(f"/proc/{pid}/status") as f:
        match = re.search(rf"^{key}:\s+(\d+) kB", f.read(), re.M)
    return int(match.group(1)) / 1024 if match else 0.0


class Storm:
    def __init__(self, binary, opens, path):
        command = ["taskset", "-c", "1", binary, str(opens), path]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.opens = opens
        self.pid = int(self.process.stdout.readline().split()[1])

    def run(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        ns = int(self.process.stdout.readline().split()[1])
        return ns / self.opens / 1000

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.002)
    sys.exit(f"waited {seconds} s for {what}")


def contains(path, word):
    try:
        with open(path, "rb") as f:
            return word in f.read()
    except FileNotFoundError:
        return False


def first_event(out, started):
    """Opens a file no one else opens until the tracer has written it down; gives milliseconds since the tracer's start."""
    probe = "/gadgetry-first-event"

    def seen():
        try:
            os.open(probe, os.O_RDONLY)
        except FileNotFoundError:
            pass
        return contains(out, probe.encode())

    wait_for(seen, 20, "the first event")
    return (time.monotonic() - started) * 1000


def gadgetry(args, folder, storm_pid):
    out = f"{folder}/events.jsonl"
    config = f"{folder}/collector.yaml"
    with open(config, "w") as f:
        f.write(
            "version: v1\ngadgets:\n  - {name: opens, image: trace_open, exporters: [file]}\n"
            f"exporters:\n  file: {{path: {out}, rotation: {{max_size: 100GiB}}}}\n"
            "runtimes:\n  docker: {socket: /nowhere/docker.sock}\n"
        )
    return [args.binary, "collect", "-q", "-c", config], out, subprocess.DEVNULL, f"{folder}/log"


def opensnoop(_args, folder, _pid):
    out = f"{folder}/opensnoop.txt"
    return ["stdbuf", "-o", "64K", "opensnoop"], out, out, f"{folder}/log"


def bpftrace(_args, folder, _pid):
    out = f"{folder}/bpftrace.txt"
    program = 'tracepoint:syscalls:sys_enter_openat { @f[tid] = args->filename; } tracepoint:syscalls:sys_exit_openat /@f[tid]/ { printf("%d %s %d %s\\n", pid, comm, args->ret, str(@f[tid])); delete(@f[tid]); }'
    return ["bpftrace", "-e", program], out, out, f"{folder}/log"


TOOLS = {"gadgetry": gadgetry, "opensnoop": opensnoop, "bpftrace": bpftrace}


def measure(name, args, storm_binary):
    with tempfile.TemporaryDirectory() as folder:
        storm = Storm(storm_binary, args.opens, "/gadgetry-storm")
        if name == "untraced":
            us = storm.run()
            storm.end()
            return {"tool": name, "us_per_open": us}
        command, out, stdout, log = TOOLS[name](args, folder, storm.pid)
        with open(log, "wb") as err, open(stdout, "wb") as sink:
            started = time.monotonic()
            process = subprocess.Popen(command, stdout=sink, stderr=err)
            first = None
            if name == "gadgetry":
                first = first_event(out, started)
            else:
                # Their output is buffered, so the time to the first event is not taken; let them attach.
                time.sleep(3)
            time.sleep(0.3)
            before = cpu_seconds(process.pid)
            us = storm.run()
            time.sleep(1.0)
            cpu = cpu_seconds(process.pid) - before
            peak, rss = status(process.pid, "VmHWM"), status(process.pid, "VmRSS")
            process.send_signal(signal.SIGINT)
            process.wait(30)
        storm.end()
        written = subprocess.run(["grep", "-c", "gadgetry-storm", out], capture_output=True, text=True).stdout.strip()
        result = {
            "tool": name, "us_per_open": us, "cpu_us_per_event": cpu / args.opens * 1e6, "written": int(written or 0),
            "missing": args.opens - int(written or 0), "peak_rss_mib": peak, "rss_mib": rss, "first_event_ms": first,
        }
        if name == "gadgetry":
            with open(log) as f:
                result["ledger"] = [line.strip() for line in f if line.startswith("opens")]
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--opens", type=int, default=500_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--binary", default=f"{ROOT}/target/x86_64-unknown-linux-gnu/release/gadgetry")
    parser.add_argument("--tools", default=",".join(TOOLS))
    args = parser.parse_args()
    tools = [t for t in args.tools.split(",") if t == "gadgetry" or shutil.which(t)]
    storm_binary = os.path.join(tempfile.gettempdir(), f"gadgetry-storm-{os.getpid()}")
    subprocess.run(["cc", "-O2", "-o", storm_binary, f"{ROOT}/tests/support/storm.c"], check=True)
    try:
        results = [measure(name, args, storm_binary) for _ in range(args.repeat) for name in ["untraced", *tools]]
    finally:
        os.unlink(storm_binary)
    median = lambda tool, key: statistics.median(r[key] for r in results if r["tool"] == tool and r.get(key) is not None)
    base = median("untraced", "us_per_open")
    print(f"{'tool':<10} {'us/open':>8} {'ratio':>6} {'cpu us/ev':>10} {'events/s':>9} {'missing':>9} {'peak MiB':>9} {'first ms':>9}   (medians of {args.repeat}, {args.opens} opens)")
    print(f"{'untraced':<10} {base:>8.2f} {1:>6.2f}")
    for tool in tools:
        us = median(tool, "us_per_open")
        first = [r["first_event_ms"] for r in results if r["tool"] == tool and r["first_event_ms"]]
        print(
            f"{tool:<10} {us:>8.2f} {us / base:>6.2f} {median(tool, 'cpu_us_per_event'):>10.2f} {1e6 / us:>9.0f} {median(tool, 'missing'):>9.0f} "
            f"{median(tool, 'peak_rss_mib'):>9.1f} {statistics.median(first) if first else float('nan'):>9.0f}"
        )
    for result in results:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
