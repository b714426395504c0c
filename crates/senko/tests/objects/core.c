// CO-RE: the offset of a kernel struct's field is filled in at load, in a section whose name the loader must change.
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct net_device {
	int ifindex;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} offsets SEC(".maps");

static __attribute__((always_inline)) int store(__u32 slot)
{
	__u64 offset = __builtin_preserve_field_info(((struct net_device *)0)->ifindex, BPF_FIELD_BYTE_OFFSET);

	bpf_map_update_elem(&offsets, &slot, &offset, BPF_ANY);
	return XDP_PASS;
}

// Two sections with relocations at the same instruction offsets: mixing them up would go unnoticed in one.
SEC("xdp/early")
int early(struct xdp_md *ctx)
{
	return store(0);
}

SEC("xdp_prog_old")
int late(struct xdp_md *ctx)
{
	return store(1);
}

char _license[] SEC("license") = "GPL";
