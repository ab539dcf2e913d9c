package ratelimit

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/apikey-operator/apikey-operator/internal/ratelimit/redisstore"
	"github.com/apikey-operator/apikey-operator/test/stack"
)

func TestAClusterIsCountedIn(t *testing.T) {
	t.Parallel()
	server := newRedis(t, "cluster-enabled yes")
	client := newClient(t, server)
	if err := client.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	err := stack.Await(t.Context(), "the cluster to be whole", 20*time.Second, func(ctx context.Context) error {
		info, err := client.ClusterInfo(ctx).Result()
		if err == nil && !strings.Contains(info, "cluster_state:ok") {
			err = fmt.Errorf("its state is:\n%s", info)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	countsFromTheBeginning(t, redisstore.Options{Addresses: []string{server.Address}, Cluster: true})
}

func TestTheServerThatSentinelNamesIsCountedIn(t *testing.T) {
	t.Parallel()
	server := newRedis(t)
	sentinel, err := stack.NewSentinel(t.Context(), os.Getenv("REDIS_SERVER"), t.TempDir(), "limits", server)
	if err != nil {
		t.Fatal(err)
	}
	killAtTheEnd(t, sentinel)
	countsFromTheBeginning(t, redisstore.Options{Addresses: []string{sentinel.Address}, MasterName: "limits"})
	if keys, err := newClient(t, server).DBSize(t.Context()).Result(); err != nil || keys != 10 {
		t.Errorf("the server has %d keys, %v, want 10", keys, err)
	}
}

// countsFromTheBeginning takes twice from each of ten subjects, which are on several slots of a cluster.
func countsFromTheBeginning(t *testing.T, o redisstore.Options) {
	t.Helper()
	o.Timeout = patience
	store := newStore(t, o)
	for i := range 20 {
		if v := take(t, store, key(fmt.Sprint(i/2)), hourly); v.Remaining != 999-int64(i%2) {
			t.Errorf("request %d: %+v", i+1, v)
		}
	}
}
