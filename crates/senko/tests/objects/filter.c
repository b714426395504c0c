// A program in section `xdp`, a map, globals of several sizes, and subprograms in .text.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} lengths SEC(".maps");

// 0: pass everything. 1: drop IPv4.
volatile const __u32 drop_ipv4 = 0;
volatile const __u8 marker[6] = {};
__u64 seen;

static __attribute__((noinline)) void count(__u32 slot)
{
	__u64 *value = bpf_map_lookup_elem(&packets, &slot);

	if (value)
		*value += 1;
}

SEC("xdp")
int filter(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	__u32 length = ctx->data_end - ctx->data, one = 1;

	seen++;
	if ((void *)(ethernet + 1) > end)
		return XDP_PASS;
	bpf_map_update_elem(&lengths, &length, &one, BPF_ANY);
	if (drop_ipv4 && ethernet->h_proto == bpf_htons(ETH_P_IP) && !marker[0]) {
		count(1);
		return XDP_DROP;
	}
	count(0);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
