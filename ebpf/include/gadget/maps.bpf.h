/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Shorthand for maps. */
#ifndef GADGET_MAPS_H
#define GADGET_MAPS_H

#include <bpf/bpf_helpers.h>

/* The value of `key`, inserted as `*init` first if it is missing; NULL when the map is full. */
static __always_inline void *bpf_map_lookup_or_try_init(void *map, const void *key, const void *init)
{
	void *value = bpf_map_lookup_elem(map, key);

	if (value)
		return value;
	/* Another CPU may have been first: then its value is the one to use. */
	bpf_map_update_elem(map, key, init, BPF_NOEXIST);
	return bpf_map_lookup_elem(map, key);
}

#endif
