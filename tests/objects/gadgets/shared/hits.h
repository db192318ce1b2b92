// One event per hit of a hook: which one, and a number.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct hit {
	char hook[16];
	__u64 value;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(hits, events, hit);

/* The thread whose doings count. */
const volatile __u32 thread = 0;
GADGET_PARAM(thread);

#define ours() ((__u32)bpf_get_current_pid_tgid() == thread)

#define report(ctx, name, number)                                            \
	({                                                                   \
		struct hit *hit_ = gadget_reserve_buf(&events, sizeof(*hit_)); \
		if (hit_) {                                                  \
			__builtin_memset(hit_, 0, sizeof(*hit_));            \
			__builtin_memcpy(hit_->hook, name, sizeof(name));    \
			hit_->value = number;                                \
			gadget_submit_buf(ctx, &events, hit_, sizeof(*hit_)); \
		}                                                            \
	})

char LICENSE[] SEC("license") = "GPL";
