package integration

import (
	"fmt"
	"strings"
	"testing"
)

// someHash stands for the SHA-256 of a key, which nobody has.
var someHash = strings.Repeat("0123456789abcdef", 4)

var (
	byHash      = fmt.Sprintf(`{"source":{"hash":{"sha256":%q}}}`, someHash)
	byReference = `{"source":{"secretRef":{"name":"from-vault"}}}`
)

// beside is a spec, an object, with another field in it.
func beside(spec, field string) string { return strings.TrimSuffix(spec, "}") + "," + field + "}" }

func TestSourceHasExactlyOneMember(t *testing.T) {
	t.Parallel()
	refused := []string{"spec.source", "must have exactly one of hash and secretRef: give one of them, or leave source out to have a key generated"}
	checkSpecs(t, map[string]specCase{
		"a hash":                   {spec: byHash},
		"a reference":              {spec: byReference},
		"null counts as no source": {spec: `{"source":null}`},
		"a hash beside a null":     {spec: fmt.Sprintf(`{"source":{"hash":{"sha256":%q},"secretRef":null}}`, someHash)},
		"neither":                  {`{"source":{}}`, refused},
		"a null":                   {`{"source":{"hash":null}}`, refused},
		"both":                     {fmt.Sprintf(`{"source":{"hash":{"sha256":%q},"secretRef":{"name":"from-vault"}}}`, someHash), refused},
		"a hash without a digest":  {`{"source":{"hash":{}}}`, []string{"spec.source.hash.sha256: Required value"}},
		"a reference to no name":   {`{"source":{"secretRef":{}}}`, []string{"spec.source.secretRef.name: Required value"}},
		"a source that is a text":  {`{"source":"hash"}`, []string{"spec.source", "must be of type object"}},
	})
}

func TestWhatSourceForbids(t *testing.T) {
	t.Parallel()
	forbidden := func(field, sentence string) []string {
		return []string{"spec." + field + ": Forbidden: may " + sentence}
	}
	cases := map[string]specCase{
		"a grace period with a reference":    {spec: beside(byReference, `"rotation":{"gracePeriod":"1h"}`)},
		"an empty rotation with a reference": {spec: beside(byReference, `"rotation":{}`)},
		"an age with a reference": {beside(byReference, `"rotation":{"every":"1h"}`),
			forbidden("rotation", "name only gracePeriod with source.secretRef, as whoever manages that Secret says when the key changes: leave every, schedule and timeZone out")},
		"a schedule with a reference": {beside(byReference, `"rotation":{"schedule":"@daily","timeZone":"UTC"}`),
			forbidden("rotation", "name only gracePeriod with source.secretRef")},
		"a grace period with a hash": {beside(byHash, `"rotation":{"gracePeriod":"1h"}`),
			forbidden("rotation", "not be given with source.hash, as a new hash ends the old key at once: leave rotation out and write the new hash when nobody uses the old key any more")},
		"an empty rotation with a hash": {beside(byHash, `"rotation":{}`), forbidden("rotation", "not be given with source.hash")},
		"an age with a hash":            {beside(byHash, `"rotation":{"every":"1h"}`), forbidden("rotation", "not be given with source.hash")},
	}
	for kind, spec := range map[string]string{"a hash": byHash, "a reference": byReference} {
		cases["a lowest revision with "+kind] = specCase{spec: beside(spec, `"minRevision":2`)}
		cases["all that concerns the holder with "+kind] = specCase{
			spec: beside(spec, `"tenant":"acme","permissions":["read"],"scopes":{"category":["general"]},"expiresAt":"2027-01-10T23:59:59Z"`),
		}
		cases["a revision with "+kind] = specCase{beside(spec, `"revision":2`),
			forbidden("revision", "not be given with source, as only generated keys are issued anew: leave revision out and change the key where it comes from")}
		for _, value := range []string{`{}`, `{"name":"a"}`, `{"key":null}`, `{"labels":{"a":"b"}}`, `{"deleteAfter":"1h"}`} {
			cases["a secret "+value+" with "+kind] = specCase{beside(spec, `"secret":`+value),
				forbidden("secret", "not be given with source, as no Secret is written for a key that comes from elsewhere: leave secret out")}
		}
		for _, value := range []string{`{}`, `{"prefix":"sk_"}`, `{"bytes":null}`} {
			cases["a format "+value+" with "+kind] = specCase{beside(spec, `"format":`+value),
				forbidden("format", "not be given with source, as the key is not generated: leave format out")}
		}
	}
	checkSpecs(t, cases)
}

func TestKindOfSourceIsFixed(t *testing.T) {
	t.Parallel()
	refused := []string{"spec.source: Forbidden: may not change between no source, hash and secretRef: put back what was there, or create another ApiKey"}
	otherHash := strings.ReplaceAll(byHash, "0123", "3210")
	checkTransitions(t, map[string]transitionCase{
		"another hash":                                   {before: byHash, after: otherHash},
		"a hint for the hash":                            {before: byHash, after: strings.ReplaceAll(byHash, `{"sha256"`, `{"hint":"sk_a1b2…","sha256"`)},
		"another Secret":                                 {before: byReference, after: `{"source":{"secretRef":{"name":"other","key":"token"}}}`},
		"another field beside a source":                  {before: byReference, after: beside(byReference, `"tenant":"acme"`)},
		"a hash instead of a reference":                  {byReference, byHash, refused},
		"a reference instead of a hash":                  {byHash, byReference, refused},
		"a hash for a generated key":                     {`{}`, byHash, refused},
		"a reference for a generated key":                {`{"tenant":"acme"}`, byReference, refused},
		"generated instead of a hash":                    {byHash, `{}`, refused},
		"generated instead of a reference with a Secret": {byReference, `{"secret":{"name":"a"}}`, refused},
		"a null source after a hash":                     {byHash, `{"source":null}`, refused},
	})
}

func TestKindOfSourceCannotBeChangedByRoundaboutWays(t *testing.T) {
	t.Parallel()
	as, namespace := admin(t), freshNamespace(t)
	const name = "imported"
	as.send(t, apply(namespace, name, "gitops", apiKey(name, byHash)))
	reference := `{"secretRef":{"name":"from-vault"}}`
	for title, r := range map[string]request{
		"JSON patch removes the source":       patch(namespace, name, jsonPatch, `[{"op":"remove","path":"/spec/source"}]`),
		"JSON patch replaces the source":      patch(namespace, name, jsonPatch, `[{"op":"replace","path":"/spec/source","value":`+reference+`}]`),
		"merged a reference, the hash null":   patch(namespace, name, mergePatch, `{"spec":{"source":{"hash":null,"secretRef":{"name":"from-vault"}}}}`),
		"merged null":                         patch(namespace, name, mergePatch, `{"spec":{"source":null}}`),
		"applied with another by its owner":   apply(namespace, name, "gitops", apiKey(name, byReference)),
		"applied without source by its owner": apply(namespace, name, "gitops", apiKey(name, `{"tenant":"acme"}`)),
	} {
		t.Run(title, func(t *testing.T) {
			as.sendRefused(t, r, "spec.source: Forbidden: may not change between no source, hash and secretRef")
		})
	}
}

func TestHashSourceRules(t *testing.T) {
	t.Parallel()
	digest := []string{"spec.source.hash.sha256", `must be the SHA-256 of the key in 64 lower-case hexadecimal digits, never the key itself: write what printf %s "$KEY" | sha256sum prints before the space`}
	hint := []string{"spec.source.hash.hint", "must not contain control characters or line breaks: write it on one line, such as sk_live_a1b2…"}
	of := func(sha256, hint string) string {
		return asJSON(map[string]any{"source": map[string]any{"hash": map[string]string{"sha256": sha256, "hint": hint}}})
	}
	checkSpecs(t, map[string]specCase{
		"digits and letters":             {spec: of(someHash, "")},
		"the hash of a line break":       {spec: of("01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b", "")},
		"a hint":                         {spec: of(someHash, "sk_live_a1b2…")},
		"a hint of 16 characters":        {spec: of(someHash, emoji(16))},
		"no digits":                      {of("", ""), digest},
		"63 digits":                      {of(someHash[1:], ""), digest},
		"65 digits":                      {of("0"+someHash, ""), digest},
		"128 digits, of SHA-512":         {of(someHash+someHash, ""), digest},
		"more than anybody reads":        {of(strings.Repeat("a", 1025), ""), []string{"spec.source.hash.sha256: Too long"}},
		"capitals":                       {of(strings.ToUpper(someHash), ""), digest},
		"with the form before it":        {of("sha256:"+someHash, ""), digest},
		"as sha256sum prints it":         {of(someHash+"  -\n", ""), digest},
		"with a line break":              {of(someHash+"\n", ""), digest},
		"in base64":                      {of("ASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4mrze8=", ""), digest},
		"digits of another alphabet":     {of(strings.Repeat("٣", 64), ""), digest},
		"a number":                       {`{"source":{"hash":{"sha256":1}}}`, []string{"spec.source.hash.sha256", "must be of type string"}},
		"the hash of nothing":            {of("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", ""), []string{"spec.source.hash.sha256", "is the SHA-256 of nothing, as the variable or file that was hashed was empty: hash the key"}},
		"a hint of 17 characters":        {of(someHash, strings.Repeat("a", 17)), []string{"spec.source.hash.hint: Too long", "16"}},
		"a hint with a line break":       {of(someHash, "a\nb"), hint},
		"a hint with an escape sequence": {of(someHash, "\x1b[31mred"), hint},
		"a hint with a line separator":   {of(someHash, "a\u2028b"), hint},
	})
}

// Somebody may paste the key where its hash belongs; a refusal goes to logs and terminals.
func TestARefusalNeverRepeatsWhatStandsForTheHash(t *testing.T) {
	t.Parallel()
	as, namespace := admin(t), freshNamespace(t)
	for title, key := range map[string]string{
		"a key":                               "sk_live_9f3kQmVx7Jr2TbYw",
		"a key of 64 characters":              strings.Repeat("sk_live_", 8),
		"a key longer than any hash":          strings.Repeat("sk_live_", 50),
		"a key longer than is looked at":      strings.Repeat("sk_live_", 200),
		"a hash in capitals, as a key may be": strings.ToUpper(someHash),
	} {
		t.Run(title, func(t *testing.T) {
			spec := asJSON(map[string]any{"source": map[string]any{"hash": map[string]string{"sha256": key}}})
			_, err := as.do(t.Context(), create(namespace, apiKey("pasted", spec)))
			if err == nil {
				t.Fatal("accepted, want it refused")
			}
			if strings.Contains(err.Error(), key[:16]) {
				t.Errorf("refused with %q, which repeats the key", err)
			}
		})
	}
}

func TestSecretReferenceRules(t *testing.T) {
	t.Parallel()
	name := []string{"spec.source.secretRef.name", "must be the name of a Secret: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit, such as from-vault"}
	key := []string{"spec.source.secretRef.key", "must be a key of a Secret's data: letters, digits, '-', '_' and '.', and neither '.' nor beginning with '..', such as token"}
	of := func(name, key string) string {
		return asJSON(map[string]any{"source": map[string]any{"secretRef": map[string]string{"name": name, "key": key}}})
	}
	checkSpecs(t, map[string]specCase{
		"a name with dots":             {spec: of("phoenix.from-vault.1", "token")},
		"253 characters each":          {spec: of(strings.Repeat("a", 253), strings.Repeat("K", 253))},
		"a key that is a hidden file":  {spec: of("a", ".env")},
		"a name of 254 characters":     {of(strings.Repeat("a", 254), "a"), []string{"spec.source.secretRef.name: Too long", "253"}},
		"a key of 254 characters":      {of("a", strings.Repeat("K", 254)), []string{"spec.source.secretRef.key: Too long", "253"}},
		"an empty name":                {of("", "a"), append(name, "at least 1 chars")},
		"a name in capitals":           {of("Vault", "a"), name},
		"a name with a namespace":      {of("other/a", "a"), name},
		"a name with dots in a row":    {of("a..b", "a"), name},
		"a name with a line break":     {of("a\n", "a"), name},
		"an empty key":                 {of("a", ""), append(key, "at least 1 chars")},
		"a key that is this directory": {of("a", "."), key},
		"a key like the one above":     {of("a", "..data"), key},
		"a key with a slash":           {of("a", "b/c"), key},
		"a key with a line break":      {of("a", "b\n"), key},
	})
}
