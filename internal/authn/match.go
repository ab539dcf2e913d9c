package authn

import (
	"slices"
	"strings"

	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/permission"
)

// check compares what is demanded of a request with what its key holds, in the order of the reasons. With
// PermissionDenied comes what would have been enough.
func (r *Requirement) check(e *index.Entry, method []byte) (reason Reason, demanded string) {
	if demanded, ok := r.permits(e.Permissions, method); !ok {
		return PermissionDenied, demanded
	}
	if r.tenant != "" && e.Tenant != r.tenant {
		return TenantMismatch, ""
	}
	for i := range r.scopes {
		if !includes(e.Scopes, r.scopes[i].dimension, r.scopes[i].value) {
			return ScopeMismatch, ""
		}
	}
	if r.namespace != "" && e.Namespace != r.namespace {
		return NamespaceMismatch, ""
	}
	return Allowed, ""
}

func (r *Requirement) permits(held string, method []byte) (demanded string, ok bool) {
	demanded = r.demanded
	if len(r.rules) > 0 {
		rule := r.ruleFor(method)
		if rule == nil {
			return demanded, false
		}
		demanded = rule.demanded
		if !holds(held, rule.permission) {
			return demanded, false
		}
	}
	for _, p := range r.permissions {
		if !holds(held, p) {
			return demanded, false
		}
	}
	return demanded, true
}

// ruleFor returns the first rule that matches, or nil. None matches a method that is not known, not even
// one for all methods: whoever wrote rules wanted to tell methods apart.
func (r *Requirement) ruleFor(method []byte) *rule {
	if len(method) == 0 {
		return nil
	}
	for i := range r.rules {
		if r.rules[i].matches(method) {
			return &r.rules[i]
		}
	}
	return nil
}

func (r *rule) matches(method []byte) bool {
	return r.methods == nil || slices.ContainsFunc(r.methods, func(m string) bool { return m == string(method) })
}

// holds reports whether one of the comma-separated permissions covers what is asked.
func holds(held, asked string) bool {
	for held != "" {
		var one string
		one, held, _ = strings.Cut(held, ",")
		if permission.Covers(one, asked) {
			return true
		}
	}
	return false
}

// includes looks for a value of one dimension in scopes of the form dim=v1|v2;dim2=v3.
func includes(scopes, dimension, value string) bool {
	for scopes != "" {
		var one string
		one, scopes, _ = strings.Cut(scopes, ";")
		name, values, _ := strings.Cut(one, "=")
		if name == dimension {
			return contains(values, value)
		}
	}
	return false
}

func contains(values, value string) bool {
	for values != "" {
		var one string
		one, values, _ = strings.Cut(values, "|")
		if one == value {
			return true
		}
	}
	return false
}
