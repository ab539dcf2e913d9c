package integration

import (
	"fmt"
	"strings"
	"testing"
)

// specCase is one spec and what the API server must make of it.
type specCase struct {
	spec        string   // JSON
	wantRefused []string // what the refusal must contain; empty where the spec must be accepted
}

// checkSpecs creates an ApiKey with each spec, as strictly as kubectl does.
func checkSpecs(t *testing.T, cases map[string]specCase) {
	t.Helper()
	as, namespace := admin(t), freshNamespace(t)
	number := 0
	for name, c := range cases {
		number++
		body := apiKey(objectName(number), c.spec)
		t.Run(name, func(t *testing.T) {
			if len(c.wantRefused) > 0 {
				as.sendRefused(t, create(namespace, body), c.wantRefused...)
				return
			}
			as.send(t, create(namespace, body))
		})
	}
}

// transitionCase is a change of a spec and what the API server must make of it.
type transitionCase struct {
	before, after string   // JSON
	wantRefused   []string // what the refusal must contain; empty where the change must be accepted
}

// checkTransitions creates an ApiKey with each spec and replaces it by the next one.
func checkTransitions(t *testing.T, cases map[string]transitionCase) {
	t.Helper()
	as, namespace := admin(t), freshNamespace(t)
	number := 0
	for title, c := range cases {
		number++
		name := objectName(number)
		t.Run(title, func(t *testing.T) {
			stored := as.send(t, create(namespace, apiKey(name, c.before)))
			change := update(namespace, name, withSpec(t, stored, c.after))
			if len(c.wantRefused) > 0 {
				as.sendRefused(t, change, c.wantRefused...)
				return
			}
			as.send(t, change)
		})
	}
}

// numbered is a list of n different strings of that length.
func numbered(n, length int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s%03d", strings.Repeat("a", length-3), i)
	}
	return list
}

func TestTenantRules(t *testing.T) {
	t.Parallel()
	refused := []string{"spec.tenant", "must consist of letters, digits, '.', '_' and '-' and begin with a letter or digit, such as acme"}
	checkSpecs(t, map[string]specCase{
		"no tenant":                       {spec: `{}`},
		"null counts as no tenant":        {spec: `{"tenant":null}`},
		"letters, digits and punctuation": {spec: `{"tenant":"Acme-2.eu_west"}`},
		"a single digit":                  {spec: `{"tenant":"7"}`},
		"63 characters":                   {spec: asJSON(map[string]string{"tenant": strings.Repeat("a", 63)})},

		"64 characters":                {asJSON(map[string]string{"tenant": strings.Repeat("a", 64)}), []string{"spec.tenant: Too long", "63"}},
		"empty":                        {`{"tenant":""}`, append(refused, "at least 1 chars")},
		"beginning with a dot":         {`{"tenant":".acme"}`, refused},
		"beginning with a hyphen":      {`{"tenant":"-acme"}`, refused},
		"beginning with an underscore": {`{"tenant":"_"}`, refused},
		"with a space":                 {`{"tenant":"ac me"}`, refused},
		"with a trailing line break":   {`{"tenant":"acme\n"}`, refused},
		"with a carriage return":       {`{"tenant":"acme\r\nX-Apikey-Tenant: other"}`, refused},
		"with a zero byte":             {`{"tenant":"acme\u0000"}`, refused},
		"with a letter outside ASCII":  {`{"tenant":"ácme"}`, refused},
		"with a comma":                 {`{"tenant":"a,b"}`, refused},
		"a number":                     {`{"tenant":7}`, []string{"spec.tenant", "must be of type string"}},
		"a list":                       {`{"tenant":["acme"]}`, []string{"spec.tenant", "must be of type string"}},
	})
}

func TestTextRules(t *testing.T) {
	t.Parallel()
	oneLine := "must not contain control characters or line breaks: write it on one line"
	cases := map[string]specCase{
		"a description of several lines":       {spec: `{"description":"first\nsecond\ttabbed"}`},
		"a description of 1024 characters":     {spec: asJSON(map[string]string{"description": strings.Repeat("😀", 1024)})},
		"a description of 1025 characters":     {asJSON(map[string]string{"description": strings.Repeat("a", 1025)}), []string{"spec.description: Too long", "1024"}},
		"a description that is a number":       {`{"description":1}`, []string{"spec.description", "must be of type string"}},
		"an empty description counts as none":  {spec: `{"description":""}`},
		"a null for a description is left out": {spec: `{"description":null}`},
	}
	for _, field := range []string{"displayName", "owner"} {
		of := func(value string) string { return asJSON(map[string]string{field: value}) }
		refused := []string{"spec." + field, oneLine}
		cases[field+" empty"] = specCase{spec: of("")}
		cases[field+" in any script, with emoji"] = specCase{spec: of("Überwachung 監視 👩‍🚒 <sre@phoenix.example>")}
		cases[field+" of 128 characters"] = specCase{spec: of(strings.Repeat("😀", 128))}
		cases[field+" of 129 characters"] = specCase{of(strings.Repeat("a", 129)), []string{"spec." + field + ": Too long", "128"}}
		cases[field+" with a line break"] = specCase{of("a\nb"), refused}
		cases[field+" with a tab"] = specCase{of("a\tb"), refused}
		cases[field+" with a zero byte"] = specCase{of("a\x00b"), refused}
		cases[field+" with a terminal's escape sequence"] = specCase{of("\x1b[31mred"), refused}
		cases[field+" with the control character next line"] = specCase{of("a\u0085b"), refused}
		cases[field+" with a line separator"] = specCase{of("a\u2028b"), refused}
		cases[field+" with a paragraph separator"] = specCase{of("a\u2029b"), refused}
		cases[field+" of another type"] = specCase{fmt.Sprintf(`{%q:true}`, field), []string{"spec." + field, "must be of type string"}}
	}
	checkSpecs(t, cases)
}

func TestFormatRules(t *testing.T) {
	t.Parallel()
	prefix := []string{"spec.format.prefix", "must consist of letters, digits, '_' and '-' and begin with a letter, such as sk_live_"}
	checkSpecs(t, map[string]specCase{
		"an empty format":               {spec: `{"format":{}}`},
		"a prefix as in the docs":       {spec: `{"format":{"prefix":"sk_live_"}}`},
		"a prefix of one letter":        {spec: `{"format":{"prefix":"k"}}`},
		"a prefix of 24 characters":     {spec: `{"format":{"prefix":"abcdefghijklmnopqrstuvw-"}}`},
		"the fewest bytes":              {spec: `{"format":{"bytes":24}}`},
		"the most bytes":                {spec: `{"format":{"bytes":64}}`},
		"a whole number with a point":   {spec: `{"format":{"bytes":32.0}}`},
		"a prefix of 25 characters":     {`{"format":{"prefix":"abcdefghijklmnopqrstuvwxy"}}`, []string{"spec.format.prefix: Too long", "24"}},
		"an empty prefix":               {`{"format":{"prefix":""}}`, append(prefix, "at least 1 chars")},
		"a prefix that begins with _":   {`{"format":{"prefix":"_sk"}}`, prefix},
		"a prefix with a digit first":   {`{"format":{"prefix":"1sk"}}`, prefix},
		"a prefix with a space":         {`{"format":{"prefix":"sk "}}`, prefix},
		"a prefix with a line break":    {`{"format":{"prefix":"sk\n"}}`, prefix},
		"a prefix with a foreign digit": {`{"format":{"prefix":"sk٣"}}`, prefix},
		"too few bytes":                 {`{"format":{"bytes":23}}`, []string{"spec.format.bytes", "greater than or equal to 24"}},
		"too many bytes":                {`{"format":{"bytes":65}}`, []string{"spec.format.bytes", "less than or equal to 64"}},
		"no bytes":                      {`{"format":{"bytes":0}}`, []string{"spec.format.bytes", "greater than or equal to 24"}},
		"a negative number of bytes":    {`{"format":{"bytes":-32}}`, []string{"spec.format.bytes", "greater than or equal to 24"}},
		"half a byte":                   {`{"format":{"bytes":32.5}}`, []string{"spec.format.bytes", "must be of type int32"}},
		"more bytes than 32 bits hold":  {`{"format":{"bytes":4294967328}}`, []string{"spec.format.bytes", "less than or equal to 64"}},
		"a number of bytes in quotes":   {`{"format":{"bytes":"32"}}`, []string{"spec.format.bytes", "must be of type integer"}},
		"a format that is a string":     {`{"format":"sk_live_"}`, []string{"spec.format", "must be of type object"}},
	})
}

func TestSecretRules(t *testing.T) {
	t.Parallel()
	name := []string{"spec.secret.name", "must be the name of a Secret: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit, such as site24x7-monitor"}
	key := []string{"spec.secret.key", "must be a key of a Secret's data: letters, digits, '-', '_' and '.', and neither '.' nor beginning with '..', such as api-key"}
	checkSpecs(t, map[string]specCase{
		"an empty secret":                 {spec: `{"secret":{}}`},
		"an empty name":                   {spec: `{"secret":{"name":""}}`},
		"a name with dots":                {spec: `{"secret":{"name":"phoenix.site24x7-monitor.1"}}`},
		"a name of 253 characters":        {spec: asJSON(map[string]any{"secret": map[string]string{"name": strings.Repeat("a", 253)}})},
		"a name of 254 characters":        {asJSON(map[string]any{"secret": map[string]string{"name": strings.Repeat("a", 254)}}), []string{"spec.secret.name: Too long", "253"}},
		"a name in capitals":              {`{"secret":{"name":"Monitor"}}`, name},
		"a name with an underscore":       {`{"secret":{"name":"a_b"}}`, name},
		"a name with two dots in a row":   {`{"secret":{"name":"a..b"}}`, name},
		"a name beginning with a hyphen":  {`{"secret":{"name":"-a"}}`, name},
		"a name ending with a hyphen":     {`{"secret":{"name":"a-"}}`, name},
		"a name with a namespace":         {`{"secret":{"name":"other/a"}}`, name},
		"a name with a line break":        {`{"secret":{"name":"a\n"}}`, name},
		"a name that is a number":         {`{"secret":{"name":1}}`, []string{"spec.secret.name", "must be of type string"}},
		"a key in capitals":               {spec: `{"secret":{"key":"API_KEY"}}`},
		"a key that is a hidden file":     {spec: `{"secret":{"key":".env"}}`},
		"a key with two dots inside":      {spec: `{"secret":{"key":"a..b"}}`},
		"a key of 253 characters":         {spec: asJSON(map[string]any{"secret": map[string]string{"key": strings.Repeat("K", 253)}})},
		"a key of 254 characters":         {asJSON(map[string]any{"secret": map[string]string{"key": strings.Repeat("K", 254)}}), []string{"spec.secret.key: Too long", "253"}},
		"an empty key":                    {`{"secret":{"key":""}}`, append(key, "at least 1 chars")},
		"a key that is this directory":    {`{"secret":{"key":"."}}`, key},
		"a key that is the one above":     {`{"secret":{"key":".."}}`, key},
		"a key that begins like that one": {`{"secret":{"key":"..data"}}`, key},
		"a key with a slash":              {`{"secret":{"key":"a/b"}}`, key},
		"a key with a line break":         {`{"secret":{"key":"a\n"}}`, key},
		"a key outside ASCII":             {`{"secret":{"key":"schlüssel"}}`, key},
		"a secret that is a string":       {`{"secret":"monitor"}`, []string{"spec.secret", "must be of type object"}},
	})
}

func TestSwitchRules(t *testing.T) {
	t.Parallel()
	cases := map[string]specCase{}
	for _, field := range []string{"suspended", "revoked"} {
		refused := []string{"spec." + field, "must be of type boolean"}
		for _, value := range []string{"true", "false", "null"} {
			cases[field+" "+value] = specCase{spec: fmt.Sprintf(`{%q:%s}`, field, value)}
		}
		for _, value := range []string{`"true"`, `"yes"`, `1`, `0`, `[]`, `[true]`, `{}`} {
			cases[field+" "+value] = specCase{fmt.Sprintf(`{%q:%s}`, field, value), refused}
		}
	}
	checkSpecs(t, cases)
}

func TestUnknownFieldsAreRefusedByName(t *testing.T) {
	t.Parallel()
	checkSpecs(t, map[string]specCase{
		"a field of a later version": {`{"quota":{"requests":1}}`, []string{`unknown field "spec.quota"`}},
		"a field in the wrong case":  {`{"Tenant":"acme"}`, []string{`unknown field "spec.Tenant"`}},
		"a field of a secret":        {`{"secret":{"immutable":true}}`, []string{`unknown field "spec.secret.immutable"`}},
		"a field given twice":        {`{"tenant":"a","tenant":"b"}`, []string{`duplicate field "spec.tenant"`}},
		"no spec at all":             {`null`, []string{"spec: Required value"}},
		"a spec that is a list":      {`[]`, []string{"spec", "must be of type object"}},
	})
}

func TestUnknownFieldsAreDroppedForLooseClients(t *testing.T) {
	t.Parallel()
	stored := admin(t).send(t, createLoosely(freshNamespace(t), apiKey("loose", `{"tenant":"acme","quota":{"requests":1},"secret":{"immutable":true}}`)))
	if got, want := asJSON(stored.Object["spec"]), `{"secret":{"key":"api-key"},"tenant":"acme"}`; got != want {
		t.Errorf("stored spec %s, want %s", got, want)
	}
}
