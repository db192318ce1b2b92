/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The container filter. The host switches it on and puts its own, shared map in the place of the one declared here. */
#ifndef GADGET_MNTNS_FILTER_H
#define GADGET_MNTNS_FILTER_H

#include <bpf/bpf_helpers.h>
#include <gadget/types.h>
#ifndef GADGET_TYPE_NETWORKING
#include <gadget/mntns.h>
#endif

const volatile bool gadget_filter_by_mntns = false;

/* The selected mount namespaces; the values mean nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, gadget_mntns_id);
	__type(value, __u32);
} gadget_mntns_filter_map SEC(".maps");

/* Whether what happened in this mount namespace is nothing the user asked for. */
static __always_inline bool gadget_should_discard_mntns_id(gadget_mntns_id mntns_id)
{
	if (!gadget_filter_by_mntns)
		return false;
	return bpf_map_lookup_elem(&gadget_mntns_filter_map, &mntns_id) == NULL;
}

#endif
