package authn

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/apikey-operator/apikey-operator/internal/permission"
)

// The bounds of cache=SECONDS.
const (
	minCacheSeconds = 1
	maxCacheSeconds = 300
)

// Requirement is what a route demands of a key. Without any demand every valid key passes. It does not
// change once it is parsed, so that many requests can share it.
type Requirement struct {
	permissions  []string
	rules        []rule
	tenant       string
	scopes       []scopeValue
	namespace    string
	cacheSeconds int
	demanded     string // permissions, separated by spaces
}

// rule adds a permission to what is demanded of requests with certain methods.
type rule struct {
	methods    []string // nil: all
	permission string
	demanded   string // what is demanded where this rule matches, separated by spaces
}

type scopeValue struct{ dimension, value string }

// The syntax of names in the API. A requirement that no key can meet is a mistake, and told as such.
var (
	methodSyntax    = regexp.MustCompile(`^[A-Z][A-Z0-9_-]*$`)
	tenantSyntax    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	namespaceSyntax = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	dimensionSyntax = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,31}$`)
	valueSyntax     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,62}$`)
)

// ParseRequirement reads a requirement in the form of a URL's query, undecoded:
//
//	permission=P       the key must hold P; repeatable, then all of them
//	rule=METHODS:P     the first rule whose comma-separated methods (or *) include the request's adds P;
//	                   repeatable; where there are rules and none matches, the request is refused; a rule
//	                   whose methods are all taken by earlier ones is an error
//	tenant=T           the key's tenant must be T
//	scope.DIM=VALUE    the key's scope DIM must include VALUE; repeatable, then all of them
//	namespace=NS       the ApiKey must live in NS
//	cache=SECONDS      demands nothing: how long a proxy may keep the answer, 1 to 300
//
// Everything else is an error: another name, an empty value, one that no key can meet, a wildcard, and
// tenant, namespace or cache given twice. The error names the parameter but does not repeat its value,
// which may be a key that someone put in the wrong place.
func ParseRequirement(rawQuery string) (*Requirement, error) {
	r := &Requirement{}
	if rawQuery == "" {
		return r, nil
	}
	for i, parameter := range strings.Split(rawQuery, "&") {
		if err := r.parse(parameter); err != nil {
			return nil, fmt.Errorf("parameter %d of the requirement: %w", i+1, err)
		}
	}
	r.demanded = strings.Join(r.permissions, " ")
	for i := range r.rules {
		r.rules[i].demanded = strings.TrimPrefix(r.demanded+" "+r.rules[i].permission, " ")
	}
	return r, nil
}

func (r *Requirement) parse(parameter string) error {
	rawName, rawValue, _ := strings.Cut(parameter, "=")
	name, err := url.QueryUnescape(rawName)
	if err != nil {
		return errors.New("its name is encoded wrongly: after % come two hexadecimal digits")
	}
	value, err := url.QueryUnescape(rawValue)
	if err != nil {
		return errors.New("its value is encoded wrongly: after % come two hexadecimal digits")
	}
	set := r.setter(name)
	if set == nil {
		return errUnknownName
	}
	if err := set(value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

var errUnknownName = errors.New("its name is not one of permission, rule, tenant, scope.NAME, namespace and cache")

// setter returns what takes in the value of the parameter of that name, nil for a name that is not known.
func (r *Requirement) setter(name string) func(value string) error {
	if dimension, ok := strings.CutPrefix(name, "scope."); ok && dimensionSyntax.MatchString(dimension) {
		return func(value string) error { return r.addScope(dimension, value) }
	}
	switch name {
	case "permission":
		return r.addPermission
	case "rule":
		return r.addRule
	case "tenant":
		return func(value string) error { return setOnce(&r.tenant, value, tenantSyntax) }
	case "namespace":
		return func(value string) error { return setOnce(&r.namespace, value, namespaceSyntax) }
	case "cache":
		return r.setCache
	}
	return nil
}

func (r *Requirement) addPermission(value string) error {
	if !permission.Concrete(value) {
		return errPermission
	}
	r.permissions = append(r.permissions, value)
	return nil
}

func (r *Requirement) addRule(value string) error {
	methods, demanded, ok := strings.Cut(value, ":") // a permission may hold more colons, a method none
	if !ok {
		return errors.New("use METHODS:PERMISSION, such as GET,HEAD:customers:view")
	}
	if !permission.Concrete(demanded) {
		return errPermission
	}
	rule := rule{permission: demanded}
	if methods != "*" {
		rule.methods = strings.Split(methods, ",")
	}
	if r.covers(rule.methods) {
		return errors.New("the rules before it take all its methods, so it never applies: put it first, or take it out")
	}
	for _, m := range rule.methods {
		if !methodSyntax.MatchString(m) {
			return errors.New("write methods in capitals and separate them by commas, or write * alone for all")
		}
	}
	r.rules = append(r.rules, rule)
	return nil
}

// covers reports whether the rules so far take all of these methods, nil standing for any. A rule that comes
// after them would never be asked, and its author would believe the route to be protected by it.
func (r *Requirement) covers(methods []string) bool {
	taken := func(m string) bool {
		return slices.ContainsFunc(r.rules, func(earlier rule) bool { return earlier.methods == nil || slices.Contains(earlier.methods, m) })
	}
	all := slices.ContainsFunc(r.rules, func(earlier rule) bool { return earlier.methods == nil })
	return all || len(methods) > 0 && !slices.ContainsFunc(methods, func(m string) bool { return !taken(m) })
}

func (r *Requirement) addScope(dimension, value string) error {
	if !valueSyntax.MatchString(value) {
		return errNoKeyHasIt
	}
	r.scopes = append(r.scopes, scopeValue{dimension, value})
	return nil
}

func (r *Requirement) setCache(value string) error {
	seconds, err := strconv.Atoi(value)
	if err != nil || strconv.Itoa(seconds) != value || seconds < minCacheSeconds || seconds > maxCacheSeconds {
		return fmt.Errorf("use a number of seconds from %d to %d", minCacheSeconds, maxCacheSeconds)
	}
	if r.cacheSeconds != 0 {
		return errTwice
	}
	r.cacheSeconds = seconds
	return nil
}

func setOnce(field *string, value string, syntax *regexp.Regexp) error {
	if !syntax.MatchString(value) {
		return errNoKeyHasIt
	}
	if *field != "" {
		return errTwice
	}
	*field = value
	return nil
}

var (
	errTwice      = errors.New("it is given twice, give it once")
	errNoKeyHasIt = errors.New("no key can have such a value; see the bounds of the ApiKey's field")
	errPermission = fmt.Errorf("use segments of letters, digits, '_' and '-' joined by ':' or '.', "+
		"at most %d characters, without a wildcard", permission.MaxLength)
)
