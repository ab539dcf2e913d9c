package authn

import (
	"slices"
	"strings"

	"github.com/apikey-operator/apikey-operator/internal/index"
	"github.com/apikey-operator/apikey-operator/internal/permission"
)

// check compares what is demanded of a request with what its key holds, in the order of the reasons. With
// PermissionDenied comes what would have been enough.
func (r *Requirement) check(key index.Found, method []byte) (reason Reason, demanded string) {
	if demanded, ok := r.permits(key.Permissions(), method); !ok {
		return PermissionDenied, demanded
	}
	if r.tenant != "" && key.Tenant() != r.tenant {
		return TenantMismatch, ""
	}
	for i := range r.scopes {
		if !includes(key.Scopes(), r.scopes[i].dimension, r.scopes[i].value) {
			return ScopeMismatch, ""
		}
	}
	if r.namespace != "" && key.Namespace() != r.namespace {
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
		one := until(held, ',')
		if permission.Covers(one, asked) {
			return true
		}
		held = after(held, one)
	}
	return false
}

// includes looks for a value of one dimension in scopes of the form dim=v1|v2;dim2=v3.
func includes(scopes, dimension, value string) bool {
	for scopes != "" {
		one := until(scopes, ';')
		if name := until(one, '='); name == dimension {
			return contains(after(one, name), value)
		}
		scopes = after(scopes, one)
	}
	return false
}

func contains(values, value string) bool {
	for values != "" {
		one := until(values, '|')
		if one == value {
			return true
		}
		values = after(values, one)
	}
	return false
}

// until returns what of s stands before the separator.
func until(s string, separator byte) string {
	if i := strings.IndexByte(s, separator); i >= 0 {
		return s[:i]
	}
	return s
}

// after returns what of s stands behind its beginning and one separator.
func after(s, beginning string) string {
	return s[min(len(beginning)+1, len(s)):]
}
