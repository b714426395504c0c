// The verifier refuses it: a load from an address that a number made.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int wrong(struct xdp_md *ctx)
{
	return *(volatile int *)(long)ctx->ingress_ifindex;
}

char _license[] SEC("license") = "GPL";
