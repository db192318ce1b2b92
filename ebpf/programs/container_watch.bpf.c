// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Sees containers before their first program runs: cgroups as they are made and removed, mount namespaces when the first process
 * enters them, and the command lines of OCI runtimes. It also keeps which cgroup a mount namespace and a process belong to, for
 * events whose process is gone when they are read, and lets new mount namespaces through gadgets' filters until the host has decided.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#define MAX_NAMESPACES 16384
#define MAX_PROCESSES 16384
#define MAX_PATH 1024
#define MAX_ARGS 4096
#define MAX_CONTROLLERS 16
#define MAX_FILTERS 64
/* Without force nobody is woken while something lies unread that woke nobody. */
#define WAKE BPF_RB_FORCE_WAKEUP

enum kind {
	CGROUP_MADE = 1,
	CGROUP_REMOVED = 2,
	CGROUP_EMPTY = 3,
	NAMESPACE_SEEN = 4,
	NAMESPACE_SETTLED = 5,
	RUNTIME_STARTED = 6,
};

/* What precedes the text of every record. */
struct head {
	__u32 kind;
	/* Process that made the cgroup, entered the namespace, or is the runtime. */
	__u32 pid;
	__u32 parent;
	__u32 mntns;
	__u32 netns;
	/* Bytes of text behind the head. */
	__u32 length;
	/* Of the task, or the one it is about. */
	__u64 cgroup;
	/* When, on the boot-time clock. */
	__u64 at;
};

struct cgroup_record {
	struct head head;
	char path[MAX_PATH];
};

struct runtime_record {
	struct head head;
	char args[MAX_ARGS];
};

struct namespace_value {
	__u64 cgroup;
	/* Tells it from an earlier one of the same number, which the kernel gives to the next. */
	__u64 identity;
	__u32 pid;
	/* Whether the process had been put where it belongs by then. */
	__u32 settled;
};

struct comm {
	char text[16];
};

/* Set by the host. */
const volatile __u32 host_mntns = 0;
/* Number of the hierarchy that containers are told apart in: 0 is version 2. */
const volatile __u32 hierarchy = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024);
} records SEC(".maps");

/* Records that found no room. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_NAMESPACES);
	__type(key, __u32);
	__type(value, struct namespace_value);
} namespaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_PROCESSES);
	__type(key, __u32);
	__type(value, __u64);
} processes SEC(".maps");

/* Names of the programs whose command lines are wanted. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct comm);
	__type(value, __u32);
} runtimes SEC(".maps");

/* Filters of gadgets, each a set of mount namespaces. Made by the host: its values have the flags of its filters. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MAX_FILTERS);
	__type(key, __u32);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_HASH);
		__uint(max_entries, 1);
		__type(key, __u64);
		__type(value, __u32);
	});
} filters SEC(".maps");

static __always_inline void count_lost(void)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&lost, &zero);

	if (count)
		__sync_fetch_and_add(count, 1);
}

/* Id of the cgroup a task is in, 0 for the root. */
static __always_inline __u64 cgroup_of(struct task_struct *task)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup *found = NULL;

	if (!hierarchy) {
		found = BPF_CORE_READ(set, dfl_cgrp);
	} else {
		struct cgroup_subsys_state **states = (void *)set + bpf_core_field_offset(set->subsys);
		__u32 count = bpf_core_field_size(set->subsys) / sizeof(void *);

		for (__u32 i = 0; i < MAX_CONTROLLERS && i < count; i++) {
			struct cgroup_subsys_state *state = NULL;
			struct cgroup *one;

			bpf_probe_read_kernel(&state, sizeof(state), &states[i]);
			one = BPF_CORE_READ(state, cgroup);
			if (one && BPF_CORE_READ(one, root, hierarchy_id) == hierarchy) {
				found = one;
				break;
			}
		}
	}
	if (!found || !BPF_CORE_READ(found, level))
		return 0;
	return BPF_CORE_READ(found, kn, id);
}

static __always_inline void note_process(struct task_struct *task, __u64 cgroup)
{
	__u32 pid = BPF_CORE_READ(task, tgid);

	if (cgroup)
		bpf_map_update_elem(&processes, &pid, &cgroup, BPF_ANY);
}

/* As it was before 6.18. */
struct mnt_namespace___numbered {
	__u64 seq;
} __attribute__((preserve_access_index));

static __always_inline __u64 identity_of(struct mnt_namespace *namespace)
{
	struct mnt_namespace___numbered *numbered = (void *)namespace;

	if (bpf_core_field_exists(namespace->ns.ns_id))
		return BPF_CORE_READ(namespace, ns.ns_id);
	if (bpf_core_field_exists(numbered->seq))
		return BPF_CORE_READ(numbered, seq);
	return (__u64)namespace;
}

/*
 * Nobody is waited for between a container's first process and its first program, so it is let through here. What finds no room is
 * tried again by the host, which says so.
 */
static __always_inline void let_through(__u64 mntns)
{
	__u32 yes = 1;

	for (__u32 i = 0; i < MAX_FILTERS; i++) {
		__u32 slot = i;
		void *filter = bpf_map_lookup_elem(&filters, &slot);

		if (filter)
			bpf_map_update_elem(filter, &mntns, &yes, BPF_ANY);
	}
}

/* Tells of a mount namespace the first time a process is seen in it, and once more when that process is where it belongs. */
static __always_inline void note_namespace(struct task_struct *task, __u64 cgroup, __u32 settled)
{
	struct nsproxy *proxy = BPF_CORE_READ(task, nsproxy);
	struct namespace_value value = {}, *known;
	struct mnt_namespace *namespace;
	struct head *head;
	__u64 wake = WAKE;
	__u32 mntns;

	if (!proxy)
		return;
	namespace = BPF_CORE_READ(proxy, mnt_ns);
	mntns = BPF_CORE_READ(namespace, ns.inum);
	if (mntns == host_mntns)
		return;
	value.identity = identity_of(namespace);
	known = bpf_map_lookup_elem(&namespaces, &mntns);
	if (known && known->identity == value.identity) {
		if (known->settled >= settled)
			return;
		wake = BPF_RB_NO_WAKEUP;
	}
	value.cgroup = cgroup;
	value.pid = BPF_CORE_READ(task, tgid);
	value.settled = settled;
	bpf_map_update_elem(&namespaces, &mntns, &value, BPF_ANY);
	let_through(mntns);
	head = bpf_ringbuf_reserve(&records, sizeof(*head), 0);
	if (!head) {
		count_lost();
		return;
	}
	head->kind = settled ? NAMESPACE_SETTLED : NAMESPACE_SEEN;
	head->pid = value.pid;
	head->parent = BPF_CORE_READ(task, real_parent, tgid);
	head->mntns = mntns;
	head->netns = BPF_CORE_READ(proxy, net_ns, ns.inum);
	head->length = 0;
	head->cgroup = cgroup;
	head->at = bpf_ktime_get_boot_ns();
	bpf_ringbuf_submit(head, wake);
}

static __always_inline void tell_cgroup(__u32 kind, struct cgroup *cgroup, const char *path)
{
	struct cgroup_record *record;
	long length;

	if (BPF_CORE_READ(cgroup, root, hierarchy_id) != hierarchy)
		return;
	record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (!record) {
		count_lost();
		return;
	}
	record->head.kind = kind;
	record->head.pid = bpf_get_current_pid_tgid() >> 32;
	record->head.parent = 0;
	record->head.mntns = 0;
	record->head.netns = 0;
	record->head.cgroup = BPF_CORE_READ(cgroup, kn, id);
	record->head.at = bpf_ktime_get_boot_ns();
	length = bpf_probe_read_kernel_str(record->path, sizeof(record->path), path);
	record->head.length = length > 0 ? length - 1 : 0;
	/* Read with what comes next, or a little later. */
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

/*
 * Whether somebody has started it whose bundles can be read later as well, at the latest when the container's first process tells:
 * containerd's shim and conmon name them by their whole path, and what a runtime starts is a part of itself.
 */
static __always_inline bool can_wait(struct task_struct *task)
{
	struct comm comm = {};

	bpf_probe_read_kernel_str(comm.text, sizeof(comm.text), BPF_CORE_READ(task, real_parent, comm));
	return !__builtin_memcmp(comm.text, "containerd-shim", sizeof(comm.text)) || bpf_map_lookup_elem(&runtimes, &comm);
}

static __always_inline void tell_runtime(struct task_struct *task, __u64 cgroup)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	__u64 start = BPF_CORE_READ(mm, arg_start);
	__u64 length = BPF_CORE_READ(mm, arg_end) - start;
	struct runtime_record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);

	if (!record) {
		count_lost();
		return;
	}
	if (length > MAX_ARGS)
		length = MAX_ARGS;
	record->head.kind = RUNTIME_STARTED;
	record->head.pid = BPF_CORE_READ(task, tgid);
	record->head.parent = BPF_CORE_READ(task, real_parent, tgid);
	record->head.mntns = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	record->head.netns = 0;
	record->head.cgroup = cgroup;
	record->head.at = bpf_ktime_get_boot_ns();
	record->head.length = length;
	if (bpf_probe_read_user(record->args, length, (void *)start))
		record->head.length = 0;
	bpf_ringbuf_submit(record, can_wait(task) ? BPF_RB_NO_WAKEUP : WAKE);
}

SEC("raw_tp/cgroup_mkdir")
int BPF_PROG(cgroup_made, struct cgroup *cgroup, const char *path)
{
	tell_cgroup(CGROUP_MADE, cgroup, path);
	return 0;
}

SEC("raw_tp/cgroup_rmdir")
int BPF_PROG(cgroup_removed, struct cgroup *cgroup, const char *path)
{
	tell_cgroup(CGROUP_REMOVED, cgroup, path);
	return 0;
}

SEC("raw_tp/cgroup_notify_populated")
int BPF_PROG(cgroup_populated, struct cgroup *cgroup, const char *path, int populated)
{
	if (!populated)
		tell_cgroup(CGROUP_EMPTY, cgroup, path);
	return 0;
}

SEC("raw_tp/cgroup_attach_task")
int BPF_PROG(task_moved, struct cgroup *cgroup, const char *path, struct task_struct *task)
{
	__u64 id;

	if (BPF_CORE_READ(cgroup, root, hierarchy_id) != hierarchy)
		return 0;
	id = BPF_CORE_READ(cgroup, level) ? BPF_CORE_READ(cgroup, kn, id) : 0;
	note_process(task, id);
	note_namespace(task, id, 1);
	return 0;
}

SEC("raw_tp/sched_process_fork")
int BPF_PROG(forked, struct task_struct *parent, struct task_struct *child)
{
	__u64 cgroup;

	/* A thread. */
	if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid))
		return 0;
	cgroup = cgroup_of(child);
	note_process(child, cgroup);
	note_namespace(child, cgroup, 0);
	return 0;
}

SEC("raw_tp/sched_process_exec")
int BPF_PROG(executed, struct task_struct *task)
{
	__u64 cgroup = cgroup_of(task);
	struct comm comm = {};

	note_process(task, cgroup);
	note_namespace(task, cgroup, 1);
	bpf_probe_read_kernel_str(comm.text, sizeof(comm.text), task->comm);
	if (bpf_map_lookup_elem(&runtimes, &comm))
		tell_runtime(task, cgroup);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
