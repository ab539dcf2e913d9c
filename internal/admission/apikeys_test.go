package admission_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/apikey-operator/apikey-operator/internal/admission"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

const (
	digits   = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	imported = `{"permissions":["read"],"expiresAt":"2027-06-01T00:00:00Z","source":{"hash":{"sha256":"` + digits + `"}}}`
	taken    = "another ApiKey has the same key, and its claim comes first: use another key here"
)

func TestAnApiKeyIsRefusedInTheWordsOfItsCondition(t *testing.T) {
	cases := map[string]struct {
		desk        *desk
		spec        string
		wantCode    int32
		wantReason  string
		wantMessage string
	}{
		"by policy": {
			&desk{cached: judge{verdict: refusal("PermissionNotAllowed")}, live: judge{verdict: refusal("PermissionNotAllowed")}},
			wise, 403, "Forbidden", refusedText,
		},
		"by policy, for several reasons": {
			&desk{cached: judge{verdict: refusal("PermissionNotAllowed", "TenantRequired")}, live: judge{verdict: refusal("PermissionNotAllowed", "TenantRequired")}},
			wise, 403, "Forbidden", refusedText + `; spec.permissions: "x" is not allowed, only read`,
		},
		"as a duplicate": {
			&desk{cached: judge{verdict: admitted()}, live: judge{verdict: admitted()}, known: duplicates{message: taken}, confirmed: duplicates{message: taken}},
			imported, 422, "Invalid", "DuplicateKey: " + taken,
		},
		"for its rotation": {
			&desk{cached: judge{verdict: admitted()}, rotation: errors.New(`spec.rotation.timeZone "Europe/Atlantis" is not known`)},
			wise, 422, "Invalid", `InvalidSchedule: spec.rotation.timeZone "Europe/Atlantis" is not known`,
		},
		"by policy and for its rotation at once": {
			&desk{cached: judge{verdict: refusal("PermissionNotAllowed")}, live: judge{verdict: refusal("PermissionNotAllowed")}, rotation: errors.New("spec.rotation.schedule never comes")},
			wise, 403, "Forbidden", refusedText + "\nInvalidSchedule: spec.rotation.schedule never comes",
		},
		"as a duplicate and for its rotation at once": {
			&desk{cached: judge{verdict: admitted()}, live: judge{verdict: admitted()}, known: duplicates{message: taken}, confirmed: duplicates{message: taken}, rotation: errors.New("no")},
			imported, 422, "Invalid", "DuplicateKey: " + taken + "\nInvalidSchedule: no",
		},
		"where it cannot be read": {
			&desk{}, `{"expiresAt":"in two weeks"}`, 422, "Invalid",
			`ApiKeyUnreadable: this version cannot read the ApiKey, so nothing would be granted: correct it: parsing time "in two weeks" as "2006-01-02T15:04:05Z07:00": cannot parse "in two weeks" as "2006"`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := c.desk.open()
			answer := d.ask(t, admission.ValidateApiKeyPath, create(apiKey(c.spec)))
			if answer.Allowed {
				t.Fatal("it is allowed")
			}
			equal(t, "the code", answer.Result.Code, c.wantCode)
			equal(t, "the reason", string(answer.Result.Reason), c.wantReason)
			equal(t, "the message", answer.Result.Message, c.wantMessage)
			if diff := cmp.Diff(map[string]int{"refused": 1}, d.answers(t, admission.ValidateApiKeyPath)); diff != "" {
				t.Errorf("the count differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAnUpdateIsHeldUpOnlyByWhatItChanges updates an ApiKey that nothing speaks for any more: policy refuses it, its
// schedule is bad, and its key is that of another.
func TestAnUpdateIsHeldUpOnlyByWhatItChanges(t *testing.T) {
	const (
		notGranted = "stored, but nothing is granted: " + refusedText
		notRotated = "stored, but not rotated by the clock: InvalidSchedule: bad"
	)
	cases := map[string]struct {
		before, after string
		wantRefused   bool
		wantWarnings  []string
	}{
		"labels":             {apiKey(wise), strings.Replace(apiKey(wise), `"name"`, `"labels":{"a":"b"},"name"`, 1), false, nil},
		"a finalizer":        {strings.Replace(apiKey(wise), `"name"`, `"finalizers":["a/b"],"name"`, 1), apiKey(wise), false, nil},
		"suspending":         {apiKey(`{"permissions":["x"]}`), apiKey(`{"permissions":["x"],"suspended":true}`), false, []string{notGranted, notRotated}},
		"resuming":           {apiKey(`{"suspended":true}`), apiKey(`{}`), false, []string{notGranted, notRotated}},
		"revoking":           {apiKey(`{"permissions":["x"]}`), apiKey(`{"permissions":["x"],"revoked":true}`), false, nil},
		"revoking, and more": {apiKey(`{"permissions":["x"]}`), apiKey(`{"permissions":["x","y"],"revoked":true}`), false, nil},
		"stopping revisions": {apiKey(`{"minRevision":1}`), apiKey(`{"minRevision":2}`), false, []string{notGranted, notRotated}},
		"another owner":      {apiKey(`{"owner":"a"}`), apiKey(`{"owner":"b"}`), false, []string{notGranted, notRotated}},
		"another Secret":     {apiKey(`{}`), apiKey(`{"secret":{"labels":{"a":"b"}}}`), false, []string{notGranted, notRotated}},
		"the same in other words": {
			apiKey(`{"expiresAt":"2027-06-01T02:00:00+02:00","rotation":{"every":"60m"}}`),
			apiKey(`{"expiresAt":"2027-06-01T00:00:00Z","rotation":{"every":"1h"}}`), false, []string{notGranted, notRotated},
		},
		"suspending what cannot be read": {apiKey(`{"expiresAt":"soon"}`), apiKey(`{"expiresAt":"soon","suspended":true}`), false,
			[]string{`ApiKeyUnreadable: this version cannot read the ApiKey, so nothing would be granted: correct it: parsing time "soon" as "2006-01-02T15:04:05Z07:00": cannot parse "soon" as "2006"`}},
		"a label on what cannot be read": {apiKey(`{"expiresAt":"soon"}`), strings.Replace(apiKey(`{"expiresAt":"soon"}`), `"name"`, `"labels":{"a":"b"},"name"`, 1), false, nil},
		"an end":                         {apiKey(wise), strings.Replace(apiKey(`{"permissions":["*"]}`), `"name"`, `"deletionTimestamp":"2027-01-10T12:00:00Z","name"`, 1), false, nil},

		"permissions":    {apiKey(`{}`), apiKey(`{"permissions":["read"]}`), true, nil},
		"a tenant":       {apiKey(`{"tenant":"acme"}`), apiKey(`{"tenant":"umbrella"}`), true, nil},
		"no tenant":      {apiKey(`{"tenant":"acme"}`), apiKey(`{}`), true, nil},
		"scopes":         {apiKey(`{"scopes":{"a":["b"]}}`), apiKey(`{"scopes":{"a":["c"]}}`), true, nil},
		"the expiry":     {apiKey(`{}`), apiKey(`{"expiresAt":"2027-06-01T00:00:00Z"}`), true, nil},
		"the rotation":   {apiKey(`{}`), apiKey(`{"rotation":{"every":"720h"}}`), true, nil},
		"the rate limit": {apiKey(`{}`), apiKey(`{"rateLimit":{"requests":1,"period":"1s"}}`), true, nil},
		"networks": {apiKey(`{}`), apiKey(`{"allowedCIDRs":["203.0.113.0/24","::/0"]}`), false, []string{notGranted, notRotated,
			"spec.allowedCIDRs holds ::/0, which is every address of its kind: list the networks that the key is used from"}},
		"the format":                {apiKey(`{}`), apiKey(`{"format":{"bytes":64}}`), true, nil},
		"the source":                {apiKey(imported), apiKey(strings.Replace(imported, "9f", "00", 1)), true, nil},
		"what cannot be read":       {apiKey(wise), apiKey(`{"expiresAt":"soon"}`), true, nil},
		"what could not be read":    {apiKey(`{"expiresAt":"soon"}`), apiKey(wise), true, nil},
		"suspending, and something": {apiKey(`{}`), apiKey(`{"suspended":true,"permissions":["x"]}`), true, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := agreed(refusal("PermissionNotAllowed"))
			d.rotation = errors.New("bad")
			d.open()
			answer := d.ask(t, admission.ValidateApiKeyPath, update(c.before, c.after))
			equal(t, "the refusal", !answer.Allowed, c.wantRefused)
			if diff := cmp.Diff(c.wantWarnings, answer.Warnings); diff != "" {
				t.Errorf("the warnings differ (-want +got):\n%s", diff)
			}
			if answer.Allowed && d.live.asked > 0 {
				t.Error("the API server was asked, and nothing hung on it")
			}
		})
	}
}

func TestWhatStoodBeforeIsAWarningBesideAnotherChange(t *testing.T) {
	d := agreed(admitted())
	d.rotation, d.known.message, d.confirmed.message = errors.New("bad"), taken, taken
	d.open()
	before := `{"permissions":["read"],"expiresAt":"2027-06-01T00:00:00Z","rotation":{"schedule":"x"},"source":{"hash":{"sha256":"` + digits + `"}}}`
	answer := d.ask(t, admission.ValidateApiKeyPath, update(apiKey(before), apiKey(strings.Replace(before, `"read"`, `"write"`, 1))))
	equal(t, "the answer", answer.Allowed, true)
	if diff := cmp.Diff([]string{"InvalidSchedule: bad"}, answer.Warnings); diff != "" {
		t.Errorf("the warnings differ (-want +got):\n%s", diff)
	}
}

// TestOnlyALiveLookRefuses has caches that lag behind.
func TestOnlyALiveLookRefuses(t *testing.T) {
	broken := errors.New("the namespace is not known")
	no := refusal("PermissionNotAllowed")
	cases := map[string]struct {
		desk        desk
		wantAllowed bool
		wantFailed  bool
		wantLive    int
	}{
		"what the caches admit is not asked about again": {desk{cached: judge{verdict: admitted()}, live: judge{verdict: no}}, true, false, 0},
		"what the caches refuse is admitted live":        {desk{cached: judge{verdict: no}, live: judge{verdict: admitted()}}, true, false, 1},
		"what the caches do not know is admitted live":   {desk{cached: judge{err: broken}, live: judge{verdict: admitted()}}, true, false, 1},
		"what the caches do not know is refused live":    {desk{cached: judge{err: broken}, live: judge{verdict: no}}, false, false, 1},
		"both refuse": {desk{cached: judge{verdict: no}, live: judge{verdict: no}}, false, false, 1},
		"a refusal stands where nothing can be read live":     {desk{cached: judge{verdict: no}, live: judge{err: broken}}, false, false, 1},
		"where nothing can be read at all there is no answer": {desk{cached: judge{err: broken}, live: judge{err: broken}}, false, true, 1},
		"beyond the limit a refusal stands":                   {desk{cached: judge{verdict: no}, live: judge{verdict: admitted()}, liveLooks: -1}, false, false, 0},
		"beyond the limit there is no answer without caches":  {desk{cached: judge{err: broken}, live: judge{verdict: admitted()}, liveLooks: -1}, false, true, 0},
		"a duplicate that is gone":                            {desk{cached: judge{verdict: admitted()}, live: judge{verdict: admitted()}, known: duplicates{message: taken}}, true, false, 1},
		"duplicates that cannot be looked for": {desk{cached: judge{verdict: admitted()}, live: judge{verdict: admitted()},
			known: duplicates{err: broken}, confirmed: duplicates{err: broken}}, false, true, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := c.desk.open()
			if c.wantFailed {
				text := d.fail(t, admission.ValidateApiKeyPath, create(apiKey(imported)))
				if strings.Contains(text, broken.Error()) {
					t.Errorf("the requester is told of the manager's troubles: %s", text)
				}
			} else {
				equal(t, "the answer", d.ask(t, admission.ValidateApiKeyPath, create(apiKey(imported))).Allowed, c.wantAllowed)
			}
			equal(t, "the number of live looks", d.live.asked, c.wantLive)
		})
	}
}

func TestWhoeverMayNotImportIsNotToldWhetherAKeyIsKnown(t *testing.T) {
	d := agreed(refusal("ImportNotAllowed"))
	d.known.message, d.confirmed.message = taken, taken
	answer := d.ask(t, admission.ValidateApiKeyPath, create(apiKey(imported)))
	equal(t, "the number of searches", d.known.asked+d.confirmed.asked, 0)
	if strings.Contains(answer.Result.Message, "Duplicate") {
		t.Errorf("the message is %q", answer.Result.Message)
	}
}

func TestAnApiKeyIsJudgedWhereItWillLive(t *testing.T) {
	d := agreed(admitted())
	r := create(`{"metadata":{"generateName":"k-"},"spec":` + wise + `,"status":{"credentials":"nonsense"}}`)
	d.ask(t, admission.ValidateApiKeyPath, r)
	equal(t, "the namespace", d.cached.about.Namespace, "phoenix")
}

func TestThatPolicyCannotBeAskedKeepsNobodyFromSuspendingAKey(t *testing.T) {
	d := (&desk{cached: judge{err: errors.New("no")}, live: judge{err: errors.New("no")}}).open()
	answer := d.ask(t, admission.ValidateApiKeyPath, update(apiKey(wise), apiKey(strings.Replace(wise, "{", `{"suspended":true,`, 1))))
	equal(t, "the answer", answer.Allowed, true)
}

func TestOtherRequestsPass(t *testing.T) {
	d := agreed(refusal("PermissionNotAllowed"))
	deletion := request(admissionv1.Delete, apiKey(wise), "")
	status := update(apiKey(`{}`), apiKey(`{"permissions":["x"]}`))
	status.SubResource = "status"
	for name, r := range map[string]*admissionv1.AdmissionRequest{"a deletion": deletion, "a status": status} {
		equal(t, name, d.ask(t, admission.ValidateApiKeyPath, r).Allowed, true)
	}
}

func TestWhatIsAcceptedAndUnwiseIsWarnedOf(t *testing.T) {
	with := func(more string) string { return strings.Replace(wise, "{", "{"+more+",", 1) }
	const (
		endless     = "spec.expiresAt is absent, so the key never expires: give the time until which it is needed"
		unlimited   = `spec.permissions holds "*", which allows everything, also what comes to be later: list what the key needs`
		unrotated   = "spec.rotation names no time, so the key is never replaced by itself: give spec.rotation.every, such as 2160h"
		everywhere4 = "spec.allowedCIDRs holds 0.0.0.0/0, which is every address of its kind: list the networks that the key is used from"
		everywhere6 = "spec.allowedCIDRs holds ::/0, which is every address of its kind: list the networks that the key is used from"
	)
	cases := map[string]struct {
		spec string
		want []string
	}{
		"what is wise":           {wise, nil},
		"on a schedule":          {`{"expiresAt":"2027-06-01T00:00:00Z","rotation":{"schedule":"@monthly"}}`, nil},
		"nothing at all":         {`{}`, []string{endless, unrotated}},
		"only a grace period":    {`{"expiresAt":"2027-06-01T00:00:00Z","rotation":{"gracePeriod":"1h"}}`, []string{unrotated}},
		"everything":             {strings.Replace(wise, `"read"`, `"read","*"`, 1), []string{unlimited}},
		"everything of one kind": {strings.Replace(wise, `"read"`, `"payments:*"`, 1), nil},
		"a grace of a week":      {strings.Replace(wise, `"720h"`, `"720h","gracePeriod":"168h"`, 1), nil},
		"a longer grace": {strings.Replace(wise, `"720h"`, `"720h","gracePeriod":"169h"`, 1),
			[]string{"spec.rotation.gracePeriod is 169h0m0s, and so long a replaced key goes on working, also one that has leaked: at most 168h is enough for consumers that reload"}},
		"from everywhere": {with(`"allowedCIDRs":["203.0.113.0/24","0.0.0.0/0","::/0"]`), []string{everywhere4, everywhere6}},
		"imported":        {imported, nil},
		"referenced":      {`{"expiresAt":"2027-06-01T00:00:00Z","source":{"secretRef":{"name":"vault"}}}`, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := agreed(admitted())
			answer := d.ask(t, admission.ValidateApiKeyPath, create(apiKey(c.spec)))
			equal(t, "the answer", answer.Allowed, true)
			if diff := cmp.Diff(c.want, answer.Warnings); diff != "" {
				t.Errorf("the warnings differ (-want +got):\n%s", diff)
			}
			for _, warning := range answer.Warnings {
				if len(warning) > 256 {
					t.Errorf("the API server may cut %q", warning)
				}
			}
		})
	}
}

func TestPoliciesThatOnlyWarnAreHeard(t *testing.T) {
	verdict := admitted()
	verdict.Warnings = []policy.Finding{refusal("PermissionNotAllowed").Refusal}
	d := agreed(verdict)
	answer := d.ask(t, admission.ValidateApiKeyPath, create(apiKey(wise)))
	if diff := cmp.Diff([]string{"reported and not refused: " + refusedText}, answer.Warnings); diff != "" {
		t.Errorf("the warnings differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"warned": 1}, d.answers(t, admission.ValidateApiKeyPath)); diff != "" {
		t.Errorf("the count differs (-want +got):\n%s", diff)
	}
}

func TestAWarningMoreThanFitsIsCounted(t *testing.T) {
	verdict := admitted()
	for range 20 {
		verdict.Warnings = append(verdict.Warnings, refusal("PermissionNotAllowed").Refusal)
	}
	answer := agreed(verdict).ask(t, admission.ValidateApiKeyPath, create(apiKey(wise)))
	equal(t, "the number of warnings", len(answer.Warnings), 16)
	equal(t, "the last", answer.Warnings[15], "and 5 more warnings")
}

// TestNothingThatASenderWritesBreaksOutOfAMessage sends what a terminal or a header would obey.
func TestNothingThatASenderWritesBreaksOutOfAMessage(t *testing.T) {
	ugly := "a\x1b[31m\r\nWarning: 299\u2028\u202e" + strings.Repeat("ä", 5000)
	no := refusal("PermissionNotAllowed")
	no.Refusal.Reasons[0].Text = ugly
	answer := agreed(no).ask(t, admission.ValidateApiKeyPath, create(apiKey(wise)))
	checkPlain(t, answer.Result.Message, 1024)

	yes := admitted()
	yes.Warnings = []policy.Finding{no.Refusal}
	for _, warning := range agreed(yes).ask(t, admission.ValidateApiKeyPath, create(apiKey(wise))).Warnings {
		checkPlain(t, warning, 256)
	}
}

func checkPlain(t *testing.T, text string, most int) {
	t.Helper()
	if n := len([]rune(text)); n > most {
		t.Errorf("%d characters are told, want at most %d", n, most)
	}
	if strings.ContainsAny(text, "\x1b\r\n\u2028\u202e") {
		t.Errorf("%q is told", text)
	}
}

func TestAHashIsToldNowhere(t *testing.T) {
	for name, d := range map[string]*desk{
		"refused":   agreed(refusal("ImportNotAllowed")),
		"accepted":  agreed(admitted()),
		"duplicate": (&desk{cached: judge{verdict: admitted()}, live: judge{verdict: admitted()}, known: duplicates{message: taken}, confirmed: duplicates{message: taken}}).open(),
	} {
		t.Run(name, func(t *testing.T) {
			if body := d.post(t, admission.ValidateApiKeyPath, review(t, create(apiKey(imported)))).Body.String(); strings.Contains(body, digits[:8]) {
				t.Errorf("the answer is %s", body)
			}
		})
	}
	undecodable := strings.Replace(imported, `"`+digits+`"`, `["`+digits+`"]`, 1)
	if body := agreed(admitted()).post(t, admission.ValidateApiKeyPath, review(t, create(apiKey(undecodable)))).Body.String(); strings.Contains(body, digits[:8]) {
		t.Errorf("the answer is %s", body)
	}
}
