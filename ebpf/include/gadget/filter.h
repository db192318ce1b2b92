/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The filters every gadget has: containers, pid, tid, uid, gid and comm. Pid is what user space calls so: the thread
 * group. A parameter that is not set is a constant to the verifier, which then drops its test.
 */
#ifndef GADGET_FILTER_H
#define GADGET_FILTER_H

#include <bpf/bpf_helpers.h>
#include <gadget/macros.h>
#include <gadget/types.h>
#include <gadget/mntns_filter.h>

#define GADGET_INVALID_ID ((__u32)-1)

const volatile gadget_pid targ_pid = 0;
const volatile gadget_tid targ_tid = 0;
const volatile gadget_uid targ_uid = GADGET_INVALID_ID;
const volatile gadget_gid targ_gid = GADGET_INVALID_ID;
const volatile gadget_comm targ_comm[TASK_COMM_LEN] = {};

GADGET_PARAM(targ_pid);
GADGET_PARAM(targ_tid);
GADGET_PARAM(targ_uid);
GADGET_PARAM(targ_gid);
GADGET_PARAM(targ_comm);

static __always_inline bool gadget_should_discard_pid(gadget_pid pid)
{
	return targ_pid && targ_pid != pid;
}

static __always_inline bool gadget_should_discard_tid(gadget_tid tid)
{
	return targ_tid && targ_tid != tid;
}

static __always_inline bool gadget_should_discard_uid(gadget_uid uid)
{
	return targ_uid != GADGET_INVALID_ID && targ_uid != uid;
}

static __always_inline bool gadget_should_discard_gid(gadget_gid gid)
{
	return targ_gid != GADGET_INVALID_ID && targ_gid != gid;
}

/* Compares up to the closing NUL: what the kernel leaves behind it is not part of the name. */
static __always_inline bool gadget_should_discard_comm(const char *comm)
{
	if (!targ_comm[0])
		return false;
	for (int i = 0; i < TASK_COMM_LEN; i++) {
		if (comm[i] != targ_comm[i])
			return true;
		if (!comm[i])
			break;
	}
	return false;
}

/* Whether the event of this process is nothing the user asked for. */
static __always_inline bool gadget_should_discard_data(gadget_mntns_id mntns_id, gadget_pid pid, gadget_tid tid,
						       const char *comm, gadget_uid uid, gadget_gid gid)
{
	return gadget_should_discard_mntns_id(mntns_id) || gadget_should_discard_pid(pid) || gadget_should_discard_tid(tid) ||
	       gadget_should_discard_uid(uid) || gadget_should_discard_gid(gid) || gadget_should_discard_comm(comm);
}

#ifndef GADGET_TYPE_NETWORKING
/* The same for the current task. Reads only what a filter that is set asks for, the cheap things first. */
static __always_inline bool gadget_should_discard_data_current(void)
{
	if (targ_pid || targ_tid) {
		__u64 ids = bpf_get_current_pid_tgid();

		if (gadget_should_discard_pid(ids >> 32) || gadget_should_discard_tid((__u32)ids))
			return true;
	}
	if (targ_uid != GADGET_INVALID_ID || targ_gid != GADGET_INVALID_ID) {
		__u64 ids = bpf_get_current_uid_gid();

		if (gadget_should_discard_uid((__u32)ids) || gadget_should_discard_gid(ids >> 32))
			return true;
	}
	if (gadget_filter_by_mntns && gadget_should_discard_mntns_id(gadget_get_current_mntns_id()))
		return true;
	if (targ_comm[0]) {
		char comm[TASK_COMM_LEN];

		bpf_get_current_comm(comm, sizeof(comm));
		return gadget_should_discard_comm(comm);
	}
	return false;
}
#endif

/* The same for a packet, by the process that owns its socket. A macro, as sockets-map.h need not be included. */
#define gadget_should_discard_data_by_skb(owner)                                                                  \
	((owner) ? gadget_should_discard_data((owner)->mntns, (owner)->pid_tgid >> 32, (__u32)(owner)->pid_tgid,   \
					      (owner)->task, (__u32)(owner)->uid_gid, (owner)->uid_gid >> 32)      \
		 : (gadget_filter_by_mntns || targ_pid || targ_tid || targ_uid != GADGET_INVALID_ID ||             \
		    targ_gid != GADGET_INVALID_ID || targ_comm[0]))

#endif
