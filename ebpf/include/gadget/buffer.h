/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Records to the host: a ring buffer where the kernel has one (5.8), else a perf buffer, which the host then makes
 * of the same map. A record that finds no room is counted in `<map>_lost_samples`.
 */
#ifndef GADGET_BUFFER_H
#define GADGET_BUFFER_H

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#ifndef GADGET_MAX_EVENT_SIZE
#ifdef MAX_EVENT_SIZE
#define GADGET_MAX_EVENT_SIZE MAX_EVENT_SIZE
#else
#define GADGET_MAX_EVENT_SIZE 10240
#endif
#endif

/* GADGET_TRACER_MAP: ring `name` of `size` bytes (a power of two and a multiple of the page) and its loss counter. */
#define GADGET_TRACER_MAP(name, size)                         \
	struct {                                              \
		__uint(type, BPF_MAP_TYPE_RINGBUF);           \
		__uint(max_entries, size);                    \
	} name SEC(".maps");                                  \
	struct {                                              \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);      \
		__uint(max_entries, 1);                       \
		__type(key, __u32);                           \
		__type(value, __u64);                         \
	} name##_lost_samples SEC(".maps");                   \
	const void *gadget_map_tracer_##name __attribute__((unused));

static __always_inline bool gadget_has_ringbuf_(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_ringbuf_output);
}

static __always_inline void gadget_count_lost_(void *lost_map)
{
	__u32 slot = 0;
	__u64 *lost = bpf_map_lookup_elem(lost_map, &slot);

	/* Per CPU, yet programs of one gadget may nest (interrupts): add atomically. */
	if (lost)
		__sync_fetch_and_add(lost, 1);
}

static __always_inline long gadget_output_(void *ctx, void *map, void *lost_map, void *record, __u64 size)
{
	long error;

	if (!gadget_has_ringbuf_())
		return bpf_perf_event_output(ctx, map, BPF_F_CURRENT_CPU, record, size);
	error = bpf_ringbuf_output(map, record, size, 0);
	if (error)
		gadget_count_lost_(lost_map);
	return error;
}

/* gadget_output_buf: copies `size` bytes of `record` into `map`, given as &name. */
#define gadget_output_buf(ctx, map, record, size) gadget_output_(ctx, map, GADGET_LOST_OF_(map), record, size)

/*
 * The loss counter that belongs to `&name`: the macro argument is pasted textually, so it must be spelled &name.
 */
#define GADGET_LOST_OF_(map) GADGET_LOST_PASTE_(map)
#define GADGET_LOST_PASTE_(map) map##_lost_samples

#ifndef GADGET_NO_BUF_RESERVE
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, GADGET_MAX_EVENT_SIZE);
} gadget_heap SEC(".maps");

static __always_inline void *gadget_reserve_(void *map, void *lost_map, __u64 size)
{
	__u32 slot = 0;
	void *record;

	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_ringbuf_reserve))
		return bpf_map_lookup_elem(&gadget_heap, &slot);
	record = bpf_ringbuf_reserve(map, size, 0);
	if (!record)
		gadget_count_lost_(lost_map);
	return record;
}

/* gadget_reserve_buf: room for `size` bytes (a constant) in `map`, given as &name; NULL when there is none. */
#define gadget_reserve_buf(map, size) gadget_reserve_(map, GADGET_LOST_OF_(map), size)

/* gadget_submit_buf: hands a reserved record to the host. */
static __always_inline long gadget_submit_buf(void *ctx, void *map, void *record, __u64 size)
{
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_ringbuf_submit))
		return bpf_perf_event_output(ctx, map, BPF_F_CURRENT_CPU, record, size);
	bpf_ringbuf_submit(record, 0);
	return 0;
}

/* gadget_discard_buf: gives a reserved record back unseen. */
static __always_inline void gadget_discard_buf(void *record)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_ringbuf_discard))
		bpf_ringbuf_discard(record, 0);
}
#endif /* GADGET_NO_BUF_RESERVE */

#endif
