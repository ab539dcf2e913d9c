package integration

import (
	"fmt"
	"strings"
	"testing"
)

// inSecret is a spec whose secret has one member, itself a value of Go.
func inSecret(member string, value any) string {
	return asJSON(map[string]any{"secret": map[string]any{member: value}})
}

// texts is an object of n members, each with that value.
func texts(n int, value string) map[string]string {
	object := map[string]string{}
	for _, name := range numbered(n, 10) {
		object[name] = value
	}
	return object
}

func TestNamesOfLabelsAndAnnotations(t *testing.T) {
	t.Parallel()
	domain63 := strings.Repeat("d", 63)
	accepted := []string{
		"team", "Team.of_2-1", "7", "example.com/team", "a-b.example.com/A", "reloader.stakater.com/match", "x/y",
		"app.kubernetes.io/name", "app.kubernetes.io/part-of", "kubernetes.io", "k8s.io", "kubernetes.io.example.com/team",
		strings.Repeat("n", 63), strings.Repeat(domain63+".", 3) + domain63[:61] + "/" + strings.Repeat("n", 63), // 253 and 63
	}
	malformed := []string{
		"", "-team", "team-", "_team", "te am", "team\n", "team:a", "täm", "/team", "example.com/", "a/b/c", "Example.com/team",
		".example.com/team", "example..com/team", "-example.com/team", "example_com/team", strings.Repeat("n", 64), "example.com/" + strings.Repeat("n", 64),
		strings.Repeat(domain63+".", 3) + domain63[:62] + "/n", strings.Repeat("d", 100_000) + "/n", strings.Repeat("n", 100_000),
	}
	reserved := []string{
		"kubernetes.io/metadata.name", "node.kubernetes.io/x", "my-kubernetes.io/x", "kubernetes.io/service-account.name", "app.kubernetes.io/managed-by",
		"sub.app.kubernetes.io/name", "k8s.io/x", "secrets-store.csi.k8s.io/managed", "cluster.x-k8s.io/cluster-name",
		"apikey-operator.dev/key-source", "apikey-operator.dev/revision", "sub.apikey-operator.dev/x",
	}
	for member, kind := range map[string]struct{ name, example string }{
		"labels":      {"label", "example.com/team"},
		"annotations": {"annotation", "example.com/contact"},
	} {
		t.Run(member, func(t *testing.T) {
			t.Parallel()
			of := func(name string) string { return inSecret(member, map[string]string{name: "true"}) }
			form := []string{"spec.secret." + member, "each name must be at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit, " +
				"after a lower-case domain and '/' where it has one, such as " + kind.example}
			taken := []string{"spec.secret." + member, "must not have " + kind.name + "s of *kubernetes.io/ (but app.kubernetes.io/ other than managed-by), *k8s.io/ " +
				"or *apikey-operator.dev/, which mean something to controllers: use a domain of your own, such as " + kind.example}
			cases := map[string]specCase{
				"none":                {spec: inSecret(member, texts(0, ""))},
				"null":                {spec: inSecret(member, nil)},
				"32 of them":          {spec: inSecret(member, texts(32, "x"))},
				"33 of them":          {inSecret(member, texts(33, "x")), []string{"spec.secret." + member + ": Too many", "32"}},
				"a good and a taken":  {inSecret(member, map[string]string{"team": "a", "k8s.io/x": "b"}), taken},
				"a list":              {inSecret(member, []string{"team"}), []string{"spec.secret." + member, "must be of type object"}},
				"a truth for a value": {inSecret(member, map[string]bool{"team": true}), []string{"spec.secret." + member, "must be of type string"}},
			}
			for _, name := range accepted {
				cases[fmt.Sprintf("accepted: %.40s", name)] = specCase{spec: of(name)}
			}
			for i, name := range malformed {
				cases[fmt.Sprintf("malformed %d: %.40s", i, name)] = specCase{of(name), form}
			}
			for _, name := range reserved {
				cases["reserved: "+name] = specCase{of(name), taken}
			}
			checkSpecs(t, cases)
		})
	}
}

func TestValuesOfLabelsAndAnnotations(t *testing.T) {
	t.Parallel()
	label := func(value string) string { return inSecret("labels", map[string]string{"team": value}) }
	annotation := func(value string) string { return inSecret("annotations", map[string]string{"contact": value}) }
	refused := []string{"spec.secret.labels[team]", "a label's value must consist of letters, digits, '-', '_' and '.' and begin and end with a letter or digit, such as payments"}
	checkSpecs(t, map[string]specCase{
		"an empty label":                  {spec: label("")},
		"a label of 63 characters":        {spec: label(strings.Repeat("v", 63))},
		"a label with punctuation":        {spec: label("A-1_b.2")},
		"a label of 64 characters":        {label(strings.Repeat("v", 64)), []string{"spec.secret.labels", "Too long", "63"}},
		"a label beginning with a hyphen": {label("-a"), refused},
		"a label ending with a dot":       {label("a."), refused},
		"a label with a space":            {label("a b"), refused},
		"a label with a slash":            {label("a/b"), refused},
		"a label with a line break":       {label("a\n"), refused},
		"a label outside ASCII":           {label("ä"), refused},
		"an empty annotation":             {spec: annotation("")},
		"an annotation of several lines":  {spec: annotation("first\nsecond")},
		"an annotation in emoji":          {spec: annotation(emoji(1024))},
		"an annotation that is too long":  {annotation(strings.Repeat("a", 1025)), []string{"spec.secret.annotations", "Too long", "1024"}},
	})
}

func TestSecretTypeRules(t *testing.T) {
	t.Parallel()
	refused := []string{"spec.secret.type", "must be Opaque, or a type of a domain outside *kubernetes.io, such as example.com/api-key"}
	cases := map[string]specCase{
		"null counts as not given": {spec: inSecret("type", nil)},
		"253 characters":           {spec: inSecret("type", strings.Repeat("d", 189)+"/"+strings.Repeat("n", 63))},
		"254 characters":           {inSecret("type", strings.Repeat("d", 190)+"/"+strings.Repeat("n", 63)), []string{"spec.secret.type: Too long", "253"}},
		"empty":                    {inSecret("type", ""), append(refused, "at least 1 chars")},
	}
	for _, name := range []string{"Opaque", "example.com/api-key", "helm.sh/release.v1", "kubernetes.io.example.com/x"} {
		cases["accepted: "+name] = specCase{spec: inSecret("type", name)}
	}
	for _, name := range []string{
		"kubernetes.io/service-account-token", "kubernetes.io/tls", "bootstrap.kubernetes.io/token", "my-kubernetes.io/x", "Kubernetes.io/tls",
		"opaque", "api-key", "example.com/", "/api-key", "example.com/a/b", "example.com/api key", "example.com/api-key\n", "example.com/" + strings.Repeat("n", 64),
	} {
		cases["refused: "+name] = specCase{inSecret("type", name), refused}
	}
	checkSpecs(t, cases)
}

func TestSecretTypeIsFixed(t *testing.T) {
	t.Parallel()
	refused := []string{"spec.secret.type: Forbidden: may not change, as the type of a Secret cannot: put the old type back (none counts as Opaque), or create another ApiKey"}
	const opaque, own = `{"secret":{"type":"Opaque"}}`, `{"secret":{"type":"example.com/api-key"}}`
	checkTransitions(t, map[string]transitionCase{
		"Opaque may be left out":            {before: opaque, after: `{"secret":{}}`},
		"Opaque may go with the secret":     {before: opaque, after: `{}`},
		"Opaque may be written out":         {before: `{}`, after: opaque},
		"its own may stay beside a new key": {before: own, after: `{"secret":{"type":"example.com/api-key","key":"token"}}`},
		"its own for Opaque":                {opaque, own, refused},
		"its own for none":                  {`{}`, own, refused},
		"its own for none in a secret":      {`{"secret":{"name":"a"}}`, `{"secret":{"name":"a","type":"example.com/api-key"}}`, refused},
		"Opaque for its own":                {own, opaque, refused},
		"another for its own":               {own, `{"secret":{"type":"example.com/other"}}`, refused},
		"its own removed":                   {own, `{"secret":{"type":null}}`, refused},
		"its own removed with the secret":   {own, `{}`, refused},
	})
}

func TestNamesOfData(t *testing.T) {
	t.Parallel()
	form := []string{"spec.secret.data", "each name must be a key of a Secret's data: at most 253 letters, digits, '-', '_' and '.', and neither '.' nor beginning with '..', such as .env"}
	clash := []string{"spec.secret.data", "must not have an entry under secret.key (api-key where that is not given), which holds the plaintext: name the entry otherwise, or change secret.key"}
	of := func(name string) string { return inSecret("data", map[string]string{name: "x"}) }
	cases := map[string]specCase{
		"none":                             {spec: inSecret("data", texts(0, ""))},
		"16 of them":                       {spec: inSecret("data", texts(16, "x"))},
		"17 of them":                       {inSecret("data", texts(17, "x")), []string{"spec.secret.data: Too many", "16"}},
		"a list":                           {inSecret("data", []string{"x"}), []string{"spec.secret.data", "must be of type object"}},
		"the default key":                  {of("api-key"), clash},
		"the default key beside another":   {spec: `{"secret":{"key":"token","data":{"api-key":"x"}}}`},
		"the key that is given":            {`{"secret":{"key":"token","data":{"token":"x"}}}`, clash},
		"the default key, given as a null": {`{"secret":{"key":null,"data":{"api-key":"x"}}}`, clash},
	}
	for _, name := range []string{".env", "API_URL", "config.yaml", "a..b", "API-KEY", strings.Repeat("K", 253)} {
		cases[fmt.Sprintf("accepted: %.40s", name)] = specCase{spec: of(name)}
	}
	for i, name := range []string{"", ".", "..", "..data", "a/b", "a b", "a\n", "schlüssel", "$(NAME)", strings.Repeat("K", 254), strings.Repeat("K", 100_000)} {
		cases[fmt.Sprintf("refused %d: %.40s", i, name)] = specCase{of(name), form}
	}
	checkSpecs(t, cases)
	checkTransitions(t, map[string]transitionCase{
		"the key moves onto an entry":     {`{"secret":{"data":{"token":"x"}}}`, `{"secret":{"key":"token","data":{"token":"x"}}}`, clash},
		"the key moves away for an entry": {before: `{"secret":{"key":"api-key"}}`, after: `{"secret":{"key":"token","data":{"api-key":"x"}}}`},
	})
}

func TestPlaceholderRules(t *testing.T) {
	t.Parallel()
	of := func(value string) string { return inSecret("data", map[string]string{".env": value}) }
	refused := []string{"spec.secret.data[.env]: Forbidden: may use only $(KEY), $(NAME), $(NAMESPACE), $(TENANT), $(REVISION), $(EXPIRES_AT) and $(HINT): write one of these wherever $( stands, or leave $( out"}
	tooMany := []string{"spec.secret.data[.env]: Forbidden: may hold at most 64 placeholders: leave some out, or spread them over several entries"}
	cases := map[string]specCase{
		"64 placeholders": {spec: of(strings.Repeat("$(KEY)", 64))},
		"65 placeholders": {of(strings.Repeat("$(KEY)", 65)), tooMany},
		"4096 characters": {spec: of(emoji(4096))},
		"4096 dollars":    {spec: of(strings.Repeat("$", 4096))},
		"4097 characters": {of(strings.Repeat("a", 4097)), []string{"spec.secret.data", "Too long", "4096"}},
		"a number":        {`{"secret":{"data":{".env":1}}}`, []string{"spec.secret.data", "must be of type string"}},
		"a null":          {spec: `{"secret":{"data":{".env":null}}}`},
	}
	for _, value := range []string{
		"", "plain", "API_KEY=$(KEY)\nTENANT=$(TENANT)\n", "$(KEY)$(NAME)$(NAMESPACE)$(REVISION)$(EXPIRES_AT)$(HINT)", "$", "$$", "a$", "$KEY ${KEY}",
		"$$(KEY)", "$$$(KEY)$$", "$ (KEYS)", "$)(", "$(KEY)$", "(KEY)", "($(KEY))", "$(KEY))", "\x00\u2028",
	} {
		cases[fmt.Sprintf("accepted: %q", value)] = specCase{spec: of(value)}
	}
	for _, value := range []string{
		"$(PASSWORD)", "$(key)", "$(KEY )", "$( KEY)", "$(KEY", "$(", "$()", "$(KEYS)", "$(NAMESPACES)", "$(KEY)$(date)", "$(date)$(KEY)", "$$(date)",
		"$($(KEY))", "a\n$(date)", "$(KEY\n)",
	} {
		cases[fmt.Sprintf("refused: %q", value)] = specCase{of(value), refused}
	}
	checkSpecs(t, cases)
}

// What a rule costs is bounded twice: when the definition is installed, by what a spec could hold at most, and for
// each request. A spec at all bounds together must stay within.
func TestTheLargestSpecIsNotRefusedForItsCost(t *testing.T) {
	t.Parallel()
	as, namespace, spec := admin(t), freshNamespace(t), largestSpec()
	stored := as.send(t, create(namespace, apiKey("largest", spec)))
	as.send(t, update(namespace, "largest", withSpec(t, stored, spec)))
}

// largestSpec is at the bounds that a spec can reach together.
func largestSpec() string {
	names := func(n, length int) []string {
		list := numbered(n, 63)
		for i := range list {
			list[i] = strings.Repeat("d.", (length-64)/2)[:length-65] + "d/" + list[i]
		}
		return list
	}
	members := func(names []string, value string) map[string]string {
		object := map[string]string{}
		for _, name := range names {
			object[name] = value
		}
		return object
	}
	return asJSON(map[string]any{
		"displayName": emoji(128), "owner": emoji(128), "description": emoji(1024), "tenant": strings.Repeat("t", 63), "permissions": numbered(30, 64),
		"revision": 500000000, "minRevision": 500000000,
		"rotation": map[string]string{"schedule": strings.Repeat("*", 128), "timeZone": strings.Repeat("Z", 64), "gracePeriod": "525600m"},
		"secret": map[string]any{
			"name": strings.Repeat("s", 253), "key": strings.Repeat("K", 253), "type": strings.Repeat("d", 189) + "/" + strings.Repeat("n", 63),
			"labels": members(names(32, 317), strings.Repeat("v", 63)), "annotations": members(names(32, 317), emoji(1024)),
			"data": members(numbered(16, 253), strings.Repeat("$(KEY)", 64)+strings.Repeat("$$$😀", 928)),
		},
	})
}
