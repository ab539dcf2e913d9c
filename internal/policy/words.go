package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The bounds on what is told, so that a message stays one that people read.
const (
	mostListed  = 6
	mostReasons = 6

	// No value that the schema accepts is longer; what was stored before it may be.
	mostOfValue = 64
	mostOfCause = 512
)

// String tells what a policy has against a request, with what to do about it.
func (f Finding) String() string {
	var b strings.Builder
	if f.Policy != "" && f.Code() != PolicyUnreadable {
		b.WriteString("policy " + f.Policy + " does not allow this: ")
	}
	for i, r := range f.Reasons {
		if i == mostReasons {
			fmt.Fprintf(&b, "; and %d more", len(f.Reasons)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		if r.Field != "" {
			b.WriteString(r.Field + ": ")
		}
		b.WriteString(r.Text)
	}
	return b.String()
}

// Code is the first of the reasons' codes; empty where there is none.
func (f Finding) Code() Code {
	if len(f.Reasons) == 0 {
		return ""
	}
	return f.Reasons[0].Code
}

// String is such as 100 requests in 1s, 200 at once.
func (l RateLimit) String() string {
	return fmt.Sprintf("%d requests in %s, %d at once", l.Requests, duration(l.Period), l.Burst)
}

func notAmong(code Code, field, value string, allowed []string) Reason {
	but := "only " + list(allowed)
	if len(allowed) == 0 {
		but = "nor is any other"
	}
	return Reason{code, field, fmt.Sprintf("%q is not allowed, %s", shorten(value, mostOfValue), but)}
}

func required(code Code, field, what string) Reason {
	return Reason{code, field, "is required: give " + what}
}

func tooMuch(code Code, field, asked, allowed string) Reason {
	return Reason{code, field, asked + " is not allowed, only " + allowed}
}

// oneOf asks for one of some values, or for any.
func oneOf(words string, values []string) string {
	if slices.Contains(values, Any) {
		return "any"
	}
	return words + list(values)
}

func unlabelled(namespace Namespace, label string) Reason {
	return Reason{TenantNotAllowed, "spec.tenant", fmt.Sprintf("namespace %s has no label %s, which names the tenant that its keys speak for: ask whoever administers the cluster for it", namespace.Name, label)}
}

func importDoesNotRotate() Reason {
	return Reason{RotationRequired, "spec.source", "a key that comes from elsewhere cannot be seen to rotate, which is required: leave source out"}
}

func importNotAllowed() Reason {
	return Reason{ImportNotAllowed, "spec.source", "keys that come from elsewhere are not allowed: leave source out"}
}

func tooFewBytes(asked, least int) Reason {
	return tooMuch(FormatNotAllowed, "spec.format.bytes", strconv.Itoa(asked), strconv.Itoa(least)+" and more")
}

func noPolicy(namespace Namespace) Reason {
	return Reason{NoPolicy, "", fmt.Sprintf("no ApiKeyPolicy selects namespace %s, so nothing is granted there: ask whoever administers the cluster for one", namespace.Name)}
}

func unreadable(p *Policy) Reason {
	return Reason{PolicyUnreadable, "", fmt.Sprintf("ApiKeyPolicy %s cannot be read (%s), so nobody can tell what it refuses: whoever administers the cluster has to correct it", p.Name, shorten(p.Unreadable, mostOfCause))}
}

func wildcardByDefault() Reason {
	return Reason{PermissionNotAllowed, "spec.permissions", `"*" is not allowed where no ApiKeyPolicy selects the namespace: name what the key needs`}
}

func importByDefault() Reason {
	return Reason{ImportNotAllowed, "spec.source", "keys that come from elsewhere are not allowed where no ApiKeyPolicy selects the namespace: leave source out"}
}

func list(values []string) string {
	listed := make([]string, 0, mostListed)
	for _, value := range values[:min(len(values), mostListed)] {
		listed = append(listed, shorten(value, mostOfValue))
	}
	text := strings.Join(listed, ", ")
	if more := len(values) - mostListed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

func atMost(d *time.Duration) string {
	if d == nil {
		return ""
	}
	return ", at most " + duration(*d) + " apart"
}

// duration leaves out the zeros at the end: 2160h, not 2160h0m0s.
func duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
