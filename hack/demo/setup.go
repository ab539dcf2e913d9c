package main

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"time"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// routes are what nginx protects, each with what an Ingress would demand in its auth-url.
var routes = []stack.Route{
	{Path: "/reports/", Requirement: "permission=read&tenant=acme"},
	{Path: "/invoices/", Requirement: "permission=invoices:list"},
	{Path: "/admin/", Requirement: "permission=admin"},
}

// setUp starts everything, and says so as it goes.
func (d *demo) setUp(ctx context.Context) error {
	s := d.stack
	d.out.say("\n%s", d.out.paint(bold, "Setting up in "+s.Dir))
	began := time.Now()
	if err := s.StartControlPlane(ctx); err != nil {
		return err
	}
	server, err := d.server()
	if err != nil {
		return err
	}
	d.out.ready("control plane", "etcd and kube-apiserver, "+server, began)

	began = time.Now()
	if _, err := s.Install(ctx); err != nil {
		return err
	}
	d.out.ready("config/default", "applied with kubectl: definitions, roles, admission policies and webhook", began)

	began = time.Now()
	manager, err := s.StartManager(ctx, stack.Options{})
	if err != nil {
		return err
	}
	if err := s.ConnectWebhook(ctx, manager); err != nil {
		return err
	}
	d.out.ready("manager", fmt.Sprintf("pid %d, with a token of ServiceAccount %s; the API server asks its webhook", manager.PID(), stack.ManagerAccount), began)

	began = time.Now()
	// Nobody is to be turned away gently at the end of a demo.
	verifier, err := s.StartVerifier(ctx, stack.Options{Args: []string{"--drain-delay=0s"}})
	if err != nil {
		return err
	}
	d.out.ready("verifier", fmt.Sprintf("pid %d, with a token of ServiceAccount %s", verifier.PID(), stack.VerifierAccount), began)
	return d.startNginx(ctx, verifier)
}

// startNginx starts nginx between the user and an upstream, which answers with the request that it got.
func (d *demo) startNginx(ctx context.Context, verifier *stack.Verifier) error {
	began := time.Now()
	var err error
	if d.upstream, err = d.stack.StartUpstream(); err != nil {
		return err
	}
	d.nginx, err = d.stack.StartNginx(ctx, stack.NginxOptions{
		Verifiers: []string{verifier.Address}, Upstream: d.upstream.Address, Routes: routes,
	})
	if err != nil {
		return err
	}
	version, err := exec.CommandContext(ctx, d.stack.Tools.Nginx, "-v").CombinedOutput()
	if err != nil {
		return fmt.Errorf("ask nginx for its version: %w", err)
	}
	name := strings.TrimSpace(strings.TrimPrefix(string(version), "nginx version: "))
	d.out.ready(name, d.nginx.URL("/")+", which asks the verifier about each request", began)
	return nil
}

// server is the API server's host and port.
func (d *demo) server() (string, error) {
	config, err := d.stack.AdminConfig()
	if err != nil {
		return "", err
	}
	server, err := url.Parse(config.Host)
	if err != nil {
		return "", fmt.Errorf("read the API server's address: %w", err)
	}
	return server.Host, nil
}
