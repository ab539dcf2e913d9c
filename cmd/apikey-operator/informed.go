package main

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	ctrl "sigs.k8s.io/controller-runtime"
)

// informed is started when all caches hold what is watched, on the manager that leads and on those that wait.
type informed struct{ yes atomic.Bool }

// reportInformed has a manager be ready only when it has seen all that it looks after. One that may not list something
// goes on trying, and does nothing until then: an update to it must not go on as if it worked.
func reportInformed(manager ctrl.Manager) (*informed, error) {
	i := &informed{}
	if err := manager.AddReadyzCheck("informed", i.check); err != nil {
		return nil, err
	}
	return i, manager.Add(i)
}

// run runs a manager until the context ends. The manager itself heeds that only once its caches are filled; before, it
// has begun nothing that would have to be brought to an end.
func (i *informed) run(ctx context.Context, manager ctrl.Manager) error {
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	if !i.yes.Load() {
		return nil
	}
	return <-ended
}

// Start implements manager.Runnable.
func (i *informed) Start(context.Context) error {
	i.yes.Store(true)
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (*informed) NeedLeaderElection() bool { return false }

func (i *informed) check(*http.Request) error {
	if i.yes.Load() {
		return nil
	}
	return errors.New("not synced: what is to be watched was not all seen yet; the log says what may not be listed")
}
