/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Types the host knows by name. A member of such a type is decoded, and most get a readable sibling:
 * a member `x_raw` of type gadget_errno, say, adds the text field `x`.
 */
#ifndef GADGET_TYPES_H
#define GADGET_TYPES_H

#ifndef TASK_COMM_LEN
#define TASK_COMM_LEN 16
#endif

/* Who: namespaces and processes. */
typedef __u64 gadget_mntns_id; /* inode of a mount namespace */
typedef __u32 gadget_netns_id; /* inode of a network namespace */
typedef __u32 gadget_pid;      /* what user space calls pid: the thread group */
typedef __u32 gadget_tid;
typedef __u32 gadget_ppid;
typedef __u32 gadget_ptid;
typedef __u32 gadget_uid;
typedef __u32 gadget_gid;
typedef char gadget_comm;  /* element of char[TASK_COMM_LEN] */
typedef char gadget_pcomm; /* the same, of the parent */

/* When and how much. */
typedef __u64 gadget_timestamp; /* nanoseconds, bpf_ktime_get_boot_ns() */
typedef __u64 gadget_duration;  /* nanoseconds */
typedef __u64 gadget_bytes;

/* Kernel constants shown by their names. */
typedef __u32 gadget_signal;
typedef __u32 gadget_errno; /* positive */
typedef __u64 gadget_syscall;
typedef __u32 gadget_file_mode;
typedef __u32 gadget_file_flags;

/* Metrics. The element i of an array of slots counts values whose integer logarithm to base two is i. */
typedef __u32 gadget_counter__u32;
typedef __u64 gadget_counter__u64;
typedef __u32 gadget_gauge__u32;
typedef __u64 gadget_gauge__u64;
typedef __u32 gadget_histogram_slot__u32;
typedef __u64 gadget_histogram_slot__u64;

struct gadget_creds {
	gadget_uid uid;
	gadget_gid gid;
};

struct gadget_parent {
	gadget_pcomm comm[TASK_COMM_LEN];
	gadget_ppid pid;
	gadget_ptid tid;
};

/* 64 bytes; filled by gadget_process_populate() of common.h. */
struct gadget_process {
	gadget_comm comm[TASK_COMM_LEN];
	gadget_pid pid;
	gadget_tid tid;
	gadget_mntns_id mntns_id;
	struct gadget_creds creds;
	struct gadget_parent parent;
};

/* Network order; an IPv4 address stands in the first four bytes. */
union gadget_ip_addr_t {
	__u8 v6[16];
	unsigned __int128 v6_raw;
	__u32 v4;
};

struct gadget_l3endpoint_t {
	union gadget_ip_addr_t addr_raw;
	__u8 version; /* 4 or 6 */
};

struct gadget_l4endpoint_t {
	union gadget_ip_addr_t addr_raw;
	__u16 port; /* host order */
	__u16 proto_raw;
	__u8 version; /* 4 or 6 */
};

typedef __u32 gadget_kernel_stack; /* id in map ig_kstack */

/* 72 bytes; inode 0 stands for "no stack was taken". Filled by gadget_get_user_stack() of user_stack_map.h. */
struct gadget_user_stack {
	__u32 major;
	__u32 minor;
	__u64 inode;
	__u64 mtime_sec;
	__u32 mtime_nsec;
	__u32 base_addr_hash;
	__u32 stack_id;
	__u32 tgid_level0;
	__u32 pid_level0;
	__u32 pidns_level0;
	__u32 pid_level1;
	__u32 pidns_level1;
	__u64 otel_correlation_id;
	__u64 boot_timestamp;
};

#endif
