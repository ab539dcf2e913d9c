package apispec

import (
	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
	"github.com/apikey-operator/apikey-operator/internal/keys"
	"github.com/apikey-operator/apikey-operator/internal/lifecycle"
)

// SourceOf is where an ApiKey's key comes from.
func SourceOf(key *v1alpha1.ApiKey) lifecycle.Source {
	source := key.Spec.Source
	switch {
	case source != nil && source.Hash != nil:
		hint := source.Hash.Hint
		if hint == "" {
			hint = "…"
		}
		return lifecycle.Source{Kind: lifecycle.FromHash, Hash: keys.ImportedPrefix + source.Hash.SHA256, Hint: hint}
	case source != nil && source.SecretRef != nil:
		return lifecycle.Source{Kind: lifecycle.FromSecret}
	default:
		return lifecycle.Source{Kind: lifecycle.Generated}
	}
}
