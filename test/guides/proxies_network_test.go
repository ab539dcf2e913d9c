package guides

import (
	"fmt"
	"net"
	"testing"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// service is a Service whose ports lead to servers of this machine, by their host:port: there are no pods that it could
// select. The address is the machine's own, since an endpoint may have no loopback address.
func service(t *testing.T, namespace, name string, ports map[int]string) string {
	t.Helper()
	var servicePorts, slicePorts, host string
	for port, server := range ports {
		relay, err := stack.StartReachableRelay(server)
		if err != nil {
			t.Fatal(err)
		}
		reachable, target, err := net.SplitHostPort(relay.Address)
		if err != nil {
			t.Fatal(err)
		}
		host = reachable
		servicePorts += fmt.Sprintf("{name: p%d, port: %d, targetPort: %s},", port, port, target)
		slicePorts += fmt.Sprintf("{name: p%d, port: %s},", port, target)
	}
	return fmt.Sprintf(`
{apiVersion: v1, kind: Service, metadata: {name: %[2]s, namespace: %[1]s}, spec: {ports: [%[3]s]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[2]s-by-hand, namespace: %[1]s, labels: {kubernetes.io/service-name: %[2]s}}
addressType: IPv4
ports: [%[4]s]
endpoints: [{addresses: [%[5]s], conditions: {ready: true}}]
`, namespace, name, servicePorts, slicePorts, host)
}

// freeAddress is an address of the loopback interface on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := stack.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}
