/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Kernel structures that changed between versions, read in a way that fits each. A struct with a ___suffix is matched
 * to the kernel's struct without it, and only the members named here have to be there.
 */
#ifndef GADGET_CORE_FIXES_H
#define GADGET_CORE_FIXES_H

#include <bpf/bpf_core_read.h>

/*
 * Where no variant fits: a call of a helper that does not exist, the same a failed relocation leaves behind. In dead code
 * it does no harm; reached, the verifier refuses the program.
 */
static void (*bpf_core_unreachable)(void) = (void *)0xbad2310;

/* task_struct: state became __state in 5.14. */
struct task_struct___o {
	volatile long int state;
} __attribute__((preserve_access_index));

struct task_struct___x {
	unsigned int __state;
} __attribute__((preserve_access_index));

static __always_inline __s64 get_task_state(void *task)
{
	if (bpf_core_field_exists(((struct task_struct___x *)task)->__state))
		return BPF_CORE_READ((struct task_struct___x *)task, __state);
	return BPF_CORE_READ((struct task_struct___o *)task, state);
}

/* bio: bi_disk became bi_bdev->bd_disk in 5.12. */
struct bio___o {
	struct gendisk *bi_disk;
} __attribute__((preserve_access_index));

struct bio___x {
	struct block_device *bi_bdev;
} __attribute__((preserve_access_index));

static __always_inline struct gendisk *get_gendisk(void *bio)
{
	if (bpf_core_field_exists(((struct bio___x *)bio)->bi_bdev))
		return BPF_CORE_READ((struct bio___x *)bio, bi_bdev, bd_disk);
	return BPF_CORE_READ((struct bio___o *)bio, bi_disk);
}

/* request: rq_disk went in 5.17, the queue has the disk since 5.15. */
struct request_queue___x {
	struct gendisk *disk;
} __attribute__((preserve_access_index));

struct request___x {
	struct request_queue___x *q;
	struct gendisk *rq_disk;
} __attribute__((preserve_access_index));

static __always_inline struct gendisk *get_disk(void *request)
{
	struct request___x *rq = request;

	if (bpf_core_field_exists(rq->rq_disk))
		return BPF_CORE_READ(rq, rq_disk);
	return BPF_CORE_READ(rq, q, disk);
}

/* Tracepoint classes that were split or renamed: whether this kernel has the newer name. */
struct trace_event_raw_block_rq_complete___x {
	dev_t dev;
	sector_t sector;
	unsigned int nr_sector;
} __attribute__((preserve_access_index));

struct trace_event_raw_block_rq_completion___x {
	dev_t dev;
	sector_t sector;
	unsigned int nr_sector;
} __attribute__((preserve_access_index));

static __always_inline bool has_block_rq_completion(void)
{
	return bpf_core_type_exists(struct trace_event_raw_block_rq_completion___x);
}

struct trace_event_raw_kmem_free___x {
	const void *ptr;
} __attribute__((preserve_access_index));

struct trace_event_raw_kfree___x {
	const void *ptr;
} __attribute__((preserve_access_index));

struct trace_event_raw_kmem_cache_free___x {
	const void *ptr;
} __attribute__((preserve_access_index));

static __always_inline bool has_kfree(void)
{
	return bpf_core_type_exists(struct trace_event_raw_kfree___x);
}

static __always_inline bool has_kmem_cache_free(void)
{
	return bpf_core_type_exists(struct trace_event_raw_kmem_cache_free___x);
}

/* renamedata: had old_mnt_userns from 5.12 to 6.2; vfs_create() and vfs_unlink() then take one more argument. */
struct renamedata___x {
	struct user_namespace *old_mnt_userns;
} __attribute__((preserve_access_index));

static __always_inline bool renamedata_has_old_mnt_userns_field(void)
{
	return bpf_core_field_exists(struct renamedata___x, old_mnt_userns);
}

#endif
