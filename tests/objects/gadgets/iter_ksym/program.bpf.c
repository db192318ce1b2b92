// Symbols of the kernel, those whose names begin like a function that is always there.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct symbol {
	char name[32];
	char kind;
};

GADGET_ITER(symbols, symbol, walk);

/* Not in every vmlinux.h. */
struct kallsym_iter___ours {
	char type;
	char name[512];
} __attribute__((preserve_access_index));
struct bpf_iter__ksym___ours {
	struct bpf_iter_meta *meta;
	struct kallsym_iter___ours *ksym;
} __attribute__((preserve_access_index));

SEC("iter/ksym")
int walk(struct bpf_iter__ksym___ours *ctx)
{
	struct kallsym_iter___ours *ksym = ctx->ksym;
	struct symbol record = {};

	if (!ksym)
		return 0;
	bpf_probe_read_kernel_str(record.name, sizeof(record.name), ksym->name);
	if (record.name[0] != 'v' || record.name[1] != 'f' || record.name[2] != 's' || record.name[3] != '_')
		return 0;
	record.kind = ksym->type;
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
