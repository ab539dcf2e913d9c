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
func reportInformed(manager ctrl.Manager) error {
	i := &informed{}
	if err := manager.AddReadyzCheck("informed", i.check); err != nil {
		return err
	}
	return manager.Add(i)
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
