package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// uglyValue is what somebody might send for a part of an ApiKey, at the edge of what the API server
// takes or beyond it. Where it is accepted it must harm nothing: storeUglyApiKeys stores those for tests
// that show it.
type uglyValue struct {
	json        string // the whole metadata, spec or status
	wantRefused string // what the refusal must contain; empty where the API server accepts it
}

// storeUglyApiKeys stores an ApiKey for each ugly value that the API server accepts, in a namespace of
// the test, and returns them by the value's title. The status is written as the manager would.
func storeUglyApiKeys(t *testing.T, namespace string) map[string]*unstructured.Unstructured {
	t.Helper()
	stored := map[string]*unstructured.Unstructured{}
	for _, part := range []string{"metadata", "spec", "status"} {
		values := uglyValues[part]
		for i, title := range slices.Sorted(maps.Keys(values)) {
			if values[title].wantRefused != "" {
				continue
			}
			body, err := sendUgly(t, namespace, fmt.Sprintf("ugly-%s-%d", part, i), part, values[title].json)
			if err != nil {
				t.Fatalf("%s: %v", title, err)
			}
			stored[title] = decodeObject(t, body)
		}
	}
	return stored
}

// sendUgly makes an ApiKey with that metadata, spec or status, and returns it as the API server stored it.
func sendUgly(t *testing.T, namespace, name, part, value string) ([]byte, error) {
	t.Helper()
	switch part {
	case "metadata":
		body := fmt.Sprintf(`{"apiVersion":"apikey-operator.dev/v1alpha1","kind":"ApiKey","metadata":%s,"spec":{}}`, named(value, name))
		return admin(t).do(t.Context(), createLoosely(namespace, body))
	case "spec":
		return admin(t).do(t.Context(), createLoosely(namespace, apiKey(name, value)))
	default:
		stored := admin(t).send(t, create(namespace, apiKey(name, `{}`)))
		return manager(t).do(t.Context(), updateStatus(namespace, name, withStatus(t, stored, value)))
	}
}

// uglyText holds what terminals, logs and databases choke on, as JSON: an override of the writing
// direction, an unpaired surrogate, a noncharacter, a joiner, a byte order mark.
const uglyText = `\u202e\ud800\uffff\u200d\ufeff`

// controlText holds control characters as JSON: zero, escape, delete, line breaks of all kinds.
const controlText = `\u0000\u001b[2J\u007f\r\n\u0085\u2028\u2029`

// emoji is n characters of four bytes each: bounds count characters.
func emoji(n int) string { return strings.Repeat("😀", n) }

// credential is a list of one credential, as JSON, after a field was replaced or, by nothing, removed.
func credential(field, value string) string {
	return listOfOne("credentials", map[string]string{
		"revision": `1`, "state": `"Current"`, "hint": `"ak_0000…"`, "issuedAt": `"2026-11-01T00:00:00Z"`,
		"hash": `"v1:0000000000000000000000000000000000000000000000000000000000000000"`,
	}, field, value)
}

// condition is a list of one condition, likewise.
func condition(field, value string) string {
	return listOfOne("conditions", map[string]string{
		"type": `"Ready"`, "status": `"True"`, "reason": `"Active"`, "message": `""`, "observedGeneration": `1`,
		"lastTransitionTime": `"2026-11-01T00:00:00Z"`,
	}, field, value)
}

func listOfOne(list string, fields map[string]string, field, value string) string {
	fields[field] = value
	var members []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if fields[name] != "" {
			members = append(members, fmt.Sprintf("%q:%s", name, fields[name]))
		}
	}
	return fmt.Sprintf(`{%q:[{%s}]}`, list, strings.Join(members, ","))
}

// uglyValues are the values by the part of the ApiKey and a title. In metadata NAME stands for the name.
var uglyValues = map[string]map[string]uglyValue{
	"metadata": {
		"a name of 253 characters":                             {json: `{"name":"` + strings.Repeat("n", 253) + `"}`},
		"a name of 127 labels":                                 {json: `{"name":"` + strings.Repeat("n.", 126) + `n"}`},
		"a name of digits":                                     {json: `{"name":"0000"}`},
		"a name that reads as a number":                        {json: `{"name":"1e5"}`},
		"a name that reads as a truth":                         {json: `{"name":"true"}`},
		"annotations of 256 KiB, with who asked":               {json: `{"name":"NAME","annotations":{"a":"` + emoji(65_518) + `"}}`},
		"a last applied configuration that is not JSON":        {json: `{"name":"NAME","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{` + controlText + uglyText + `"}}`},
		"annotations of our own domain":                        {json: `{"name":"NAME","annotations":{"apikey-operator.dev/revision":"-1","apikey-operator.dev/":null}}`, wantRefused: "name part must be non-empty"},
		"an annotation that is null":                           {json: `{"name":"NAME","annotations":{"apikey-operator.dev/revision":null}}`},
		"an annotation that is a number":                       {json: `{"name":"NAME","annotations":{"a":1}}`, wantRefused: "cannot unmarshal number"},
		"labels that are empty or null":                        {json: `{"name":"NAME","labels":{"a":"","b":null}}`},
		"a finalizer that nobody serves":                       {json: `{"name":"NAME","finalizers":["nobody.example/serves-this"]}`},
		"an owner that does not exist":                         {json: `{"name":"NAME","ownerReferences":[{"apiVersion":"no.such/v9","kind":"Nothing","name":"x","uid":"not a uid","controller":true,"blockOwnerDeletion":true}]}`},
		"managed fields of another API":                        {json: `{"name":"NAME","managedFields":[{"manager":"\u0000","operation":"Apply","apiVersion":"no.such/v9","fieldsType":"FieldsV1","fieldsV1":{"f:x":{}},"time":"2026-11-01T00:00:00Z"}]}`},
		"a uid, generation and times that are not its to give": {json: `{"name":"NAME","uid":"mine","generation":1e2,"creationTimestamp":"1970-01-01T00:00:00Z","deletionTimestamp":"1970-01-01T00:00:00Z","deletionGracePeriodSeconds":-1,"selfLink":"/"}`},
		"a creation time that is null":                         {json: `{"name":"NAME","creationTimestamp":null}`},
		"a creation time in words":                             {json: `{"name":"NAME","creationTimestamp":"2 weeks"}`, wantRefused: "cannot parse"},
		"a creation time that is a list":                       {json: `{"name":"NAME","creationTimestamp":[]}`, wantRefused: "cannot unmarshal array"},
		"a deletion time in lower case":                        {json: `{"name":"NAME","deletionTimestamp":"2026-11-01t00:00:00z"}`, wantRefused: "cannot parse"},
		"a generation beyond 64 bits":                          {json: `{"name":"NAME","generation":1e300}`, wantRefused: "cannot unmarshal number"},
	},
	"spec": {
		"nothing":                                               {json: `{}`},
		"every field null":                                      {json: `{"displayName":null,"description":null,"owner":null,"tenant":null,"permissions":null,"scopes":null,"expiresAt":null,"suspended":null,"revoked":null,"revision":null,"minRevision":null,"rotation":null,"format":null,"secret":null,"source":null}`},
		"every member null":                                     {json: `{"format":{"prefix":null,"bytes":null},"secret":{"name":null,"key":null,"labels":null,"annotations":null,"type":null,"data":null,"deleteAfter":null},"scopes":{"category":null},"rotation":{"every":null,"schedule":null,"timeZone":null,"gracePeriod":null}}`},
		"empty lists, objects and texts":                        {json: `{"displayName":"","description":"","owner":"","permissions":[],"scopes":{},"format":{},"secret":{"name":"","labels":{},"annotations":{},"data":{}},"rotation":{}}`},
		"fields that do not exist":                              {json: `{"nonsense":{"a":[{"b":null}]},"secret":{"nonsense":1},"Revoked":true}`},
		"fields given twice":                                    {json: `{"tenant":"first","tenant":"second","scopes":{"a":["x"],"a":["y"]},"revoked":true,"revoked":false}`},
		"texts of the greatest length":                          {json: `{"displayName":"` + emoji(128) + `","owner":"` + emoji(128) + `","description":"` + emoji(1024) + `"}`},
		"texts that terminals choke on":                         {json: `{"displayName":"` + uglyText + `","owner":"` + uglyText + `","description":"` + uglyText + controlText + `"}`},
		"a display name with control characters":                {json: `{"displayName":"` + controlText + `"}`, wantRefused: "must not contain control characters"},
		"a tenant of the greatest length":                       {json: `{"tenant":"` + strings.Repeat("T", 63) + `"}`},
		"a tenant that reads as a number":                       {json: `{"tenant":"0x1.8p3"}`},
		"a tenant with an unpaired surrogate":                   {json: `{"tenant":"a\ud800"}`, wantRefused: "spec.tenant"},
		"permissions of punctuation":                            {json: `{"permissions":["-","_","--:__.-","*","-.*"]}`},
		"a permission of 32 segments":                           {json: `{"permissions":["` + strings.Repeat("a:", 31) + `*"]}`},
		"64 permissions":                                        {json: permissions(numbered(64, 30)...)},
		"identity headers that just fit":                        {json: permissions(append(numbered(36, 64), strings.Repeat("p", 64))...)},
		"scopes at all their bounds":                            {json: `{"scopes":{"` + strings.Repeat("9", 32) + `":` + asJSON(numbered(16, 63)) + `,"a_.-":["0","A._:/@-"],"c":["x"],"d":["x"],"e":["x"],"f":["x"],"g":["x"],"h":["x"]}}`},
		"a scope named as what objects inherit":                 {json: `{"scopes":{"constructor":["x"],"hasownproperty":["x"]}}`},
		"a time of nine digits and the largest offset":          {json: `{"expiresAt":"2199-12-30T23:59:59.999999999-23:59"}`},
		"the first time":                                        {json: `{"expiresAt":"2000-01-01T00:00:00Z"}`},
		"the last time":                                         {json: `{"expiresAt":"2199-12-31T23:59:59.999999999Z"}`},
		"an unknown offset, which RFC 3339 writes -00:00":       {json: `{"expiresAt":"2027-01-10T23:59:59-00:00"}`},
		"a time with lower-case letters":                        {json: `{"expiresAt":"2027-01-10t23:59:59z"}`, wantRefused: "spec.expiresAt"},
		"a time that is an empty list":                          {json: `{"expiresAt":[]}`, wantRefused: "spec.expiresAt"},
		"a time that is a list of objects":                      {json: `{"expiresAt":[{"a":1}]}`, wantRefused: "spec.expiresAt"},
		"a time in words":                                       {json: `{"expiresAt":"2 weeks"}`, wantRefused: "spec.expiresAt"},
		"bytes with a fraction of zero":                         {json: `{"format":{"bytes":32.0}}`},
		"bytes with an exponent":                                {json: `{"format":{"bytes":3.2e1}}`},
		"bytes with a fraction that floats cannot hold":         {json: `{"format":{"bytes":64.00000000000000000000000000000000000001}}`},
		"bytes beyond what floats hold":                         {json: `{"format":{"bytes":1e400}}`, wantRefused: "cannot unmarshal number 1e400"},
		"bytes that wrap round to 32":                           {json: `{"format":{"bytes":4294967328}}`, wantRefused: "spec.format.bytes"},
		"the longest prefix, shortest key":                      {json: `{"format":{"prefix":"` + strings.Repeat("k", 24) + `","bytes":24}}`},
		"a prefix that ends in what separates":                  {json: `{"format":{"prefix":"k-_-_","bytes":64}}`},
		"a Secret's name and key of 253 characters":             {json: `{"secret":{"name":"` + strings.Repeat("s.", 126) + `s","key":"` + strings.Repeat("K", 253) + `"}}`},
		"a Secret's key that hides, or is an option":            {json: `{"secret":{"key":"-rf..."}}`},
		"revoked and suspended and expired at once":             {json: `{"revoked":true,"suspended":true,"expiresAt":"2000-01-01T00:00:00Z"}`},
		"a label, an annotation and a data entry that are null": {json: `{"secret":{"labels":{"team":null},"annotations":{"contact":null},"data":{".env":null}}}`},
		"the highest revisions":                                 {json: `{"revision":500000000,"minRevision":500000000}`},
		"a revision with an exponent":                           {json: `{"revision":5e8}`},
		"a revision without a next":                             {json: `{"revision":500000001}`, wantRefused: "spec.revision"},
		"an age in all three units":                             {json: `{"rotation":{"every":"2h24m0s"}}`},
		"an age in seconds with leading zeros":                  {json: `{"rotation":{"every":"000315360s"}}`},
		"an age of a list":                                      {json: `{"rotation":{"every":["1h"]}}`, wantRefused: "spec.rotation.every"},
		"an age in words":                                       {json: `{"rotation":{"every":"2 weeks"}}`, wantRefused: "spec.rotation.every"},
		"an age that 64 bits of nanoseconds do not hold":        {json: `{"rotation":{"every":"2562048h"}}`, wantRefused: "spec.rotation.every"},
		"a negative grace period":                               {json: `{"rotation":{"gracePeriod":"-1h"}}`, wantRefused: "spec.rotation.gracePeriod"},
		"no grace period":                                       {json: `{"rotation":{"every":"10m","gracePeriod":"0h0m0s"}}`},
		"a schedule that is none":                               {json: `{"rotation":{"schedule":"$(reboot) ` + "`" + `~\\\"' * * * *"}}`},
		"a schedule that never comes":                           {json: `{"rotation":{"schedule":"0 0 30 2 *"}}`},
		"a schedule that brings its own zone":                   {json: `{"rotation":{"schedule":"CRON_TZ=Nowhere 0 0 * * *","timeZone":"UTC"}}`},
		"a schedule that is due every minute":                   {json: `{"rotation":{"schedule":"* * * * *"}}`},
		"a time zone that does not exist":                       {json: `{"rotation":{"schedule":"@daily","timeZone":"Moon/Tycho"}}`},
		"a time zone in a directory above":                      {json: `{"rotation":{"schedule":"@daily","timeZone":"../../etc/passwd"}}`, wantRefused: "spec.rotation.timeZone"},
		"labels and annotations of the greatest length":         {json: `{"secret":{"labels":{"` + strings.Repeat("l", 63) + `":"` + strings.Repeat("v", 63) + `"},"annotations":{"` + strings.Repeat("a", 63) + `":"` + emoji(1024) + `"}}}`},
		"an annotation that terminals choke on":                 {json: `{"secret":{"annotations":{"contact":"` + uglyText + controlText + `"}}}`},
		"a label of Kubernetes' own":                            {json: `{"secret":{"labels":{"kubernetes.io/metadata.name":"x"}}}`, wantRefused: "spec.secret.labels"},
		"a type that mints a token":                             {json: `{"secret":{"type":"kubernetes.io/service-account-token","annotations":{"contact":"x"}}}`, wantRefused: "spec.secret.type"},
		"data that terminals choke on":                          {json: `{"secret":{"data":{".env":"` + uglyText + controlText + `$(KEY)"}}}`},
		"data of dollars":                                       {json: `{"secret":{"data":{".env":"$$$(KEY)$${KEY}$"}}}`},
		"data with a placeholder in a placeholder":              {json: `{"secret":{"data":{".env":"$(NA$(KEY)ME)"}}}`, wantRefused: "spec.secret.data"},
		"the shortest and the longest life of a Secret":         {json: `{"secret":{"deleteAfter":"10s"},"rotation":{"every":"87600h","gracePeriod":"8760h"}}`},
		"the hash of nothing":                                   {json: `{"source":{"hash":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}}`, wantRefused: "is the SHA-256 of nothing"},
		"a hash of zeros with a hint terminals choke on":        {json: `{"source":{"hash":{"sha256":"` + strings.Repeat("0", 64) + `","hint":"` + uglyText + `"}}}`},
		"a reference to an odd name":                            {json: `{"source":{"secretRef":{"name":"ugly","key":"-rf..."}}}`},
		"a source of two kinds":                                 {json: `{"source":{"hash":{"sha256":"` + strings.Repeat("0", 64) + `"},"secretRef":{"name":"x"}}}`, wantRefused: "exactly one"},
		"a truth in quotes":                                     {json: `{"revoked":"true"}`, wantRefused: "spec.revoked"},
	},
	"status": {
		"null":                                       {json: `null`},
		"nothing":                                    {json: `{}`},
		"every field null":                           {json: `{"observedGeneration":null,"state":null,"hint":null,"grant":null,"credentials":null,"secretRef":null,"lastRotationTime":null,"nextRotationTime":null,"conditions":null}`},
		"a rotation next at a list":                  {json: `{"nextRotationTime":["2027-01-10T23:59:59Z"]}`, wantRefused: "status.nextRotationTime"},
		"a rotation next before the last":            {json: `{"lastRotationTime":"2199-12-31T23:59:59.999999999Z","nextRotationTime":"2000-01-01T00:00:00Z"}`},
		"empty lists and objects":                    {json: `{"hint":"","grant":{"tenant":"","permissions":[],"scopes":{}},"credentials":[],"conditions":[]}`},
		"the greatest generation":                    {json: `{"observedGeneration":9223372036854775807}`},
		"a generation with an exponent":              {json: `{"observedGeneration":1e15}`},
		"a generation of minus zero":                 {json: `{"observedGeneration":-0.0}`},
		"a generation beyond 64 bits":                {json: `{"observedGeneration":9223372036854775808}`, wantRefused: "observedGeneration"},
		"a generation of half":                       {json: `{"observedGeneration":0.5}`, wantRefused: "observedGeneration"},
		"a state that does not exist":                {json: `{"state":"Dormant"}`, wantRefused: "status.state"},
		"an empty state":                             {json: `{"state":""}`, wantRefused: "status.state"},
		"a hint that terminals choke on":             {json: `{"hint":"` + uglyText + controlText + `"}`},
		"a hint of the greatest length":              {json: `{"hint":"` + emoji(64) + `"}`},
		"a grant of a tenant that is two headers":    {json: `{"grant":{"tenant":"acme\r\nX-Apikey-Name: other"}}`},
		"a grant of a tenant in emoji":               {json: `{"grant":{"tenant":"` + emoji(63) + `"}}`},
		"a grant of more than the headers hold":      {json: `{"grant":` + permissions(numbered(64, 64)...) + `}`},
		"a grant of a scope without a name":          {json: `{"grant":{"scopes":{"":["x"]}}}`},
		"a grant of a scope of separators":           {json: `{"grant":{"scopes":{"a=b|c;\r\nd":["x"]}}}`},
		"a grant of a scope of 100,000 characters":   {json: `{"grant":{"scopes":{"` + strings.Repeat("s", 100_000) + `":["x"]}}}`},
		"a grant of a null scope":                    {json: `{"grant":{"scopes":{"a":null}}}`},
		"a grant until nine digits of a second":      {json: `{"grant":{"expiresAt":"2027-01-10T23:59:59.999999999+23:59"}}`},
		"a grant until a list":                       {json: `{"grant":{"expiresAt":[]}}`, wantRefused: "status.grant.expiresAt"},
		"a credential of the highest revision":       {json: credential("revision", `1000000000`)},
		"a credential of a revision with a point":    {json: credential("revision", `1e9`)},
		"a credential of a revision without a next":  {json: credential("revision", `9223372036854775807`), wantRefused: "credentials[0].revision"},
		"a credential of revision 0":                 {json: credential("revision", `0`), wantRefused: "credentials[0].revision"},
		"a credential without a hash":                {json: credential("hash", ``), wantRefused: "credentials[0].hash"},
		"a credential with an empty hash":            {json: credential("hash", `""`), wantRefused: "credentials[0].hash"},
		"a credential with a hash of imports":        {json: credential("hash", `"sha256:`+strings.Repeat("0", 64)+`"`)},
		"a credential with a hash of another form":   {json: credential("hash", `"v2:`+strings.Repeat("0", 64)+`"`), wantRefused: "credentials[0].hash"},
		"a credential with a hash in capitals":       {json: credential("hash", `"v1:`+strings.Repeat("F", 64)+`"`), wantRefused: "credentials[0].hash"},
		"a credential with a hash that is too short": {json: credential("hash", `"v1:00"`), wantRefused: "credentials[0].hash"},
		"a credential with a hash and a line break":  {json: credential("hash", `"v1:`+strings.Repeat("0", 64)+`\n"`), wantRefused: "credentials[0].hash"},
		"a credential with a hash in emoji":          {json: credential("hash", `"`+emoji(71)+`"`), wantRefused: "credentials[0].hash"},
		"a credential published before its issue":    {json: credential("publishedAt", `"2000-01-01T00:00:00Z"`)},
		"a credential published at a list":           {json: credential("publishedAt", `[]`), wantRefused: "credentials[0].publishedAt"},
		"a credential issued for no known cause":     {json: credential("cause", `"Whim"`), wantRefused: "credentials[0].cause"},
		"a credential with an ugly hint":             {json: credential("hint", `"`+uglyText+controlText+`"`)},
		"a credential with an empty hint":            {json: credential("hint", `""`)},
		"a credential issued at the first time":      {json: credential("issuedAt", `"2000-01-01T00:00:00Z"`)},
		"a credential issued far in the future":      {json: credential("issuedAt", `"2199-12-31T23:59:59.999999999Z"`)},
		"a credential issued at a list":              {json: credential("issuedAt", `[]`), wantRefused: "credentials[0].issuedAt"},
		"a credential issued at Go's zero time":      {json: credential("issuedAt", `"0001-01-01T00:00:00Z"`), wantRefused: "credentials[0].issuedAt"},
		"a credential that ended before its issue":   {json: credential("notAfter", `"2000-01-01T00:00:00Z"`)},
		"a credential until a list":                  {json: credential("notAfter", `[1]`), wantRefused: "credentials[0].notAfter"},
		"a credential with a null end":               {json: credential("notAfter", `null`)},
		"a null among the credentials":               {json: `{"credentials":[null]}`, wantRefused: "credentials[0]"},
		"eight times the same current credential":    {json: strings.Replace(credential("", ""), "}]", "}"+strings.Repeat(","+strings.TrimSuffix(strings.TrimPrefix(credential("", ""), `{"credentials":[`), "]}"), 7)+"]", 1)},
		"a Secret's reference of empty texts":        {json: `{"secretRef":{"name":"","uid":"","resourceVersion":""}}`},
		"a Secret's reference to another namespace":  {json: `{"secretRef":{"name":"../../kube-system/secrets/x","uid":"` + controlText + `","resourceVersion":"not a number"}}`},
		"a Secret's reference in emoji":              {json: `{"secretRef":{"name":"` + emoji(253) + `","uid":"` + emoji(64) + `","resourceVersion":"` + emoji(64) + `"}}`},
		"a condition of another's domain":            {json: condition("type", `"example.com/Ready"`)},
		"a condition with the longest message":       {json: condition("message", `"`+emoji(32_768)+`"`)},
		"a condition with an ugly message":           {json: condition("message", `"`+uglyText+controlText+`"`)},
		"a condition with the longest reason":        {json: condition("reason", `"`+strings.Repeat("R", 1024)+`"`)},
		"a condition of the greatest generation":     {json: condition("observedGeneration", `9223372036854775807`)},
		"a condition of a generation beyond that":    {json: condition("observedGeneration", `9223372036854775808`), wantRefused: "conditions[0].observedGeneration"},
		"a condition since a comma and 13 digits":    {json: condition("lastTransitionTime", `"2026-11-01T00:00:00,1234567890123Z"`)},
		"a condition since an offset of 24 hours":    {json: condition("lastTransitionTime", `"2026-11-01T00:00:00+24:00"`)},
		"a condition since an offset of 99 hours":    {json: condition("lastTransitionTime", `"2026-11-01T00:00:00+99:99"`), wantRefused: "lastTransitionTime must be a time"},
		"a condition since lower-case letters":       {json: condition("lastTransitionTime", `"2026-11-01t00:00:00z"`), wantRefused: "lastTransitionTime must be a time"},
		"a condition since the year 0":               {json: condition("lastTransitionTime", `"0000-01-01T00:00:00Z"`), wantRefused: "lastTransitionTime must be a time"},
		"a condition since the year 9999":            {json: condition("lastTransitionTime", `"9999-12-31T23:59:59Z"`), wantRefused: "lastTransitionTime must be a time"},
		"a condition since a list":                   {json: condition("lastTransitionTime", `[]`), wantRefused: "lastTransitionTime must be a time"},
	},
}
