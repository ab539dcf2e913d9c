//go:build linux

package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
)

const (
	// firstSubnet is the second byte of the first address range tried, and subnets is how many are tried from there on:
	// 10.100.0.0/16 to 10.227.0.0/16.
	firstSubnet = 100
	subnets     = 128
	// apiServerPort is the API server's on the node.
	apiServerPort = 6443
	// localAPIServer is where the node's own processes find it.
	localAPIServer = "127.0.0.1:6443"
)

// subnet holds all addresses of one cluster.
type subnet struct {
	// All is the range that the machine routes to the node.
	All netip.Prefix `json:"-"`
	// Host is the machine's own address on the link to the node, and Node the node's.
	Host netip.Addr `json:"host"`
	Node netip.Addr `json:"node"`
	// Pods and Services are the ranges of their addresses, and DNS that of the name server.
	Pods     netip.Prefix `json:"pods"`
	Services netip.Prefix `json:"services"`
	DNS      netip.Addr   `json:"dns"`
	// Kubernetes is the API server's own Service, the first address of the range.
	Kubernetes netip.Addr `json:"-"`
}

func newSubnet(second byte) subnet {
	at := func(third, fourth byte) netip.Addr { return netip.AddrFrom4([4]byte{10, second, third, fourth}) }
	return subnet{
		All:        netip.PrefixFrom(at(0, 0), 16),
		Host:       at(255, 1),
		Node:       at(255, 2),
		Pods:       netip.PrefixFrom(at(0, 0), 24),
		Services:   netip.PrefixFrom(at(1, 0), 24),
		DNS:        at(1, 10),
		Kubernetes: at(1, 1),
	}
}

func (s subnet) apiServer() string { return fmt.Sprintf("%s:%d", s.Node, apiServerPort) }

func (s subnet) json() ([]byte, error) {
	encoded, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the addresses: %w", err)
	}
	return append(encoded, '\n'), nil
}

// linkName names the machine's end of the link to the node.
func linkName(l layout) string { return "node-" + l.id() }

// claimSubnet makes a link whose other end the node gets later, and routes to it a range that nothing on this machine
// uses. The route is the claim: of two clusters that start at once, only one can add it.
func claimSubnet(l layout) (subnet, error) {
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: linkName(l)}, PeerName: peerName(l)}
	if err := netlink.LinkAdd(link); err != nil {
		return subnet{}, fmt.Errorf("make the link to the node: %w", err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return subnet{}, fmt.Errorf("set up the link to the node: %w", err)
	}
	used, err := usedRanges()
	if err != nil {
		return subnet{}, err
	}
	for _, candidate := range candidates(used) {
		err := routeTo(link, candidate)
		if errors.Is(err, syscall.EEXIST) {
			continue // taken a moment ago
		}
		return candidate, err
	}
	return subnet{}, fmt.Errorf("no range of addresses is free for the node between %s and %s", newSubnet(firstSubnet).All, newSubnet(firstSubnet+subnets-1).All)
}

// peerName names the node's end until it is moved there.
func peerName(l layout) string { return "peer-" + l.id() }

// candidates are the subnets that overlap nothing that is used.
func candidates(used []netip.Prefix) []subnet {
	var free []subnet
next:
	for i := range subnets {
		candidate := newSubnet(byte(firstSubnet + i))
		for _, prefix := range used {
			if prefix.Overlaps(candidate.All) {
				continue next
			}
		}
		free = append(free, candidate)
	}
	return free
}

// usedRanges are those that this machine has a route for, apart from the default route, or an address in.
func usedRanges() ([]netip.Prefix, error) {
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("list the routes of this machine: %w", err)
	}
	var used []netip.Prefix
	for _, route := range routes {
		if route.Dst == nil {
			continue
		}
		if prefix, ok := prefixOf(route.Dst); ok && prefix.Bits() > 0 {
			used = append(used, prefix)
		}
	}
	addresses, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list the addresses of this machine: %w", err)
	}
	for _, address := range addresses {
		if prefix, ok := prefixOf(address.IPNet); ok {
			used = append(used, prefix)
		}
	}
	return used, nil
}

func prefixOf(network *net.IPNet) (netip.Prefix, bool) {
	address, ok := netip.AddrFromSlice(network.IP)
	ones, _ := network.Mask.Size()
	return netip.PrefixFrom(address.Unmap(), ones), ok
}

// routeTo gives this machine its address on the link and the route to the node.
func routeTo(link netlink.Link, s subnet) error {
	claim := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(s.All), Scope: netlink.SCOPE_LINK}
	if err := netlink.RouteAdd(claim); err != nil {
		return fmt.Errorf("route %s to the node: %w", s.All, err)
	}
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(s.Host, 30))}); err != nil {
		return fmt.Errorf("give this machine the address %s: %w", s.Host, err)
	}
	final := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(s.All), Gw: s.Node.AsSlice()}
	if err := netlink.RouteReplace(final); err != nil {
		return fmt.Errorf("route %s to the node: %w", s.All, err)
	}
	return nil
}

func ipNet(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), 32)}
}

// moveLink gives the node its end of the link, under the name eth0.
func moveLink(l layout, pid int) error {
	peer, err := netlink.LinkByName(peerName(l))
	if err != nil {
		return fmt.Errorf("find the node's end of the link: %w", err)
	}
	if err := netlink.LinkSetNsPid(peer, pid); err != nil {
		return fmt.Errorf("give the node its end of the link: %w", err)
	}
	return nil
}

// removeLink takes the link away with its addresses and routes. The kernel does so a while after the node's end, too.
func removeLink(l layout) error {
	link, err := netlink.LinkByName(linkName(l))
	if missing := (netlink.LinkNotFoundError{}); errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the link to the node: %w", err)
	}
	if err := netlink.LinkDel(link); err != nil && !errors.Is(err, syscall.ENODEV) {
		return fmt.Errorf("remove the link to the node: %w", err)
	}
	return nil
}

// setUpNetwork configures the node's end, from inside.
func setUpNetwork(l layout, s subnet) error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback interface: %w", err)
	}
	link, err := netlink.LinkByName(peerName(l))
	if err != nil {
		return fmt.Errorf("find the link to the machine: %w", err)
	}
	if err := netlink.LinkSetName(link, "eth0"); err != nil {
		return fmt.Errorf("rename the link to the machine: %w", err)
	}
	for _, up := range []netlink.Link{loopback, link} {
		if err := netlink.LinkSetUp(up); err != nil {
			return fmt.Errorf("set up a link: %w", err)
		}
	}
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(s.Node, 30))}); err != nil {
		return fmt.Errorf("give the node its address: %w", err)
	}
	// Without a default route the kernel refuses packets to the addresses of Services before kube-proxy translates them.
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: s.Host.AsSlice()}); err != nil {
		return fmt.Errorf("give the node its default route: %w", err)
	}
	return nil
}
