/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The mount namespace of the current task: what tells containers apart. */
#ifndef GADGET_MNTNS_H
#define GADGET_MNTNS_H

#include <gadget/types.h>
#include <gadget/task.h>

/* Inode of the current task's mount namespace; 0 once an exiting task has let go of it. */
static __always_inline gadget_mntns_id gadget_get_current_mntns_id(void)
{
	if (gadget_has_task_btf())
		return bpf_get_current_task_btf()->nsproxy->mnt_ns->ns.inum;
	return gadget_current_read(nsproxy, mnt_ns, ns.inum);
}

/* The former name of gadget_get_current_mntns_id(). */
__attribute__((deprecated)) static __always_inline gadget_mntns_id gadget_get_mntns_id(void)
{
	return gadget_get_current_mntns_id();
}

#endif
