package indexfeed

import (
	"fmt"
	"net/netip"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/index"
)

// maxNetworks is how many networks the API allows in one list.
const maxNetworks = 32

// commonNetworks is where spec and grant both allow a key to be used. A list that is empty or absent allows any
// address; two lists that have nothing in common allow none.
func commonNetworks(spec, grant []v1alpha1.CIDR) (index.Networks, error) {
	asked, err := networksIn(spec)
	if err != nil {
		return index.Networks{}, fmt.Errorf("spec.allowedCIDRs: %w", err)
	}
	granted, err := networksIn(grant)
	if err != nil {
		return index.Networks{}, fmt.Errorf("status.grant.allowedCIDRs: %w", err)
	}
	switch {
	case len(asked) == 0 && len(granted) == 0:
		return index.Networks{}, nil
	case len(asked) == 0:
		return index.OnlyFrom(granted...), nil
	case len(granted) == 0:
		return index.OnlyFrom(asked...), nil
	}
	return index.OnlyFrom(intersection(asked, granted)...), nil
}

// networksIn reads a list, and checks the bounds of the API again: what is stored may be older than the schema.
func networksIn(list []v1alpha1.CIDR) ([]netip.Prefix, error) {
	if len(list) > maxNetworks {
		return nil, fmt.Errorf("there are %d networks, at most %d are served", len(list), maxNetworks)
	}
	networks := make([]netip.Prefix, 0, len(list))
	for _, text := range list {
		network, err := netip.ParsePrefix(string(text))
		if err != nil || network != network.Masked() || network.Addr().Is4In6() {
			return nil, fmt.Errorf("the network %q is malformed", text)
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// intersection is what lies in a network of either list. Of two networks that have any address in common the narrower
// one lies within the other.
func intersection(a, b []netip.Prefix) []netip.Prefix {
	var both []netip.Prefix
	for _, x := range a {
		for _, y := range b {
			switch {
			case !x.Overlaps(y):
			case x.Bits() > y.Bits():
				both = append(both, x)
			default:
				both = append(both, y)
			}
		}
	}
	return both
}
