// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * How long block requests take, as histograms kept in the kernel: from the moment a request is queued or, unless
 * `queued` is set, handed to the device, until it completes.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include <gadget/bits.bpf.h>
#include <gadget/core_fixes.bpf.h>
#include <gadget/macros.h>
#include <gadget/maps.bpf.h>
#include <gadget/types.h>

#define SLOTS 27
#define REQUESTS 10240
#define DEV_MINOR_BITS 20
#define NANOSECONDS_PER_MICROSECOND 1000

struct hist_key {
	__u32 cmd_flags;
	__u32 dev;
};

struct hist_value {
	gadget_histogram_slot__u32 latency[SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, REQUESTS);
	__type(key, struct hist_key);
	__type(value, struct hist_value);
} hists SEC(".maps");

/* When each request in flight began. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, REQUESTS);
	__type(key, struct request *);
	__type(value, __u64);
} start SEC(".maps");

const volatile bool targ_per_disk = false;
const volatile bool targ_per_flag = false;
const volatile bool targ_queued = false;

GADGET_PARAM(targ_per_disk);
GADGET_PARAM(targ_per_flag);
GADGET_PARAM(targ_queued);

GADGET_MAPITER(blockio, hists);

static const struct hist_value no_requests;

/*
 * Until 5.10 these tracepoints have the queue as an argument in front of the request. Only the number of arguments
 * tells the prototypes apart, so structs without members stand for those of the kernel.
 */
struct request___empty {};
struct request_queue___empty {};

typedef void (*btf_trace_block_rq_insert___new)(void *, struct request___empty *);
typedef void (*btf_trace_block_rq_insert___old)(void *, struct request_queue___empty *, struct request___empty *);
typedef void (*btf_trace_block_rq_issue___new)(void *, struct request___empty *);
typedef void (*btf_trace_block_rq_issue___old)(void *, struct request_queue___empty *, struct request___empty *);

static __always_inline int begin(struct request *request, bool issued)
{
	__u64 now;

	/* With a scheduler the request was inserted before: that is when it was queued. */
	if (issued && targ_queued && BPF_CORE_READ(request, q, elevator))
		return 0;
	now = bpf_ktime_get_ns();
	bpf_map_update_elem(&start, &request, &now, BPF_ANY);
	return 0;
}

SEC("raw_tp/block_rq_insert")
int ig_profio_ins(struct bpf_raw_tracepoint_args *ctx)
{
	if (bpf_core_type_matches(btf_trace_block_rq_insert___new))
		return begin((struct request *)ctx->args[0], false);
	if (bpf_core_type_matches(btf_trace_block_rq_insert___old))
		return begin((struct request *)ctx->args[1], false);
	bpf_core_unreachable();
	return 0;
}

SEC("raw_tp/block_rq_issue")
int ig_profio_iss(struct bpf_raw_tracepoint_args *ctx)
{
	if (bpf_core_type_matches(btf_trace_block_rq_issue___new))
		return begin((struct request *)ctx->args[0], true);
	if (bpf_core_type_matches(btf_trace_block_rq_issue___old))
		return begin((struct request *)ctx->args[1], true);
	bpf_core_unreachable();
	return 0;
}

static __always_inline struct hist_key key_of(struct request *request)
{
	struct hist_key key = {};

	if (targ_per_flag)
		key.cmd_flags = BPF_CORE_READ(request, cmd_flags);
	if (targ_per_disk) {
		struct gendisk *disk = get_disk(request);

		if (disk)
			key.dev = ((__u32)BPF_CORE_READ(disk, major) << DEV_MINOR_BITS) | BPF_CORE_READ(disk, first_minor);
	}
	return key;
}

SEC("raw_tp/block_rq_complete")
int ig_profio_done(struct bpf_raw_tracepoint_args *ctx)
{
	struct request *request = (struct request *)ctx->args[0];
	__u64 *began = bpf_map_lookup_elem(&start, &request);
	__u64 now = bpf_ktime_get_ns();
	struct hist_value *histogram;
	struct hist_key key;
	__u64 slot, took;

	if (!began)
		return 0;
	took = now - *began;
	bpf_map_delete_elem(&start, &request);
	/* The clocks of two CPUs may be apart by a little. */
	if ((__s64)took < 0)
		return 0;
	key = key_of(request);
	histogram = bpf_map_lookup_or_try_init(&hists, &key, &no_requests);
	if (!histogram)
		return 0;
	slot = log2l(took / NANOSECONDS_PER_MICROSECOND);
	if (slot >= SLOTS)
		slot = SLOTS - 1;
	__sync_fetch_and_add(&histogram->latency[slot], 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
