package apikey

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/controllers/apispec"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
	"github.com/apikey-operator/apikey-operator/internal/policy"
)

// situation is what the conditions are computed from.
type situation struct {
	key     *v1alpha1.ApiKey
	plan    lifecycle.Plan
	state   v1alpha1.ApiKeyState
	failure error // of a write of the Secret
	invalid error // of what the spec asks for
	verdict policy.Verdict
}

// dead says whether the key is past mending: nothing is issued for it any more.
func (s situation) dead() bool {
	return s.state == v1alpha1.StateRevoked || s.plan.Expired
}

// current is the current credential, if there is one.
func (s situation) current() (lifecycle.Credential, bool) {
	return lifecycle.FindCurrent(s.plan.Credentials)
}

// settled says whether the current credential is where it shall be, and nothing is under way.
func (s situation) settled() bool {
	_, issued := s.current()
	return issued && s.plan.Action == lifecycle.Settle && s.failure == nil
}

// satisfied says whether the current credential has the revision that the spec asks for.
func (s situation) satisfied() bool {
	current, issued := s.current()
	return issued && current.Revision >= max(s.key.Spec.Revision, s.key.Spec.MinRevision)
}

// rotating says whether another credential is under way only since it is time: until then all is as it shall be.
func (s situation) rotating() bool {
	return s.satisfied() && s.failure == nil && slices.ContainsFunc(s.plan.Credentials, func(c lifecycle.Credential) bool {
		return c.State == lifecycle.Pending && c.RetiredAt.IsZero() && c.Cause == lifecycle.Rotated
	})
}

// trouble is why something is not as it shall be, with the way out. It stalls what waits for it, unless it is
// likely to pass by itself.
type trouble struct {
	reason, message string
	passes          bool
}

// blocks are the troubles that keep a credential from being published or taken over; %s is the Secret.
var blocks = map[lifecycle.Block]trouble{
	lifecycle.BlockedForeign: {reason: v1alpha1.ReasonSecretConflict,
		message: "Secret %s exists and does not belong to this ApiKey: remove or rename that Secret, or create an ApiKey with another spec.secret.name; or, if it is this ApiKey's own and came back from a backup, run the manager with --restore-mode"},
	lifecycle.BlockedPredecessor: {reason: v1alpha1.ReasonSecretConflict,
		message: "Secret %s still belongs to an earlier ApiKey of this name: it goes when the garbage collector comes by; or remove it; or, after a restore from a backup, run the manager with --restore-mode"},
	lifecycle.BlockedImmutable: {reason: v1alpha1.ReasonSecretImmutable,
		message: "Secret %s is immutable, so no new credential can be put there: delete it, and it is made anew with a new credential"},
	lifecycle.BlockedSourceAbsent: {reason: v1alpha1.ReasonSecretNotFound, passes: true,
		message: "Secret %s does not exist or lacks the data key that spec.source.secretRef names: it is taken over when it appears"},
	lifecycle.BlockedSourceNotOffered: {reason: v1alpha1.ReasonSecretNotOffered,
		message: "Secret %s is not offered to ApiKeys: whoever manages it must label it " + v1alpha1.KeySourceLabel + `: "true"`},
	lifecycle.BlockedSourceDead: {reason: v1alpha1.ReasonExpired,
		message: "the key that spec.source names expired and never works again: give another one"},
}

// denials are the troubles of what is not granted, those by policy apart; %d is the least number of characters.
var denials = map[lifecycle.Denial]trouble{
	lifecycle.DeniedDuplicate: {reason: v1alpha1.ReasonDuplicateKey,
		message: "another ApiKey has the same key, and its claim comes first: use another key here"},
	lifecycle.DeniedWeak: {reason: v1alpha1.ReasonWeakKey,
		message: "Secret %s holds a key that could be guessed: give it at least %d characters, 8 of them different, and best 32 random bytes"},
	lifecycle.DeniedShort: {reason: v1alpha1.ReasonWeakKey,
		message: "Secret %s holds a key of fewer than %d characters, which policy demands by now: give it a longer one, best 32 random bytes"},
	lifecycle.DeniedMalformed: {reason: v1alpha1.ReasonMalformedKey,
		message: "Secret %s holds what no request can carry as a key: store 20 to 512 printable ASCII characters, without spaces and without a line break at the end"},
}

// about puts the Secret into a message.
func (t trouble) about(secret string) trouble {
	t.message = strings.ReplaceAll(t.message, "%s", secret)
	return t
}

// denial is why what is asked for is not granted.
func (s situation) denial() (trouble, bool) {
	if s.plan.Denied == lifecycle.DeniedByPolicy {
		refusal := s.verdict.Refusal
		t := trouble{reason: string(refusal.Code()), message: refusal.String()}
		if s.invalid != nil { // it may be why the key counts as not rotated
			t.message += "; " + s.invalid.Error()
		}
		return t, true
	}
	if s.plan.Denied == lifecycle.DeniedOverdue {
		return s.overdue(), true
	}
	t, found := denials[s.plan.Denied]
	t.message = strings.ReplaceAll(t.message, "%d", strconv.Itoa(max(keys.MinImportedLen, s.verdict.Format.Bytes)))
	return t.about(secretOf(s.key)), found
}

// overdue is why a credential that should have been replaced counts for nothing.
func (s situation) overdue() trouble {
	why := "its Secret cannot be written"
	if block, found := blocks[s.plan.Blocked]; found {
		why = block.about(secretOf(s.key)).message
	} else if s.failure != nil {
		why = s.failure.Error()
	}
	return trouble{reason: v1alpha1.ReasonRotationOverdue, message: fmt.Sprintf(
		"policy %s demands a rotation every %s, and the current credential, which is older, cannot be replaced: %s", s.verdict.Policy, s.verdict.MaxEvery, why)}
}

// trouble is the first of what is wrong.
func (s situation) trouble() (trouble, bool) {
	if s.dead() {
		return trouble{}, false
	}
	if t, found := s.denial(); found {
		return t, true
	}
	if t, found := blocks[s.plan.Blocked]; found {
		return t.about(secretOf(s.key)), true
	}
	current, issued := s.current()
	switch {
	case issued && current.Revision < s.key.Spec.MinRevision && apispec.SourceOf(s.key).Kind != lifecycle.Generated:
		return trouble{reason: v1alpha1.ReasonBelowMinRevision, message: fmt.Sprintf(
			"the key that spec.source names has revision %d, which spec.minRevision stops: give another key", current.Revision)}, true
	case s.invalid != nil:
		return trouble{reason: v1alpha1.ReasonInvalidSchedule, message: s.invalid.Error()}, true
	case s.failure != nil:
		return trouble{reason: v1alpha1.ReasonPublishFailed, message: s.failure.Error(), passes: true}, true
	case s.plan.ClockHeld:
		return trouble{reason: v1alpha1.ReasonClockSkew, passes: true,
			message: "something is due by the manager's clock or by the API server's, but not by both, and they are more than " +
				lifecycle.ClockTolerance.String() + " apart: correct the one that is wrong"}, true
	case s.plan.Undecided:
		return trouble{reason: v1alpha1.ReasonIssuing, passes: true,
			message: "spec.expiresAt was changed at the very time at which the key was to expire: in a moment it is known whether it had"}, true
	}
	return trouble{}, false
}

// ending is the reason and message of a key that does not work because of what its spec says.
func (s situation) ending() (reason, message string, ok bool) {
	switch s.state {
	case v1alpha1.StateRevoked:
		return v1alpha1.ReasonRevoked, "the key was revoked and never works again", true
	case v1alpha1.StateExpired:
		return v1alpha1.ReasonExpired, "the key expired; what was issued so far never works again", true
	case v1alpha1.StateSuspended:
		return v1alpha1.ReasonSuspended, "the key is suspended: unset spec.suspended to resume it", true
	}
	return "", "", false
}

// issuing is the reason and message while a credential is on its way.
func (s situation) issuing() (reason, message string) {
	if s.rotating() {
		return v1alpha1.ReasonRotating, "a credential that is to replace the current one is being issued"
	}
	return v1alpha1.ReasonIssuing, "a credential is being issued"
}

func ready(s situation) metav1.Condition {
	if t, ok := s.trouble(); ok {
		return condition(v1alpha1.ConditionReady, metav1.ConditionFalse, t.reason, t.message)
	}
	if !s.dead() && !s.settled() && !s.rotating() {
		reason, message := s.issuing()
		return condition(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
	}
	if reason, message, ok := s.ending(); ok {
		return condition(v1alpha1.ConditionReady, metav1.ConditionTrue, reason, message)
	}
	return condition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonActive, s.whereabouts())
}

// whereabouts says where the key of a settled ApiKey is.
func (s situation) whereabouts() string {
	switch source := apispec.SourceOf(s.key); {
	case source.Kind == lifecycle.FromHash:
		return "the imported key is in force"
	case s.plan.Concealed:
		return "the credential is in force; its Secret was removed after spec.secret.deleteAfter"
	default:
		return "Secret " + secretOf(s.key) + " holds the current credential"
	}
}

func usable(s situation) metav1.Condition {
	current, issued := s.current()
	switch reason, message, ended := s.ending(); {
	case ended:
		return condition(v1alpha1.ConditionUsable, metav1.ConditionFalse, reason, message)
	case deniesAll(s.plan):
		t, _ := s.denial()
		return condition(v1alpha1.ConditionUsable, metav1.ConditionFalse, t.reason, "nothing was granted")
	case !issued:
		return condition(v1alpha1.ConditionUsable, metav1.ConditionFalse, v1alpha1.ReasonIssuing, "there is no current credential")
	case current.Revision < s.key.Spec.MinRevision:
		return condition(v1alpha1.ConditionUsable, metav1.ConditionFalse, v1alpha1.ReasonBelowMinRevision,
			fmt.Sprintf("verifiers refuse the credential of revision %d, since it is below spec.minRevision", current.Revision))
	default:
		return condition(v1alpha1.ConditionUsable, metav1.ConditionTrue, v1alpha1.ReasonActive,
			fmt.Sprintf("verifiers accept the credential of revision %d", current.Revision))
	}
}

func accepted(s situation) metav1.Condition {
	if t, denied := s.denial(); denied {
		return condition(v1alpha1.ConditionAccepted, metav1.ConditionFalse, t.reason, t.message)
	}
	return condition(v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted, "all that the spec asks for is granted")
}

func policyWarning(s situation) metav1.Condition {
	if len(s.verdict.Warnings) == 0 {
		return condition(v1alpha1.ConditionPolicyWarning, metav1.ConditionFalse, "", "")
	}
	var messages []string
	for _, warning := range s.verdict.Warnings {
		messages = append(messages, warning.String())
	}
	return condition(v1alpha1.ConditionPolicyWarning, metav1.ConditionTrue, string(s.verdict.Warnings[0].Code()), strings.Join(messages, "\n"))
}

func expiring(s situation) metav1.Condition {
	if !s.plan.Expiring {
		return condition(v1alpha1.ConditionExpiring, metav1.ConditionFalse, "", "")
	}
	return condition(v1alpha1.ConditionExpiring, metav1.ConditionTrue, v1alpha1.ReasonExpiring,
		"the key expires at "+expiryText(s.key)+": set a later spec.expiresAt to keep it")
}

func reconciling(s situation) metav1.Condition {
	t, troubled := s.trouble()
	switch {
	case troubled && t.passes && s.failure != nil:
		return condition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, t.reason, "writing the Secret is tried again")
	case troubled && t.passes:
		return condition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, t.reason, t.message)
	case s.dead(), troubled, s.settled():
		return condition(v1alpha1.ConditionReconciling, metav1.ConditionFalse, "", "")
	}
	reason, message := s.issuing()
	return condition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, reason, message)
}

func stalled(s situation) metav1.Condition {
	if t, ok := s.trouble(); ok && !t.passes {
		return condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, t.reason, t.message)
	}
	return condition(v1alpha1.ConditionStalled, metav1.ConditionFalse, "", "")
}
