// Two programs in one section and one in another, all with names of their own; -DONE leaves one.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifndef SECTION
#define SECTION "xdp/first"
#endif

SEC(SECTION)
int first(struct xdp_md *ctx)
{
	return XDP_PASS;
}

#ifndef ONE
SEC("xdp/second")
int second(struct xdp_md *ctx)
{
	return XDP_DROP;
}

SEC("tc")
int not_xdp(struct __sk_buff *skb)
{
	return 0;
}
#endif

char _license[] SEC("license") = "GPL";
