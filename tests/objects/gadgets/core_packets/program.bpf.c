// Loads of packet bytes as old filters have them (BPF_LD with BPF_ABS and BPF_IND). Only verified.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

unsigned long long load_byte(void *skb, unsigned long long off) asm("llvm.bpf.load.byte");
unsigned long long load_half(void *skb, unsigned long long off) asm("llvm.bpf.load.half");
unsigned long long load_word(void *skb, unsigned long long off) asm("llvm.bpf.load.word");

SEC("socket1")
int packets(struct __sk_buff *skb)
{
	unsigned long long at = load_byte(skb, 14);
	return load_half(skb, 12) == 0x800 && load_word(skb, at & 0xff) == 7;
}
