package v1alpha1

// DefaultSecretKey is the data key of the plaintext where spec.secret.key is not given.
const DefaultSecretKey = "api-key"

// SecretName is the name of the Secret that holds the plaintext: spec.secret.name, or where that is
// empty the ApiKey's own name. It is computed and never stored, so that Git does not drift.
func (k *ApiKey) SecretName() string {
	if k.Spec.Secret.Name != "" {
		return k.Spec.Secret.Name
	}
	return k.Name
}

// SecretKey is the data key of the plaintext in that Secret. The schema's default applies only where
// spec.secret is given at all.
func (k *ApiKey) SecretKey() string {
	if k.Spec.Secret.Key != "" {
		return k.Spec.Secret.Key
	}
	return DefaultSecretKey
}

// SourceKey is the data key of the API key in the Secret that spec.source.secretRef names; empty where
// there is no such reference.
func (k *ApiKey) SourceKey() string {
	switch {
	case k.Spec.Source == nil || k.Spec.Source.SecretRef == nil:
		return ""
	case k.Spec.Source.SecretRef.Key != "":
		return k.Spec.Source.SecretRef.Key
	default:
		return DefaultSecretKey
	}
}
