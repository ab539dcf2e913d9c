//go:build linux

package machine

import (
	"encoding/json"
	"net/netip"
	"testing"
)

func TestARangeThatTheMachineUsesIsNotTaken(t *testing.T) {
	all := []string{"0.0.0.0/1", "128.0.0.0/1"}
	for name, c := range map[string]struct {
		used []string
		want string // of the first candidate; none where it is empty
	}{
		"nothing is used":             {want: "10.100.0.0/16"},
		"the first range is used":     {used: []string{"10.100.0.0/16"}, want: "10.101.0.0/16"},
		"one address of it is used":   {used: []string{"10.100.7.7/32"}, want: "10.101.0.0/16"},
		"a wider range holds some":    {used: []string{"10.96.0.0/12"}, want: "10.112.0.0/16"},
		"ranges elsewhere are used":   {used: []string{"192.168.0.0/16", "10.0.0.0/24"}, want: "10.100.0.0/16"},
		"every address is used":       {used: all},
		"all but the last one's used": {used: []string{"10.64.0.0/10", "10.128.0.0/10", "10.192.0.0/11", "10.224.0.0/15", "10.226.0.0/16"}, want: "10.227.0.0/16"},
	} {
		t.Run(name, func(t *testing.T) {
			var used []netip.Prefix
			for _, prefix := range c.used {
				used = append(used, netip.MustParsePrefix(prefix))
			}
			got := ""
			if free := candidates(used); len(free) > 0 {
				got = free[0].All.String()
			}
			if got != c.want {
				t.Errorf("the first candidate is %q, want %q", got, c.want)
			}
		})
	}
}

func TestAddressesOfOneClusterDoNotMeet(t *testing.T) {
	s := newSubnet(100)
	for name, address := range map[string]netip.Addr{"host": s.Host, "node": s.Node} {
		if s.Pods.Contains(address) || s.Services.Contains(address) {
			t.Errorf("the %s's address %s is in the range of pods or Services", name, address)
		}
		if !s.All.Contains(address) {
			t.Errorf("the %s's address %s is not routed to the node", name, address)
		}
	}
	if s.Pods.Overlaps(s.Services) {
		t.Errorf("%s and %s overlap", s.Pods, s.Services)
	}
	for _, service := range []netip.Addr{s.DNS, s.Kubernetes} {
		if !s.Services.Contains(service) {
			t.Errorf("%s is no address of a Service", service)
		}
	}
}

func TestAddressesAreWrittenForOthers(t *testing.T) {
	encoded, err := newSubnet(100).json()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"host": "10.100.255.1", "node": "10.100.255.2", "pods": "10.100.0.0/24", "services": "10.100.1.0/24", "dns": "10.100.1.10",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}
